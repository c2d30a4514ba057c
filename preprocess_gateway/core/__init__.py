"""The core: a clip's bytes in, an answer out, on whatever protocol they came."""

"""Data sets: a manifest of clips, readers that write one, folds over it.

Must not know: features, networks.
"""

"""A team's own parts, beside those of speech-emotion-serving."""

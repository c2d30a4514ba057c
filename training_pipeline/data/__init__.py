"""Data sets: clips and where they come from, whether they are fit to train on, splits of them, made-up sounds.

Must not know: networks, and what is made of features.
"""

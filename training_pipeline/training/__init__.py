"""Clips to features, features to a trained and calibrated network.

Must not know: SavedModels, evaluation, the store.
"""

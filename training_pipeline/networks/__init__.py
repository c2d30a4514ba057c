"""Networks and their registry: one file a network, each ends as a Keras model from features to logits.

Must not know: data sets and their splits, the store.
"""

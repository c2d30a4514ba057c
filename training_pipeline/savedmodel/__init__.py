"""A trained network as a SavedModel that keeps the contract, with its card and its golden set.

Must not know: evaluation, the store.
"""

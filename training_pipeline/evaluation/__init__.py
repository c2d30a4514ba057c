"""How good models are: cross-validations, kept predictions, costs, and a candidate against what serves.

Must not know: how figures are shown, the store.
"""

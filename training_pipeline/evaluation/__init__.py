"""How good models are: cross-validations, kept predictions, costs, and a candidate against what serves.

Must not know: the store, how figures are shown.
"""

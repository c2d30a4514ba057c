"""Whisper's pretrained encoder, a head on its states, and the fit that the networks made of both have in common.

Must not know: which networks there are, data sets, folds, serving.
"""

"""The encoder of Whisper-tiny, fine-tuned to emotions: weights, layers, augmentation, training.

Must not know: data sets, folds, serving.
"""

"""The encoder of Whisper-tiny, fine-tuned to emotions: weights, layers, augmentation, training."""

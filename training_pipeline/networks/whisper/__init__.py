"""The encoders of Whisper-tiny, fine-tuned to emotions or frozen, and of Whisper-base, frozen: recipes and the fit."""

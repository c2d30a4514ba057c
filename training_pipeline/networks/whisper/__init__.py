"""The encoders of Whisper-tiny and Whisper-base, fine-tuned to emotions or frozen: recipes and the fit."""

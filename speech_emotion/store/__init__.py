"""The model store: `models.config` and `<name>/<version>/`, on a folder.

Must not know: TensorFlow's runtime, Flask, training.
"""

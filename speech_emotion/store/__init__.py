"""The model store: `models.config` and `<name>/<version>/`, on a folder or in a bucket.

Must not know: TensorFlow's runtime, Flask, training.
"""

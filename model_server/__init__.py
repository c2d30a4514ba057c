"""TensorFlow Serving's API on the local TensorFlow runtime: same flags, same gRPC, same answers.

Must not know: audio, emotions, features, Flask, the gateway, the training pipeline.
"""

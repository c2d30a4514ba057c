"""TensorFlow Serving's gRPC services: each method translates, and calls ServerCore.

Must not know: how a model is loaded or run, nor REST.
"""

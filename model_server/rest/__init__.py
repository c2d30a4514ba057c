"""TensorFlow Serving's REST API: model status, metadata and predict, on the standard library's HTTP server.

Must not know: how a model is loaded or run, nor gRPC.
"""

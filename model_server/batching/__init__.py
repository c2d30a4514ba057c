"""Requests that run together. The rules and messages are those of TensorFlow Serving's batching session.

Must not know: TensorFlow, gRPC, HTTP.
"""

"""The gateway: HTTP in, features out to a model server over gRPC, an emotion back.

Must not know: TensorFlow's runtime, Keras, scikit-learn, training, `model_server`.
"""

"""The ground that every part shares: audio, features, the SavedModel contract, the model store, the client.

Must not know: TensorFlow's runtime, Flask, kfp, Kubernetes.
"""

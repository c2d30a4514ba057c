"""TensorFlow Serving's client: Predict, and which version a label means."""

"""What the components call: kfp's strings and paths to `training_pipeline.retraining`, and its artifacts back.

Each module imports what its own tasks need: `data` does without TensorFlow.
"""

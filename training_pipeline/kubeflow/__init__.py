"""The pipeline on Kubeflow Pipelines: thin components over `training_pipeline.retraining.steps`, and their wiring.

Must not know: how a step works.
"""

"""The pipeline on Kubeflow Pipelines: thin components over `training_pipeline.retraining.steps`, and their wiring.

Nothing else knows of Kubeflow.
"""

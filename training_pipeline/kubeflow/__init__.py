"""The pipeline on Kubeflow Pipelines: thin components over `training_pipeline.steps`, and their wiring.

Must not know: how a step works.
"""

"""Models trained and measured outside of the model store: what `ser train`, `evaluate`, `eda` and `sounds` do.

Must not know: retraining, Kubeflow.
"""

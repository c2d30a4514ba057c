"""From a data set to a labelled version in the store: the steps, and all of them in one process.

Must not know: Kubeflow.
"""

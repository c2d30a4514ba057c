"""What the components call: kfp's strings and paths to `training_pipeline.retraining`, and its artifacts back.

Each module imports what its own tasks need: `data` does without TensorFlow.
"""

from speech_emotion.cpus import limit_threads

limit_threads()  # before these imports: a task's container may use fewer CPUs than its node has

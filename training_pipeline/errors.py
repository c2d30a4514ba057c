"""What stops a training run, in a sentence."""

from __future__ import annotations

from collections.abc import Sequence

from speech_emotion.errors import SpeechEmotionError


class DataError(SpeechEmotionError):
    """A data set is not what it should be."""

    code = "data_set"


class UnknownModelError(SpeechEmotionError):
    """The registry has no network of that name."""

    code = "unknown_model"


class FailedCheckError(SpeechEmotionError):
    """A published version does not answer as it did in training."""

    code = "failed_check"


class WorkFolderError(SpeechEmotionError):
    """What a step makes cannot be written, mostly for a full disk."""

    code = "work_folder"


class MissingClassesError(DataError):
    """A network was given no example of some classes, which are counted from 0."""

    def __init__(self, classes: Sequence[int]) -> None:
        super().__init__(f"no example of class {', '.join(map(str, classes))}")
        self.classes = classes

"""A custom predictor of KServe: JSON with base64, as its example of images, or bytes of another content type."""

from __future__ import annotations

import base64
import os
from typing import Any

from kserve import Model, ModelServer

from benchmarks.peers.answers import load


class Speech(Model):
    """The model in KServe's one worker."""

    def load(self) -> bool:
        """Load the model."""
        self._answer = load()
        self.ready = True
        return True

    def predict(self, payload: Any, *_: Any, **__: Any) -> dict[str, Any]:
        """`{"instances": [{"b64": ...}]}`, or a clip's bytes."""
        if not isinstance(payload, bytes):
            payload = base64.b64decode(payload["instances"][0]["b64"])
        return {"predictions": [self._answer(payload)]}


if __name__ == "__main__":
    speech = Speech("speech")
    speech.load()
    ModelServer(http_port=int(os.environ["PORT"]), enable_grpc=False).start([speech])

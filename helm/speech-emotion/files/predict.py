"""What `helm test` runs: our client posts a generated clip. Arguments: URL, and the host's name where it is another."""

import sys
import tempfile
from pathlib import Path

import httpx

from speech_emotion.client import Client
from training_pipeline.data.synthetic import write_sample

url, names = sys.argv[1], sys.argv[2:]


class ToHost(httpx.HTTPTransport):
    """Asks an ingress controller by its address for a host by its name."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request under the host's name."""
        request.headers["Host"] = names[0]
        return super().handle_request(request)


with tempfile.TemporaryDirectory() as folder, Client(url, transport=ToHost() if names else None) as client:
    sample = Path(folder) / "sample.wav"
    write_sample(sample)
    sys.stdout.write(f"{client.predict(sample)}\n")

"""What `helm test` runs: our client posts a recording that ships, and needs to get an emotion for it.

Arguments: URL, and the host's name where it is another.
"""

import sys

import httpx

from speech_emotion.client import Client
from speech_emotion.samples import samples

url, names = sys.argv[1], sys.argv[2:]


class ToHost(httpx.HTTPTransport):
    """Asks an ingress controller by its address for a host by its name."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request under the host's name."""
        request.headers["Host"] = names[0]
        return super().handle_request(request)


with Client(url, transport=ToHost() if names else None) as client:
    answer = client.predict(samples()[0].read())
    sys.stdout.write(f"{answer}\n")
    if answer.emotion is None:
        sys.exit(f"The recording was answered without an emotion: {answer.reason}.")

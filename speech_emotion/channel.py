"""gRPC channels to a model server: plain or with TLS, made in one place."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import grpc

from speech_emotion.errors import SpeechEmotionError

Arguments = Sequence[tuple[str, str | int]]


class TlsError(SpeechEmotionError, ValueError):
    """The certificates for a model server contradict each other or cannot be read."""

    code = "tls"


@dataclass(frozen=True)
class Tls:
    """PEM files for a connection to a model server.

    Attributes:
        ca_file: certificates that the server's is checked against.
        client_cert_file: the client's own certificate, for a server that asks for one.
        client_key_file: the private key of that certificate, without a passphrase.

    Raises TlsError where a client certificate has no key, or a key no certificate.
    """

    ca_file: Path
    client_cert_file: Path | None = None
    client_key_file: Path | None = None

    def __post_init__(self) -> None:
        if (self.client_cert_file is None) != (self.client_key_file is None):
            raise TlsError("a client certificate and its key are needed together: only one of the two files is set")

    @classmethod
    def of(cls, ca_file: Path | None, client_cert_file: Path | None, client_key_file: Path | None) -> Tls | None:
        """From options that may be unset; none: the connection is plain.

        Raises TlsError for a client certificate or key without a CA file, which would be sent nowhere.
        """
        if ca_file is not None:
            return cls(ca_file, client_cert_file, client_key_file)
        if client_cert_file is not None or client_key_file is not None:
            raise TlsError("a client certificate needs the CA file too: without it the connection would be plain")
        return None

    def credentials(self) -> grpc.ChannelCredentials:
        """The files' content for gRPC. Raises TlsError, naming the file, if one cannot be read or does not fit."""
        files = [file for file in (self.ca_file, self.client_cert_file, self.client_key_file) if file]
        try:
            # gRPC takes any bytes and fails at the first call, without a reason.
            context = ssl.create_default_context(cafile=self.ca_file)
            if self.client_cert_file:
                context.load_cert_chain(self.client_cert_file, self.client_key_file, password="")
            contents = [file.read_bytes() for file in files]
        except OSError as error:
            raise TlsError(f"{', '.join(map(str, files))} cannot be used for TLS: {error}") from error
        ca, certificate, key = (*contents, None, None)[:3]
        return grpc.ssl_channel_credentials(ca, key, certificate)


def open_channel(target: str, tls: Tls | None = None, options: Arguments = (), *, host: str = "") -> grpc.Channel:
    """A channel to `target`, plain without `tls`; close it, or use it as a context manager.

    `host` is the name that the server's certificate must show, where `target` is one of the addresses behind that
    name. Raises TlsError.
    """
    if tls is None:
        return grpc.insecure_channel(target, options)
    named = (("grpc.ssl_target_name_override", host),) if host else ()
    return grpc.secure_channel(target, tls.credentials(), (*options, *named))

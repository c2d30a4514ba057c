"""Options that name the model servers of a store, for every command that moves a label."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_type_hints

import typer

if TYPE_CHECKING:
    from speech_emotion.store.servers import ModelServers


@dataclass(frozen=True)
class ServerOptions:
    """One field an option."""

    server: Annotated[
        list[str] | None,
        typer.Option(
            "--server",
            envvar="PIPELINE_SERVER",
            help="Address of a model server, HOST:PORT; repeat it for each server.",
        ),
    ] = None
    offline: Annotated[
        bool, typer.Option("--offline", help="Move the label without asking a model server, as none runs.")
    ] = False
    timeout_s: Annotated[
        float, typer.Option("--timeout-s", min=0, help="Wait up to N seconds until every server serves the version.")
    ] = 60.0
    server_ca_file: Annotated[
        Path | None,
        typer.Option(
            envvar="PIPELINE_SERVER_CA_FILE",
            help="PEM file of the certificates to check the servers against; without it connections are plain.",
        ),
    ] = None
    server_client_cert_file: Annotated[
        Path | None,
        typer.Option(
            envvar="PIPELINE_SERVER_CLIENT_CERT_FILE",
            help="PEM file of the certificate to show, if the servers ask for one.",
        ),
    ] = None
    server_client_key_file: Annotated[
        Path | None, typer.Option(envvar="PIPELINE_SERVER_CLIENT_KEY_FILE", help="PEM file of its private key.")
    ] = None

    def chosen(self) -> ModelServers:
        """The servers to ask, none with --offline. Raises TlsError; without any it is a usage error."""
        from speech_emotion.channel import Tls
        from speech_emotion.store.servers import NO_SERVERS, ModelServers

        if not self.server:
            if self.offline:
                return NO_SERVERS
            raise typer.BadParameter("name every model server with --server HOST:PORT, or say --offline if none runs")
        tls = Tls.of(self.server_ca_file, self.server_client_cert_file, self.server_client_key_file)
        return ModelServers(tuple(self.server), tls, self.timeout_s)


def with_servers(command: Callable[..., None]) -> Callable[..., None]:
    """Give `command` the options of ServerOptions in place of its parameter `servers`."""
    hints = get_type_hints(command, include_extras=True)
    own = [p.replace(annotation=hints[p.name]) for p in inspect.signature(command).parameters.values()]
    fields = inspect.signature(ServerOptions).parameters
    shown = get_type_hints(ServerOptions, include_extras=True)
    options = [field.replace(annotation=shown[name]) for name, field in fields.items()]
    parameters = [*(p for p in own if p.name != "servers"), *options]

    @functools.wraps(command)
    def wrapper(**values: object) -> None:
        given = {name: values.pop(name) for name in fields}
        command(servers=ServerOptions(**given), **values)  # type: ignore[arg-type]

    wrapper.__dict__["__signature__"] = inspect.Signature(
        [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in parameters]
    )
    wrapper.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return wrapper

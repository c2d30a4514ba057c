"""Options that name the model servers of a store, for every command that moves a label."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from training_pipeline.retraining.options import find

if TYPE_CHECKING:
    from speech_emotion.store.servers import ModelServers

_SERVER = find("servers")


def _as_declared(name: str) -> Any:
    """The option of a retraining of that name."""
    option = find(name)
    return typer.Option(option.flag, envvar=option.variable, help=option.text)


@dataclass(frozen=True)
class ServerOptions:
    """One field an option."""

    server: Annotated[
        list[str] | None,
        typer.Option(
            _SERVER.flag,
            envvar=_SERVER.variable,
            help="Address of a model server, HOST:PORT (IPv6 in brackets: [::1]:8500); repeat it for each server.",
        ),
    ] = None
    offline: Annotated[
        bool, typer.Option("--offline", help="Move the label without asking a model server, because none runs.")
    ] = False
    timeout_s: Annotated[
        float, typer.Option("--timeout-s", min=0, help="Wait up to N seconds until every server serves the version.")
    ] = 60.0
    server_ca_file: Annotated[Path | None, _as_declared("server_ca_file")] = None
    server_client_cert_file: Annotated[Path | None, _as_declared("server_client_cert_file")] = None
    server_client_key_file: Annotated[Path | None, _as_declared("server_client_key_file")] = None

    def chosen(self) -> ModelServers:
        """The servers to ask, none with --offline. Raises TlsError; without any it is a usage error."""
        from speech_emotion.channel import Tls
        from speech_emotion.store.servers import NO_SERVERS, ModelServers

        if not self.server:
            if self.offline:
                return NO_SERVERS
            raise typer.BadParameter("name every model server with --server HOST:PORT, or use --offline if none runs")
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

"""Proxies in front of the gateway: which of their headers are believed, and a base path that they keep."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from werkzeug.middleware.proxy_fix import ProxyFix

from preprocess_gateway.settings import Settings, base_path_of
from preprocess_gateway.telemetry.failures import log_failure

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

SCHEMES: Final = {"http": "http", "https": "https", "ws": "http", "wss": "https"}  # Traefik names WebSockets apart
HOST: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]{0,252}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?")
ADDRESS: Final = re.compile(r"\[(?P<six>[^\]]*)\](:[0-9]+)?|(?P<four>[0-9.]+)(:[0-9]+)?")
MAX_SHOWN: Final = 80


def behind_proxies(app: WSGIApplication, settings: Settings) -> WSGIApplication:
    """`app` as these settings say that clients reach it: it answers below the base path too, and believes proxies."""
    if settings.base_path:
        app = BelowBasePath(app, settings.base_path)
    if settings.proxies or settings.trusted_proxies:
        app = BelievesProxies(app, settings)
    return app


class BelowBasePath:
    """Takes the base path off the paths that have it; other paths are answered as they are.

    Werkzeug's DispatcherMiddleware would also take a target without a slash, such as `OPTIONS *`, for a base path.
    """

    def __init__(self, app: WSGIApplication, base_path: str) -> None:
        self._app = app
        self._base_path = base_path

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        if is_below(environ["PATH_INFO"], self._base_path):
            environ["SCRIPT_NAME"] = environ.get("SCRIPT_NAME", "") + self._base_path
            environ["PATH_INFO"] = environ["PATH_INFO"].removeprefix(self._base_path)
        return self._app(environ, start_response)


class BelievesProxies:
    """Applies `X-Forwarded-*` of the proxies that are trusted, where the values are valid; others are as if not sent.

    Each of `proxies` is taken to have added a value or replaced those before it, so that the last so many are theirs.
    """

    def __init__(self, app: WSGIApplication, settings: Settings) -> None:
        self._app = ProxyFix(app, x_for=1, x_proto=1, x_host=1, x_prefix=1)  # of what is left of the headers
        self._proxies = max(1, settings.proxies)
        self._trusted = settings.trusted_proxies
        self._base_path = settings.base_path
        self._readers: Mapping[str, Callable[[list[str]], str]] = {
            "X-Forwarded-For": self._address,
            "X-Forwarded-Proto": lambda values: SCHEMES[values[0].lower()],
            "X-Forwarded-Host": lambda values: _host(values[0]),
            "X-Forwarded-Prefix": lambda values: "".join(map(base_path_of, values)),
        }

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        with suppress(ValueError):  # a client of IPv4 has one name, also where a socket takes both families
            environ["REMOTE_ADDR"] = str(plain_address(environ.get("REMOTE_ADDR", "")))
        believed = self._believed(environ.get("REMOTE_ADDR", ""))
        for header, read in self._readers.items():
            name = f"HTTP_{header.upper().replace('-', '_')}"
            said = environ.pop(name, "")
            if said and header in believed:
                values = [value.strip() for value in said.split(",")][-self._proxies :]
                with suppress(KeyError, ValueError):
                    environ[name] = read(values)
                if name not in environ:
                    log_failure(f"{header} is ignored", ValueError(f"{said[-MAX_SHOWN:]!r} is not valid"))
        self._say_once(environ)
        return self._app(environ, start_response)

    def _believed(self, peer: str) -> Iterable[str]:
        if not self._trusted:  # `proxies` alone
            return ("X-Forwarded-For",)
        with suppress(ValueError):
            address = plain_address(peer)
            if any(address in network for network in self._trusted):
                return self._readers.keys()
        return ()

    def _address(self, values: list[str]) -> str:
        if len(values) < self._proxies:
            raise ValueError("one of the proxies added nothing")
        found = ADDRESS.fullmatch(values[0])
        return str(plain_address((found["six"] or found["four"] or "") if found else values[0]))

    def _say_once(self, environ: WSGIEnvironment) -> None:
        """A proxy that keeps the base path may name it in a header too."""
        prefix = environ.get("HTTP_X_FORWARDED_PREFIX", "")
        if prefix == self._base_path and is_below(environ["PATH_INFO"], prefix):
            environ.pop("HTTP_X_FORWARDED_PREFIX", None)


def is_below(path: str, base_path: str) -> bool:
    """Whether a path is the base path or continues it."""
    return path == base_path or path.startswith(f"{base_path}/")


def plain_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """An address; one of IPv4 that a socket for both families shows as IPv6 is one of IPv4. Raises ValueError."""
    address = ipaddress.ip_address(text)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _host(text: str) -> str:
    if not HOST.fullmatch(text):
        raise ValueError("not a host")
    return text

"""Where the service is, and which proxy is in the way."""

from __future__ import annotations

import ipaddress
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

import httpx

T = TypeVar("T")
ROUTES: Final = ("/predict", "/v1/models", "/v1/recordings", "/v1/stream")


@dataclass(frozen=True)
class Address:
    """The URL that routes are added to, and the proxy that requests to it go through, if any.

    `str(address)` names both, without passwords.
    """

    url: httpx.URL
    proxy: httpx.URL | None = None

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read a URL; without a scheme it is HTTP, and a route of the service at its end is taken off.

        The proxy is that of the environment (`HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`); loopback
        addresses have none, as a proxy would look for them on its own machine.

        Raises ValueError for another scheme, and for what is no URL of a host.
        """
        full = text.strip() if "://" in text else f"http://{text.strip()}"
        url = _parse(full)
        if url.scheme not in ("http", "https"):
            raise ValueError(f"{_shown(url)} is not a URL of the service: its scheme must be http or https")
        if not url.host or url.query or url.fragment:
            raise ValueError(f"{text!r} is not a URL of the service: it must be like http://HOST:PORT")
        path = url.path.rstrip("/")
        for route in ROUTES:
            path = path.removesuffix(route)
        url = url.copy_with(path=f"{path}/")
        return cls(url, _proxy_of(url))

    def make_transport(self, kind: Callable[..., T]) -> T:
        """Make httpx's transport of this kind, through the proxy. Raises ValueError for a proxy that it cannot use."""
        try:
            return kind(proxy=self.proxy)
        except (ImportError, ValueError) as error:
            raise ValueError(f"the proxy of {self} cannot be used: {error}") from error

    def __str__(self) -> str:
        through = f" through the proxy {_shown(self.proxy)}" if self.proxy else ""
        return _shown(self.url) + through


def _proxy_of(url: httpx.URL) -> httpx.URL | None:
    proxies = urllib.request.getproxies()
    named = proxies.get(url.scheme) or proxies.get("all")
    if not named or _is_loopback(url.host) or urllib.request.proxy_bypass(url.netloc.decode("ascii")):
        return None
    return _parse(named if "://" in named else f"http://{named}")


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def _parse(text: str) -> httpx.URL:
    try:
        return httpx.URL(text)
    except httpx.InvalidURL as error:
        raise ValueError(f"{text!r} is not a URL: {error}") from error


def _shown(url: httpx.URL) -> str:
    return str(url.copy_with(userinfo=b"")).rstrip("/")

"""Chooses the proxy for a server from environment variables, with curl's rules.

These are `http_proxy` (lower case only: the CGI programs of a web server get `HTTP_PROXY` from the client),
`https_proxy` and `all_proxy` in either case, and `no_proxy`. A password in such a variable is sent to the proxy and
never displayed.
"""

from __future__ import annotations

import base64
import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from promptcot.errors import EngineUnusable
from promptcot.recipe.addresses import host_and_port

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_PORTS = {"http": 1080, "https": 443}
"""The default port of a proxy, as in curl."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy without its password, which is in the header `auth`, and the variable that names it."""

    url: str
    variable: str
    auth: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    def __str__(self) -> str:
        return f"the proxy {self.url} (from {self.variable})"

    def way_out(self, host: str) -> str:
        """Advice for when the proxy fails."""
        return f"unset {self.variable}, or name {host} in no_proxy, where the server can be reached without it"


def proxy_for(url: str, environment: Mapping[str, str] = os.environ) -> Proxy | None:
    """The proxy that the environment names for a server. Raises EngineUnusable for an unusable one."""
    try:
        host, port = host_and_port(url)
    except ValueError:
        return None  # the call reports what is wrong with this address
    if not host or _is_excepted(host, port, environment):
        return None
    scheme = urlsplit(url).scheme
    names = ["http_proxy"] if scheme == "http" else ["https_proxy", "HTTPS_PROXY"]
    for name in (*names, "all_proxy", "ALL_PROXY"):
        if value := environment.get(name, "").strip():
            return _proxy(value, name)
    return None


def _proxy(value: str, variable: str) -> Proxy:
    match = _SCHEME.match(value)
    scheme, rest = (match[1].lower(), value[match.end() :]) if match else ("http", value)
    if scheme not in _PORTS:
        raise EngineUnusable(
            f"{variable} names a proxy of the kind {scheme}://, which is not supported; name one that speaks HTTP "
            f"(http://HOST:PORT), unset {variable}, or name the server's host in no_proxy",
            "proxy",
        )
    credentials, at, place = re.split(r"[/?#]", rest)[0].rpartition("@")
    try:
        host, port = urlsplit(f"//{place}").hostname, urlsplit(f"//{place}").port or _PORTS[scheme]
    except ValueError:
        host, port = None, 0
    if not host:
        raise EngineUnusable(f"{variable} names an invalid proxy address; write http://HOST:PORT, or unset it", "proxy")
    name, _, password = credentials.partition(":")
    auth = base64.b64encode(f"{unquote(name)}:{unquote(password)}".encode()).decode() if at else ""
    return Proxy(
        f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}",
        variable,
        auth and f"Basic {auth}",
        unquote(password),
    )


def _is_excepted(host: str, port: int, environment: Mapping[str, str]) -> bool:
    """Whether `no_proxy` covers this host: itself, a parent domain, a network of its address, or all (`*`)."""
    listed = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    return any(_names(pattern.lower(), host, port) for pattern in re.split(r"[,\s]+", listed) if pattern)


def _names(pattern: str, host: str, port: int) -> bool:
    pattern, at_port = _without_port(pattern)
    if at_port is not None and at_port != port:
        return False
    if pattern == "*":
        return True
    if (address := _address(host)) is not None:
        return _holds(pattern.strip("[]"), address)
    domain = pattern.removeprefix("*").strip(".")
    return bool(domain) and f".{host.rstrip('.')}".endswith(f".{domain}")


def _without_port(pattern: str) -> tuple[str, int | None]:
    """Split `HOST:PORT`. The colons of a bare IPv6 address are not separators."""
    match = re.fullmatch(r"(\[[^\]]*\]|[^:]*):(\d{1,5})", pattern)
    return (match[1], int(match[2])) if match else (pattern, None)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None


def _holds(network: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    try:
        return address in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False

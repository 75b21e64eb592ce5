"""The base URL of a server: its normal form, and the addresses below it. Pure; no server is contacted.

A base URL is kept as one string in its normal form: scheme in lower case, no trailing slash, no path of a single
endpoint (`/chat/completions`), and the query, which some gateways need (`?api-version=2024-10-21`), at the end.
"""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import parse_qsl, unquote, urlsplit

from promptcot.redaction import is_named_like_key, looks_like_key

_CALL = re.compile(r"/+(chat/completions|completions|embeddings|(?<=/v1/)models)$")
_KEYLESS = (
    "a key or a password does not belong in a URL, because URLs appear in files and logs: put it into an environment "
    "variable and name that with api_key_env"
)


class HoldsSecret(ValueError):
    """A URL contains a key or a password, which must not be repeated anywhere."""


def plain(url: str) -> str:
    """The normal form of a base URL. Raises ValueError, and HoldsSecret, whose message does not repeat the URL."""
    url = url.strip()
    if has_secret(url):
        raise HoldsSecret(_KEYLESS)
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.lower() not in ("http", "https"):
        raise ValueError(f"{url!r} is not the URL of a server; write it as http://HOST:PORT/v1")
    base, query = _parted(f"{scheme.lower()}://{rest}")
    return _CALL.sub("", base.rstrip("/")).rstrip("/") + query


def has_secret(url: str) -> bool:
    """Whether a URL has a user or a key anywhere. Checks the text, because a mistyped URL cannot be parsed."""
    base, *rest = re.split(r"[?#]", url)
    names = [name for other in rest for name, value in parse_qsl(other.replace(";", "&")) if value]
    return _names_user(unquote(base)) or any(map(is_named_like_key, names)) or looks_like_key(url)


def _names_user(base: str) -> bool:
    """Whether an `@` ends a user. A path may contain an `@` too, and a password may contain slashes."""
    _, separator, rest = base.partition("://")
    host, _, path = re.split(r"([/\\])", rest, maxsplit=1) if re.search(r"[/\\]", rest) else (rest, "", "")
    return "@" in (host if separator else base) or ("@" in path and re.search(r"^[^\[]*:\D", host) is not None)


@lru_cache(maxsize=256)
def below(base_url: str, path: str) -> str:
    """The address of a path (`/models`) below a base URL; the query stays at the end."""
    base, query = _parted(base_url)
    return base + path + query


@lru_cache(maxsize=64)
def server_root(base_url: str) -> str:
    """The base URL without its version. vLLM serves its own endpoints there."""
    base, query = _parted(base_url)
    return base.removesuffix("/v1") + query


def has_version(base_url: str) -> bool:
    """Whether the path ends in `/v1`, as most servers require."""
    return _parted(base_url)[0].endswith("/v1")


def host_and_port(url: str) -> tuple[str, int]:
    """The host in lower case, and the port. Raises ValueError if the URL is not an address."""
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def _parted(url: str) -> tuple[str, str]:
    """The URL before the query, and the query with its `?`. A fragment (`#`) is removed."""
    base, mark, query = url.partition("#")[0].partition("?")
    return base, mark + query if query else ""

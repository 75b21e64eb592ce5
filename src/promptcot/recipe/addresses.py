"""The base URL of a server: how it is written down, and the addresses below it. Pure; nobody is asked here.

A base URL is kept as one string in its plain form: scheme in small letters, no slash at the end, no path of a single
call (`/chat/completions`), and the query, which some gateways need (`?api-version=2024-10-21`), at the end.
"""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import parse_qsl, unquote, urlsplit

from promptcot.redaction import is_named_like_key, looks_like_key

_CALL = re.compile(r"/+(chat/completions|completions|embeddings|(?<=/v1/)models)$")
_KEYLESS = "a URL holds no key, since it is written down: put it into the variable api_key_env"


class HoldsSecret(ValueError):
    """A URL has a key or a password in it, which must be repeated nowhere."""


def plain(url: str) -> str:
    """The plain form of a base URL. Raises HoldsSecret, whose words do not repeat it, and ValueError."""
    url = url.strip()
    if has_secret(url):
        raise HoldsSecret(_KEYLESS)
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.lower() not in ("http", "https"):
        raise ValueError(f"{url!r} is no URL of a server; write it as http://HOST:PORT/v1")
    base, query = _parted(f"{scheme.lower()}://{rest}")
    return _CALL.sub("", base.rstrip("/")).rstrip("/") + query


def has_secret(url: str) -> bool:
    """Whether a URL names a user, or has a key anywhere. Looks at the text, since a mistyped URL may have both."""
    base, *others = re.split(r"[?#]", url)
    names = [name for other in others for name, value in parse_qsl(other.replace(";", "&")) if value]
    return _names_user(unquote(base)) or any(map(is_named_like_key, names)) or looks_like_key(url)


def _names_user(base: str) -> bool:
    """Whether an `@` is a user's: in a path it may stand, but a password may have slashes in it too."""
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
    """The base URL without its version: where vLLM has what OpenAI's protocol lacks."""
    base, query = _parted(base_url)
    return base.removesuffix("/v1") + query


def has_version(base_url: str) -> bool:
    """Whether the path ends in `/v1`, as it mostly has to."""
    return _parted(base_url)[0].endswith("/v1")


def host_and_port(url: str) -> tuple[str, int]:
    """The host in small letters, and the port. Raises ValueError for what is no address."""
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def _parted(url: str) -> tuple[str, str]:
    """What stands before the query, and the query with its mark; what stands behind `#` is for browsers."""
    base, mark, query = url.partition("#")[0].partition("?")
    return base, mark + query if query else ""

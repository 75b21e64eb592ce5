"""Probes a server to diagnose an address: does it answer, does it need a key, which models does it serve?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from promptcot.printable import quoted
from promptcot.recipe.addresses import below, has_version
from promptcot.redaction import redacted
from promptcot.storage.json import loads

Get = Callable[[str, aiohttp.ClientTimeout], Any]
"""`Transport.get`: an address is probed in the same way as calls are sent, through the same proxy."""

CERTIFICATE = (
    "If the server is yours, let Python trust its certificate: SSL_CERT_FILE=CA.pem names the authority that signed it"
)
_PATIENCE = aiohttp.ClientTimeout(total=15)


@dataclass(frozen=True, slots=True)
class Sight:
    """The result of `GET URL/models`: the models it lists, or None and the `problem`."""

    url: str
    models: tuple[str, ...] | None
    problem: str = ""
    status: int | None = None
    context: int | None = None
    roots: Mapping[str, str] = field(default_factory=dict)
    """The paths from which the models were loaded, if the server reports them."""


async def look(get: Get, base_url: str) -> Sight:
    """Request the list of models of a base URL. Raises nothing: a missing answer is a finding too."""
    try:
        async with get(below(base_url, "/models"), _PATIENCE) as response:
            data = await read_some(response, 16 << 20)
            kind = response.content_type
            status = response.status
    except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
        return Sight(base_url, None, quoted(str(error)) or type(error).__name__)
    if status != 200:
        return Sight(base_url, None, f"it answers {status}", status)
    entries = _entries(data)
    if entries is None:
        return Sight(base_url, None, f"it answers with {kind}, not with a list of models", status)
    names = tuple(redacted(str(entry["id"])) for entry in entries)
    lengths = [entry["max_model_len"] for entry in entries if isinstance(entry.get("max_model_len"), int)]
    roots = {str(entry["id"]): entry["root"] for entry in entries if isinstance(entry.get("root"), str)}
    return Sight(base_url, names, status=status, context=min(lengths, default=None), roots=roots)


async def read_object(get: Get, url: str) -> dict[str, Any] | None:
    """The JSON object at an address; None if there is no readable one."""
    try:
        async with get(url, _PATIENCE) as response:
            value = loads(await read_some(response, 16 << 20)) if response.status == 200 else None
    except (TimeoutError, aiohttp.ClientError, OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


async def read_some(response: aiohttp.ClientResponse, most: int) -> bytes:
    """The body up to a number of bytes. `content.read(n)` alone would return only the bytes that have arrived."""
    parts: list[bytes] = []
    while most > 0 and (part := await response.content.read(most)):
        parts.append(part)
        most -= len(part)
    return b"".join(parts)


def _entries(data: bytes) -> list[dict[str, Any]] | None:
    try:
        entries = loads(data)["data"]
        return [entry for entry in entries if isinstance(entry, dict) and "id" in entry]
    except (ValueError, KeyError, TypeError):
        return None


async def advice(get: Get, base_url: str, model: str) -> str | None:
    """A sentence on what is probably wrong with this address or this model; None if nothing is found."""
    sight = await look(get, base_url)
    if sight.models is not None and model not in sight.models:
        return f"{base_url} has no model {model!r}; it lists {shown_models(sight.models)}"
    if sight.models is not None:
        return None
    if not has_version(base_url):
        deeper = await look(get, below(base_url, "/v1"))
        if deeper.models is not None:
            return f"the address lacks /v1: use --base-url {deeper.url} (it lists {shown_models(deeper.models)})"
    if sight.status in (401, 403):
        return f"{base_url} requires a key, or a different key: asked for its models, {sight.problem}"
    if sight.status is None:
        return f"{base_url} does not answer: {sight.problem}{_hint(sight.problem)}"
    return f"{base_url} does not look like an OpenAI-compatible server: asked for its models, {sight.problem}"


def key_hint(variable: str, key: str) -> str:
    """Where the key of a server is read from, and whether it is set. The key itself is never shown."""
    return f"the key is read from the environment variable {variable}{'' if key else ', which is not set'}"


def _hint(problem: str) -> str:
    if "WRONG_VERSION_NUMBER" in problem:
        return "\nThe server does not use TLS: write http:// instead of https://"
    if "CERTIFICATE" in problem.upper():
        return f"\n{CERTIFICATE}"
    return ""


def shown_models(models: Sequence[str], most: int = 8) -> str:
    """The first of a server's models, for use in a sentence."""
    shown = ", ".join(quoted(name, 200) for name in models[:most]) or "none"
    return f"{shown} and {len(models) - most} more" if len(models) > most else shown

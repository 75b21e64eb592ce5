"""Access to the Hub's client library: whether it is installed and allowed, its token, and the classes of its errors.

Decides what is required before anything is sent, and which errors are transient. `runners.retries` decides how often to
retry.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from promptcot.errors import InputError, PromptCoTError, TransientError
from promptcot.hub.parcel import check_name, endpoint
from promptcot.printable import quoted
from promptcot.redaction import remember

_TRUE = {"1", "ON", "YES", "TRUE"}
_PASSING = {408, 425, 429, 500, 502, 503, 504}
_CHANGED = {409, 412}
_LIBRARIES = {"httpx", "httpx2", "httpcore", "httpcore2", "requests", "urllib3"}
_LOGIN = "`hf auth login`, or set HF_TOKEN to a token with the right to write (https://huggingface.co/settings/tokens)"


def check_ready(name: str) -> None:
    """Raises an error if an upload to OWNER/NAME could not begin: UsageError for the name; InputError if the library or
    a token is missing, or HF_HUB_OFFLINE is set. Nothing is sent.
    """
    check_name(name)
    for variable in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        if os.environ.get(variable, "").upper() in _TRUE:
            raise InputError(f"--push {name}: {variable}={os.environ[variable]} is set, so nothing is sent; unset it")
    if not endpoint().startswith(("https://", "http://")):
        raise InputError(f"--push {name}: HF_ENDPOINT is {quoted(endpoint())}, and has to begin with https://")
    if importlib.util.find_spec("huggingface_hub") is None:
        raise InputError(f"--push {name} needs: pip install 'promptcot[hub]'")
    found = token()
    if found is None:
        raise InputError(f"--push {name}: no token of the Hub was found on this machine: {_LOGIN}")
    if not (found.isascii() and found.isprintable()) or " " in found:
        raise InputError(f"--push {name}: the token has characters that no token of the Hub has: {_LOGIN}")


def token() -> str | None:
    """The token of the environment or of `hf auth login`, which is never displayed."""
    import huggingface_hub

    found: str | None = huggingface_hub.get_token()
    if found:
        remember(found)
    return found


def open_client() -> Any:
    """A client of the Hub with a token that the Hub accepts. Raises InputError, TransientError."""
    from huggingface_hub import HfApi

    client = HfApi(endpoint=endpoint(), token=token(), library_name="promptcot")
    with sending("the token"):
        client.whoami()
    return client


@contextmanager
def sending(what: str) -> Iterator[None]:
    """Converts client errors about `what` into ours. Raises TransientError for transient errors, InputError."""
    try:
        yield
    except PromptCoTError:
        raise
    except Exception as error:
        cause = _telling(error)
        if cause is None:
            raise
        raise _ours(what, cause) from error


def _telling(error: BaseException) -> BaseException | None:
    """The first of an error and its causes that comes from a server or a connection."""
    link: BaseException | None = error
    while link is not None:
        if status_of(link) is not None or _is_library(link) or isinstance(link, OSError):
            return link
        link = link.__cause__ or link.__context__
    return error if isinstance(error, ValueError | RuntimeError) else None


def status_of(error: BaseException) -> int | None:
    """The status of the response that caused an error."""
    return getattr(getattr(error, "response", None), "status_code", None)


def _is_library(error: BaseException) -> bool:
    return any(kind.__module__.partition(".")[0] in _LIBRARIES for kind in type(error).__mro__)


def _ours(what: str, error: BaseException) -> PromptCoTError:
    status, words = status_of(error), quoted(str(error) or type(error).__name__, 300).rstrip(".")
    if type(error).__name__ == "OfflineModeIsEnabled":  # the library looks at its variables once, when it is loaded
        return InputError(f"{what}: {words}")
    if status == 401:
        return InputError(f"{what}: the Hub does not accept the token (401); {_LOGIN}")
    if status == 403:
        return InputError(
            f"{what}: the token may not do this (403): {words}. Use one with the right to write: {_LOGIN}"
        )
    if status in _CHANGED:
        return TransientError(
            f"{what}: someone else has changed it in the meantime ({status}): {words}", f"http {status}"
        )
    if status in _PASSING:
        return TransientError(f"{what}: {words}", f"http {status}", _retry_after(error))
    if status is None and (_is_library(error) or isinstance(error, ConnectionError | TimeoutError)):
        return TransientError(f"{what}: {words}")
    return InputError(f"{what}: {words}")


def _retry_after(error: BaseException) -> float | None:
    """The seconds that a server asks for."""
    headers = getattr(getattr(error, "response", None), "headers", {})
    try:
        return max(0.0, float(headers.get("Retry-After", "")))
    except ValueError:
        return None

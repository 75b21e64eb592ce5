"""Loads a custom verifier by its import path, and checks it against the protocol `Verifier`.

The verifier is loaded in the caller's process too, so that a mistake shows before any paid call, but its functions run
only in processes that can be killed (`workers`).
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from promptcot.grading.protocol import Verifier
from promptcot.recipe import import_path

_CALLS: Mapping[str, tuple[tuple[str, ...], Mapping[str, bool]]] = {
    "extract": (("",), {"unboxed": False}),
    "grade": (("", ""), {}),
    "same": (("", ""), {}),
    "check_gold": (("",), {}),
}
"""The arguments of each function of a verifier."""


def is_own(name: str) -> bool:
    """Whether a name is an import path."""
    return ":" in name


def load(name: str) -> Verifier:
    """The verifier at MODULE:NAME, or the one created by the class or function there. Raises ValueError."""
    verifier = import_path.load(name)
    if isinstance(verifier, type) or (callable(verifier) and not isinstance(verifier, Verifier)):
        try:
            verifier = verifier()
        except Exception as error:
            raise ValueError(f"{name!r}: calling it raises {type(error).__name__}: {error}") from error
    if (why := _why_not(verifier)) is not None:
        raise ValueError(f"{name!r} is {type(verifier).__name__}, which is not a verifier: {why} (docs/api.md)")
    checked: Verifier = verifier
    return checked


def _why_not(verifier: Any) -> str | None:
    for part, (arguments, options) in _CALLS.items():
        function = getattr(verifier, part, None)
        if not callable(function):
            return f"it has no function `{part}`"
        if inspect.iscoroutinefunction(function):
            return f"`{part}` is a coroutine, but must be a plain function"
        try:
            inspect.signature(function).bind(*arguments, **options)
        except TypeError as error:
            return f"`{part}` does not accept the arguments of promptcot.Verifier: {error}"
        except ValueError:  # functions not written in Python may have no signature
            continue
    return None


def version(name: str) -> str:
    """16 hex digits that change with the file of a verifier; modules that the file imports are not included."""
    verifier = import_path.load(name)
    module = inspect.getmodule(verifier) or inspect.getmodule(type(verifier))
    file = getattr(module, "__file__", None)
    content = Path(file).read_bytes() if file and Path(file).is_file() else b""
    return hashlib.blake2b(content, digest_size=8).hexdigest()

"""Checks the types of the API's arguments before any file is opened or any model is called.

An argument name has the same type in all functions, except for those in `_OWN_KINDS`. Rows, models and recipes are
checked where they are used, and so are conditions that involve several arguments.
"""

from __future__ import annotations

import inspect
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast

from promptcot.api.working import check_working
from promptcot.errors import UsageError

Function = TypeVar("Function", bound=Callable[..., Any])
Kind = tuple[Callable[[object], bool], str]
"""A check of a value, and the description of what it accepts."""


def checking(function: Function) -> Function:
    """A decorator that raises UsageError for an argument of the wrong type; a parameter's default is always accepted.

    An unknown argument is a TypeError, as usual in Python.
    """
    signature = inspect.signature(function)

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        for name, value in signature.bind(*args, **kwargs).arguments.items():
            if name == "working":
                check_working(value)
                check_given(**value)
            elif value is not signature.parameters[name].default:
                check(name, value, _OWN_KINDS.get((function.__name__, name)))
        return function(*args, **kwargs)

    return cast(Function, call)


def check_given(**arguments: object) -> None:
    """The same check, skipping arguments that are None. Raises UsageError."""
    for name, value in arguments.items():
        if value is not None:
            check(name, value)


def check(name: str, value: object, kind: Kind | None = None) -> None:
    """Raises UsageError if a value is not of this kind, or not of the kind for arguments of this name."""
    kind = kind or _KINDS.get(name)
    if kind is not None:
        fits, words = kind
        if not fits(value):
            shown = repr(value)
            raise UsageError(f"{name}: {shown[:200]}{'…' * (len(shown) > 200)} is not {words}")


def _is_path(value: object) -> bool:
    try:
        return isinstance(value, (str, Path)) and bool(str(value)) and b"\0" not in os.fsencode(value)
    except UnicodeError:  # a lone surrogate, which no file name can contain
        return False


def _is_word(value: object) -> bool:
    return isinstance(value, str) and value.isprintable() and bool(value.strip())


def _is_whole(least: int) -> Callable[[object], bool]:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


def _is_time(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0 and math.isfinite(value)


def _are(fits: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, Sequence) and not isinstance(value, str) and all(map(fits, value))


def _is_share(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1


def _are_shares(value: object) -> bool:
    if isinstance(value, Mapping):
        return all(isinstance(name, str) and _is_number(share) for name, share in value.items())
    return _is_word(value)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value >= 0


def _are_words(value: object) -> bool:
    return _is_word(value) or _are(_is_word)(value)


def _are_paths(value: object) -> bool:
    """Does not consume iterators, since they can be read only once."""
    if isinstance(value, Sequence):
        return _are(_is_path)(value)
    return isinstance(value, Iterable) and not isinstance(value, Mapping)


def _is_path_or_are(value: object) -> bool:
    return _is_path(value) or _are(_is_path)(value)


def _are_columns(value: object) -> bool:
    return isinstance(value, Mapping) and all(isinstance(one, str) for pair in value.items() for one in pair)


_PATH = (_is_path, "the path of a file or folder")
_NAME = (_is_word, "a name")
_COUNT = (_is_whole(1), "a whole number of at least 1")
_FLAG = (_is_flag, "True or False")
_SHARES = (_are_shares, "a mapping of names to shares, or a text such as AIME=0.5,AMC12=0.5")
_KINDS: Mapping[str, Kind] = {
    **dict.fromkeys(
        ("output", "output_dir", "output_path", "directory", "journal", "vectors", "prompt_like", "other_vectors"),
        _PATH,
    ),
    **dict.fromkeys(("name", "style", "until", "order", "pass_rate", "to", "layout", "license", "language"), _NAME),
    **dict.fromkeys(
        ("target", "max_candidates", "limit_rows", "workers", "n_rewards", "size", "min_n", "rows_per_shard"), _COUNT
    ),
    **dict.fromkeys(
        (
            "unboxed",
            "only_perfect",
            "partial",
            "keep_going",
            "strict",
            "mask_numbers",
            "check",
            "disputed",
            "keep_calls",
            "dry_run",
        ),
        _FLAG,
    ),
    "seed": (_is_whole(0), "a whole number of at least 0"),
    "prompts": (_is_path, "a shipped domain, or the path of a folder"),
    "benchmark": (_is_path, "a known benchmark, or the path of a file"),
    "against": (_is_path_or_are, "a known benchmark, the path of a file, or a list of these"),
    **dict.fromkeys(("near", "semantic_near", "validation", "test"), (_is_share, "a number between 0 and 1")),
    "min_agreement": (_is_share, "a number between 0 and 1"),
    "difficulty": _SHARES,
    "verifier": _NAME,
    "balance": (_are_words, "a name, or a list of names"),
    "limit": (_is_time, "a number of seconds"),
    "ks": (_are(_is_whole(1)), "a list of whole numbers of at least 1"),
    "levels": (_are(_is_word), "a list of levels"),
    "columns": (_are_columns, "a mapping of fields to columns"),
    "shards": (_are_paths, "a list of paths"),
    "on_progress": (callable, "a function that can be called"),
}
_OWN_KINDS: Mapping[tuple[str, str], Kind] = {("select", "levels"): _SHARES, ("select", "model"): _NAME}
"""Different checks for single functions, in which these arguments have another meaning."""

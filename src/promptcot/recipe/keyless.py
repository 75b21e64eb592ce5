"""Options and changes that a recipe hands on to other programs as they are: no key may be among them.

What is handed on stands in the list of processes, in logs and in the files beside outputs. What a key looks like is
decided in `redaction`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from pydantic_core import PydanticCustomError

from promptcot.redaction import holds_credentials, keys_in

SECRET = "secret"
"""The type of a mistake whose value must not be shown."""


def options_without_key(words: Sequence[str]) -> Sequence[str]:
    """The words, if no key is among them, as `--name value` or `--name=value`. Raises PydanticCustomError."""
    _check(words, (word if "=" in word else f"{word}={after}" for word, after in pairwise([*words, ""])))
    return words


def changes_without_key(changes: Sequence[str]) -> Sequence[str]:
    """The changes, each `a.b=value`, if no key is among them. Raises PydanticCustomError."""
    _check(changes, changes)
    return changes


def _check(words: Iterable[str], pairs: Iterable[str]) -> None:
    named = (pair.partition("=") for pair in pairs)
    if any(map(holds_credentials, words)) or any(list(keys_in({name: value})) for name, _, value in named):
        raise PydanticCustomError(
            SECRET,
            "there is a key or a password in it, which logs and the list of processes would show: put it into an "
            "environment variable (vLLM reads HF_TOKEN). What was given is not repeated here",
        )

"""Refuses keys in options and changes that a recipe passes to other programs unchanged.

These options appear in the process list, in logs and in the files beside outputs. `redaction` decides what looks like
a key.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from pydantic_core import PydanticCustomError

from promptcot.core.sections import SECRET
from promptcot.redaction import holds_credentials, keys_in


def options_without_key(words: Sequence[str]) -> Sequence[str]:
    """The options, if none of them holds a key (`--name value` or `--name=value`). Raises PydanticCustomError."""
    _check(words, (word if "=" in word else f"{word}={after}" for word, after in pairwise([*words, ""])))
    return words


def changes_without_key(changes: Sequence[str]) -> Sequence[str]:
    """The changes, each `a.b=value`, if none of them holds a key. Raises PydanticCustomError."""
    _check(changes, changes)
    return changes


def _check(words: Iterable[str], pairs: Iterable[str]) -> None:
    named = (pair.partition("=") for pair in pairs)
    if any(map(holds_credentials, words)) or any(list(keys_in({name: value})) for name, _, value in named):
        raise PydanticCustomError(
            SECRET,
            "it contains a key or a password, which logs and the process list would show: put it into an environment "
            "variable (vLLM reads HF_TOKEN). The value is not repeated here",
        )

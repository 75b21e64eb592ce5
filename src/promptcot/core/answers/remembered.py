"""A cache for functions of a text, which skips long texts so that thousands of these do not fill the memory.

Decides how long a text may be. Functions opt in with the decorator.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TypeVar

_LONGEST = 2000
"""The most characters of a cached text. Real answers are shorter, and endless texts never repeat."""

Result = TypeVar("Result")


def remembered(count: int) -> Callable[[Callable[[str], Result]], Callable[[str], Result]]:
    """A decorator that caches the last `count` results of a function of one text."""

    def decorated(function: Callable[[str], Result]) -> Callable[[str], Result]:
        kept = lru_cache(maxsize=count)(function)

        @wraps(function)
        def call(text: str) -> Result:
            return kept(text) if len(text) <= _LONGEST else function(text)

        return call

    return decorated

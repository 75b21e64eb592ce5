"""What was computed of a text, remembered; but not of a long one, so that thousands of these do not fill the memory.

Decides how long a text may be. Which functions remember is decided where they are.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TypeVar

_LONGEST = 2000
"""Characters. No answer that is one is longer; of those that models write without end, each is another."""

Result = TypeVar("Result")


def remembered(count: int) -> Callable[[Callable[[str], Result]], Callable[[str], Result]]:
    """A decorator: the last `count` results of a function of one text are kept."""

    def decorated(function: Callable[[str], Result]) -> Callable[[str], Result]:
        kept = lru_cache(maxsize=count)(function)

        @wraps(function)
        def call(text: str) -> Result:
            return kept(text) if len(text) <= _LONGEST else function(text)

        return call

    return decorated

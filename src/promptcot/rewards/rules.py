"""The settings of a reward: the verifier and its time limit, how replies are read, and the values of the outcomes.

By default the reward is 1 for a correct answer and 0 otherwise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypedDict

from promptcot.errors import UsageError


class Options(TypedDict, total=False):
    """The options of `score`, which all adapters take as well."""

    limit: float
    verifier: str
    unboxed: bool
    opened: bool
    format: float
    overlong: tuple[int, int] | None


@dataclass(frozen=True)
class Rules:
    """The options, with their defaults. Raises UsageError for an invalid value.

    - `limit`: seconds of CPU that one comparison may take.
    - `verifier`: a shipped one, or MODULE:NAME of your own.
    - `unboxed`: an answer that is announced without a box counts too.
    - `opened`: the prompt has opened the thinking, so a reply in which it does not end was truncated.
    - `format`: the bonus for a reply that ends its thinking, if it has any, and gives its answer in a box.
    - `overlong`: (longest, buffer) in tokens. A penalty grows from 0 to 1 over the last `buffer` tokens up to `longest`
      (DAPO, arXiv 2503.14476, equation 13).
    """

    limit: float = 5.0
    verifier: str = "mathematics"
    unboxed: bool = False
    opened: bool = False
    format: float = 0.0
    overlong: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.limit) and self.limit > 0):
            raise UsageError(f"limit is {self.limit!r}: give seconds, more than 0")
        if not math.isfinite(self.format):
            raise UsageError(
                f"format is {self.format!r}: give the number that is added for a correct form, such as 0.1"
            )
        if self.overlong is not None:
            longest, buffer = self.overlong
            if not 0 < buffer <= longest:
                raise UsageError(
                    f"overlong is {self.overlong!r}: give (longest, buffer) in tokens, 0 < buffer <= longest"
                )

    @classmethod
    def of(cls, options: Options) -> Rules:
        """The rules of some options."""
        return cls(**options) if options else _DEFAULTS

    def penalty(self, tokens: int | None) -> float:
        """The penalty for a reply of this many tokens, 0 to 1.

        Raises UsageError if a length is needed and not known.
        """
        if self.overlong is None:
            return 0.0
        if tokens is None:
            raise UsageError(
                "overlong needs the length of each reply in tokens, which is not known here: see docs/rewards.md"
            )
        longest, buffer = self.overlong
        return min(1.0, max(0.0, (tokens - (longest - buffer)) / buffer))


_DEFAULTS = Rules()

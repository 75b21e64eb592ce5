"""The phrases by which solvers of a domain refuse a problem as broken: the `[[refusals]]` of its `domain.toml`.

Decides the keys. `parsing.refusals` decides what counts as a refusal.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import field_validator

from promptcot.core.parsing.phrases import patterns
from promptcot.core.sections import NotEmpty, Section


class Refusal(Section):
    """One reason, and its phrases (see `parsing.phrases`).

    They are `said` of the problem itself, `concluded` at the end of a reply without an answer, or `boxed` as the
    answer. A problem that has one of `asked` asks for such an answer.
    """

    reason: NotEmpty
    said: tuple[str, ...] = ()
    concluded: tuple[str, ...] = ()
    boxed: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()

    @field_validator("said", "concluded", "boxed", "asked")
    @classmethod
    def _are_phrases(cls, given: Sequence[str]) -> Sequence[str]:
        patterns(given)
        return given

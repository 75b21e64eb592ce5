"""Asks one judge to rate a generated row.

The judge sees the concepts, the level and the generator's text. Its reply becomes the row's `completion`, and the
generator's text and counts move to other fields (see `core.filtering`). A reply that cannot be parsed still gives an
output row, with the judgement `invalid` and `invalid_reason`; the filter drops it. `core.parsing.judging` parses
replies.

If the domain's prompt asks for it, the judge begins its lines with a mark. Earlier versions used no mark, and their
replies in a journal are reused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from promptcot.core.filtering import generator_text, set_aside
from promptcot.core.parsing.judging import read_reply
from promptcot.core.prompts import PromptSet
from promptcot.errors import UnfitRow
from promptcot.records import Completion, Request, Row, Sampling, derive_seed
from promptcot.stages.asking import Asker, counted


@dataclass(frozen=True, slots=True)
class Judge:
    """One request for each row, to the judge called `judge`, raw or as a chat."""

    judge: str
    prompts: PromptSet
    sampling: Sampling
    seed: int
    chat: bool = False

    @property
    def name(self) -> str:
        return f"judge-{self.judge}"

    def ask(self, row: Row) -> Sequence[Request]:
        """One request. Raises UnfitRow when the row lacks concepts, level or the generator's text.

        The judge's name enters the seed, so that two judges with one model give independent verdicts.
        """
        asker, variables = Asker(self.prompts, self.sampling, self.chat), self._variables(row)
        request = asker.request("judge", self._seed(row), variables)
        if variables["own_mark"]:
            unmarked = asker.request("judge", self._seed(row), {**variables, "own_mark": ""})
            request = replace(request, earlier=unmarked)
        return [request]

    def read(self, row: Row, replies: Sequence[Completion]) -> Sequence[Row]:
        """The row with this judge's ratings and judgement. An invalid one has the ratings that could be parsed."""
        [reply] = replies
        material = "\n".join([*self._concepts(row), self._level(row), generator_text(row)])
        mark = self._variables(row)["own_mark"]
        judgement = read_reply(reply.text, reply.finish_reason, self.prompts.criteria, material, mark)
        judged: dict[str, Any] = {
            "judge": self.judge,
            "ratings": dict(judgement.ratings),
            "judgement": judgement.verdict,
            "completion": reply.text,
            **counted(reply),
        }
        if judgement.reason:
            judged["invalid_reason"] = judgement.reason
        return [{**set_aside(row), **judged}]

    def unusable(self, row: Row) -> str | None:
        """Why a verdict is invalid; None for a valid one."""
        return str(row.get("invalid_reason") or "invalid") if row.get("judgement") == "invalid" else None

    def _variables(self, row: Row) -> dict[str, Any]:
        text = generator_text(row).strip()
        return self.prompts.judging(self._concepts(row), self._level(row), text, self._seed(row))

    def _seed(self, row: Row) -> int:
        return derive_seed(self.seed, self.judge, row["id"], 0)

    def _concepts(self, row: Row) -> list[str]:
        concepts = row.get("foundational_concepts")
        if not isinstance(concepts, list) or not concepts or not all(isinstance(item, str) for item in concepts):
            raise UnfitRow(f"{self.name}: row {row.get('id')} has no list of strings in `foundational_concepts`")
        return concepts

    def _level(self, row: Row) -> str:
        level = row.get("level")
        if not isinstance(level, str) or not level:
            raise UnfitRow(f"{self.name}: row {row.get('id')} has no text in `level`")
        return level


def with_verdicts(row: Row, judged: Mapping[str, Row]) -> Row:
    """A generated row with the available verdicts, by judge."""
    return {**row, "judgements": {one["judge"]: str(one["judgement"]) for one in judged.values()}}

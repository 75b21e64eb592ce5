"""Asks one annotator for the foundational concepts of a problem.

The number of concepts is drawn for each problem and is the same for all annotators. A reply that cannot be parsed is
retried as often as the runner allows and then dropped; a reply that was cut off is dropped at once.
`core.parsing.extraction` parses replies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from promptcot.core.parsing import extraction
from promptcot.core.parsing.blocks import Unreadable
from promptcot.core.problems import problem_of
from promptcot.core.prompts import PromptSet, mark_for
from promptcot.records import Completion, Drop, Request, Retry, Row, Sampling, derive_seed
from promptcot.stages.asking import Asker, retried, text_of


@dataclass(frozen=True, slots=True)
class Extract:
    """One request for each row, to the annotator called `annotator`; the number of concepts is one of `sizes`."""

    annotator: str
    prompts: PromptSet
    sampling: Sampling
    seed: int
    sizes: Sequence[int] = (5,)
    chat: bool = False

    @property
    def name(self) -> str:
        return f"extract-{self.annotator}"

    def ask(self, row: Row) -> Sequence[Request]:
        """One request. Raises UnfitRow when the row has neither `problem` nor `prompt`."""
        problem = self._problem(row)
        seed = derive_seed(self.seed, self.annotator, row["id"], 0)
        asker = Asker(self.prompts, self.sampling, self.chat)
        return [
            asker.request("extract", seed, {"problem": problem, "n": self._size(problem), "mark": mark_for(problem)})
        ]

    def read(self, row: Row, replies: Sequence[Completion]) -> Sequence[Row] | Retry | Drop:
        """The row with `foundational_concepts`, `annotator` and the `problem`."""
        [reply] = replies
        problem = self._problem(row)
        concepts = extraction.parse(reply.text, self._size(problem), reply.finish_reason, text_of(self.ask(row)[0]))
        if isinstance(concepts, Unreadable):
            return retried(reply, concepts.reason)
        return [{**row, "problem": problem, "foundational_concepts": list(concepts), "annotator": self.annotator}]

    def _problem(self, row: Row) -> str:
        return problem_of(row, f"{self.name}: row {row.get('id')}")

    def _size(self, problem: str) -> int:
        """Drawn uniformly, with the problem as seed."""
        return self.sizes[derive_seed(self.seed, "size", problem) % len(self.sizes)]

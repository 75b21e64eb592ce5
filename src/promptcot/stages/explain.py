"""Asks one annotator for the rationale of a problem: how its designer got from the concepts and the level to it.

In a domain with other blocks the annotator writes all of them except the problem. The row then looks like one from a
generator, so that `judge` and `filter` accept it: `completion` has all blocks in the generator's markup, and `prompt`
is the generator's prompt. A reply that cannot be parsed is retried as often as the runner allows and then dropped; a
reply that was cut off is dropped at once. `core.parsing.blocks` parses replies.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from promptcot.core.columns import fields_of
from promptcot.core.parsing.blocks import Unreadable, parse, parse_others, render
from promptcot.core.problems import problem_of
from promptcot.core.prompts import PromptSet, mark_for
from promptcot.core.training_rows import concepts_of, level_of
from promptcot.errors import UnfitRow
from promptcot.records import Completion, Drop, Request, Retry, Row, Sampling, derive_seed
from promptcot.stages.asking import Asker, counted, retried, text_of


@dataclass(frozen=True, slots=True)
class Explain:
    """One request for each row, to the annotator called `annotator`.

    `render_prompt` makes the generator's prompt from concepts and level.
    """

    annotator: str
    prompts: PromptSet
    render_prompt: Callable[[Sequence[str], str], str]
    sampling: Sampling
    seed: int
    chat: bool = False

    @property
    def name(self) -> str:
        return f"explain-{self.annotator}"

    def ask(self, row: Row) -> Sequence[Request]:
        """One request. Raises UnfitRow when the row lacks problem, concepts or level."""
        problem, concepts, level = self._material(row)
        seed = derive_seed(self.seed, self.annotator, row["id"], 0)
        asker = Asker(self.prompts, self.sampling, self.chat)
        mark = mark_for("\n".join([problem, level, *concepts]))
        variables = {"problem": problem, "concepts": concepts, "level": level, "mark": mark}
        return [asker.request("explain", seed, variables)]

    def read(self, row: Row, replies: Sequence[Completion]) -> Sequence[Row] | Retry | Drop:
        """The row with the rationale, in the form of a row of `generate`, and the `annotator`."""
        [reply] = replies
        blocks = self.prompts.settings.written
        found = parse_others(reply.text, reply.finish_reason, text_of(self.ask(row)[0]), blocks)
        if isinstance(found, Unreadable):
            return retried(reply, found.reason)
        problem, concepts, level = self._material(row)
        texts = {**found, blocks.problem: problem}
        completion = render(texts, blocks)
        if isinstance(broken := parse(completion, blocks=blocks), Unreadable):
            return Drop(f"the problem does not fit between markers: {broken.reason}")
        explained = {
            "problem": problem,
            "foundational_concepts": concepts,
            "level": level,
            "prompt": self.render_prompt(concepts, level),
            "completion": completion,
            **blocks.fields(texts),
            "annotator": self.annotator,
            **counted(reply),
        }
        return [{**row, **explained}]

    def _material(self, row: Row) -> tuple[str, list[str], str]:
        where = f"{self.name}: row {row.get('id')}"
        concepts, level = concepts_of(row), level_of(row)
        if not concepts:
            raise UnfitRow(f"{where} has no list of strings in `foundational_concepts` or `concepts`; {fields_of(row)}")
        if level is None:
            raise UnfitRow(f"{where} has no text in `level`; --level sets one for such rows; {fields_of(row)}")
        return problem_of(row, where), concepts, level

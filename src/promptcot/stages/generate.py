"""Asks the generator for a rationale and a problem, with the prompt that the row carries.

The wording of the prompt was fixed when the row was sampled. A text that cannot be read is dropped with its raw form;
how it is read is in `core.parsing.rationale`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from promptcot.core.parsing import rationale
from promptcot.errors import UnfitRow
from promptcot.records import Completion, Drop, Message, Request, Row, Sampling, derive_seed
from promptcot.stages.asking import counted, text_of, unreadable


@dataclass(frozen=True, slots=True)
class Generate:
    """One request for each row: its `prompt`, raw or as the user's turn of a chat."""

    sampling: Sampling
    seed: int
    chat: bool = False
    name: str = "generate"

    def ask(self, row: Row) -> Sequence[Request]:
        """One request. Raises UnfitRow when the row has no `prompt`."""
        prompt = row.get("prompt")
        if not isinstance(prompt, str) or not prompt:
            raise UnfitRow(f"{self.name}: row {row.get('id')} has no text in `prompt`")
        seed = derive_seed(self.seed, row["id"], 0)
        if self.chat:
            return [Request(messages=(Message("user", prompt),), sampling=self.sampling, seed=seed)]
        return [Request(prompt=prompt, sampling=self.sampling, seed=seed)]

    def read(self, row: Row, replies: Sequence[Completion]) -> Sequence[Row] | Drop:
        """The row with what was generated, or a drop: `empty`, or `unreadable: ` and why."""
        [reply] = replies
        read = rationale.parse(reply.text, reply.finish_reason, text_of(self.ask(row)[0]))
        if isinstance(read, rationale.Unreadable):
            return unreadable(reply, read.reason)
        generated = {"completion": reply.text, "rationale": read.rationale, "problem": read.problem}
        return [{**row, **generated, **counted(reply)}]

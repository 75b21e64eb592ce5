"""Asks the generator for the blocks of its domain (a rationale and a problem), with the prompt from the row.

The wording of the prompt was fixed when the row was sampled. A completion that cannot be parsed is dropped, with its
raw text. `core.parsing.blocks` parses completions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from promptcot.core.parsing.blocks import PLAIN, Blocks, Unreadable, parse, shows_others
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
    blocks: Blocks = PLAIN

    def ask(self, row: Row) -> Sequence[Request]:
        """One request. Raises UnfitRow when the row has no `prompt`, or one that asks for other blocks."""
        prompt = row.get("prompt")
        if not isinstance(prompt, str) or not prompt:
            raise UnfitRow(f"{self.name}: row {row.get('id')} has no text in `prompt`")
        if (wrong := shows_others(prompt, self.blocks.names)) is not None:
            raise UnfitRow(
                f"{self.name}: row {row.get('id')}: its `prompt` shows {wrong}: the blocks are "
                f"{', '.join(self.blocks.names)}; name the domain of the prompts (--prompts)"
            )
        seed = derive_seed(self.seed, row["id"], 0)
        if self.chat:
            return [Request(messages=(Message("user", prompt),), sampling=self.sampling, seed=seed)]
        return [Request(prompt=prompt, sampling=self.sampling, seed=seed)]

    def read(self, row: Row, replies: Sequence[Completion]) -> Sequence[Row] | Drop:
        """The row with the generated blocks, or a drop: `empty`, or `unreadable: ` and why."""
        [reply] = replies
        read = parse(reply.text, reply.finish_reason, text_of(self.ask(row)[0]), self.blocks)
        if isinstance(read, Unreadable):
            return unreadable(reply, read.reason)
        return [{**row, "completion": reply.text, **self.blocks.fields(read), **counted(reply)}]

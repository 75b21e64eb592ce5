"""Prompts for OpenRLHF's PPO and similar algorithms."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from promptcot.exports.examples import Example
from promptcot.exports.formats.flat import Flat, prompted, turns
from promptcot.exports.formats.format import MESSAGES, Schema, Source
from promptcot.exports.formats.loading import Loaded
from promptcot.exports.formats.sources import source_of
from promptcot.records import Row


class OpenRLHF(Flat):
    """`input`, as messages or a text, `label`, the gold, and `datasource`, for its metrics.

    A text `<image>` in a prompt would be treated as an image.
    """

    name = "openrlhf"
    kind = "rl"
    also = ("open-rlhf", "rlhf")
    layouts = ("messages", "text")
    source = Source(
        "OpenRLHF",
        "0.11.2; OpenRLHF/OpenRLHF 3c3be623, 2026-08-13",
        ("openrlhf/datasets/prompts_dataset.py", "openrlhf/datasets/utils.py"),
    )
    taken = frozenset({"answer", "images"})

    def columns(self) -> Schema:
        return {
            "input": MESSAGES if self.layout == "messages" else "string",
            "label": "string",
            "datasource": "string",
        }

    def values(self, example: Example) -> Row:
        asked = turns(example.messages) if self.layout == "messages" else example.prompt
        return {"input": asked, "label": example.answer, "datasource": source_of(example)}

    def parts(self, row: Row) -> dict[str, Any]:
        return {**prompted(row["input"]), "answer": row["label"]}

    def gold(self, row: Row) -> Any:
        return row["label"]

    def unfit(self, example: Example) -> str | None:
        if any("<image>" in message.content for message in example.messages):
            return "<image> in the prompt"
        return super().unfit(example)

    def load(self, files: Sequence[Path]) -> Loaded:
        from openrlhf.datasets.utils import blending_datasets

        strategy = SimpleNamespace(print=lambda *words: None, is_rank_0=lambda: False, args=None)
        rows = blending_datasets(",".join(map(str, files)), strategy=strategy)
        return Loaded(rows, "openrlhf.datasets.utils.blending_datasets")

"""Prompts for NeMo RL's ResponseDataset, which builds messages from two texts: the prompt and the gold."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from promptcot.exports.examples import Example
from promptcot.exports.formats.flat import Flat, prompted
from promptcot.exports.formats.format import Schema, Source
from promptcot.exports.formats.loading import Loaded
from promptcot.records import Row


class NeMoRL(Flat):
    """`input` and `output`. With a column `messages`, NeMo RL would not look at these two."""

    name = "nemo-rl"
    kind = "rl"
    also = ("nemo", "nemo-aligner", "nvidia")
    layouts = ("text",)
    source = Source(
        "NeMo RL",
        "NVIDIA-NeMo/RL 7ea279ab, 2026-08-22",
        (
            "nemo_rl/data/datasets/response_datasets/response_dataset.py",
            "nemo_rl/data/datasets/utils.py",
            "nemo_rl/data/processors.py",
        ),
    )
    taken = frozenset({"answer", "messages", "task_name"})

    def columns(self) -> Schema:
        return {"input": "string", "output": "string"}

    def values(self, example: Example) -> Row:
        return {"input": example.prompt, "output": example.answer}

    def parts(self, row: Row) -> dict[str, Any]:
        return {**prompted(row["input"]), "answer": row["output"]}

    def gold(self, row: Row) -> Any:
        return row["output"]

    def load(self, files: Sequence[Path]) -> Loaded:
        from nemo_rl.data.datasets.utils import load_dataset_from_path

        parts = [load_dataset_from_path(str(file)) for file in files]
        return Loaded(itertools.chain.from_iterable(parts), "nemo_rl.data.datasets.utils.load_dataset_from_path")

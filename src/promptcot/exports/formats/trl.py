"""Prompts for TRL's GRPO and RLOO trainers, which hand every other column to the reward, by its name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from promptcot.exports.examples import Example
from promptcot.exports.formats.flat import Flat, prompted, turns
from promptcot.exports.formats.format import MESSAGES, Schema, Source
from promptcot.exports.formats.loading import Loaded, by_trl
from promptcot.records import Row


class TRL(Flat):
    """`prompt`, as messages or a text, and `answer`, which `promptcot.rewards.trl.Reward` reads."""

    name = "trl"
    kind = "rl"
    also = ("grpo", "rloo", "rl", "huggingface")
    layouts = ("messages", "text")
    source = Source("TRL", "1.16.0", ("trl/trainer/grpo_trainer.py", "trl/data_utils.py"))
    taken = frozenset(
        {"completion", "completion_ids", "prompts", "completions", "messages", "chosen", "rejected", "text", "tools"}
        | {"log_extra", "log_metric", "trainer_state", "environments", "image", "images", "chat_template_kwargs"}
    )

    def columns(self) -> Schema:
        return {"prompt": MESSAGES if self.layout == "messages" else "string", "answer": "string"}

    def values(self, example: Example) -> Row:
        prompt = turns(example.messages) if self.layout == "messages" else example.prompt
        return {"prompt": prompt, "answer": example.answer}

    def parts(self, row: Row) -> dict[str, Any]:
        return {**prompted(row["prompt"]), "answer": row["answer"]}

    def load(self, files: Sequence[Path]) -> Loaded:
        return by_trl(files, conversational=self.layout == "messages")

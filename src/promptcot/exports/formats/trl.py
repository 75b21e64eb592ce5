"""Prompts for TRL's GRPO and RLOO trainers, which pass every other column to the reward by name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from promptcot.exports.formats.flat import Asked
from promptcot.exports.formats.format import Source
from promptcot.exports.formats.loading import Loaded, by_trl


class TRL(Asked):
    """`prompt`, as messages or a text, and `answer`, which `promptcot.rewards.trl.Reward` reads."""

    name = "trl"
    also = ("grpo", "rloo", "rl", "huggingface")
    source = Source("TRL", "1.16.0", ("trl/trainer/grpo_trainer.py", "trl/data_utils.py"))
    taken = frozenset(
        {"completion", "completion_ids", "prompts", "completions", "messages", "chosen", "rejected", "text", "tools"}
        | {"log_extra", "log_metric", "trainer_state", "environments", "image", "images", "chat_template_kwargs"}
    )

    def load(self, files: Sequence[Path]) -> Loaded:
        return by_trl(files, conversational=self.layout == "messages")

"""Prompts for SkyRL, which passes every column except the prompt and the environment's name to the environment."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from promptcot.exports.formats.format import Source
from promptcot.exports.formats.loading import Loaded
from promptcot.exports.formats.nested import Nested


class SkyRL(Nested):
    """`data_source`, `prompt`, `env_class`, `reward_spec` (`method`, `ground_truth`) and `extra_info`.

    The environment is `promptcot.rewards.skyrl`, registered as docs/rewards.md says.
    """

    name = "skyrl"
    kind = "rl"
    also = ("sky-rl", "skyrl-gym", "novasky")
    fixed = ("env_class", "promptcot")
    reward = ("reward_spec", "method")
    source = Source(
        "SkyRL",
        "NovaSky-AI/SkyRL a9564572, 2026-08-21; skyrl-gym 0.4.0",
        ("docs/content/docs/datasets/dataset-preparation.mdx", "skyrl/train/dataset/dataset.py"),
    )

    def load(self, files: Sequence[Path]) -> Loaded:
        from skyrl.train.dataset.dataset import PromptDataset

        read = PromptDataset([*map(str, files)], _NoTokens(), max_prompt_length=1, num_workers=1)
        return Loaded(read.dataframe, "skyrl.train.dataset.dataset.PromptDataset")


class _NoTokens:
    """A stand-in tokenizer without tokens, so that no prompt is too long."""

    def apply_chat_template(self, *given: Any, **options: Any) -> list[int]:
        return []

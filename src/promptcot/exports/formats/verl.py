"""Prompts for verl. Names of the fields that verl adds to `extra_info` during training are avoided."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from promptcot.exports.formats.format import Source
from promptcot.exports.formats.loading import Loaded
from promptcot.exports.formats.nested import Nested


class Verl(Nested):
    """`data_source`, `prompt`, `ability`, `reward_model` (`style`, `ground_truth`) and `extra_info`."""

    name = "verl"
    kind = "rl"
    also = ("volcengine",)
    fixed = ("ability", "math")
    reward = ("reward_model", "style")
    taken = frozenset({"tools_kwargs", "interaction_kwargs", "need_tools_kwargs", "num_turns", "rollout_reward_scores"})
    source = Source(
        "verl",
        "0.9.1; verl-project/verl 1dda039b, 2026-08-22",
        ("docs/preparation/prepare_data.rst", "verl/utils/dataset/rl_dataset.py"),
    )

    def load(self, files: Sequence[Path]) -> Loaded:
        from omegaconf import OmegaConf
        from verl.utils.dataset.rl_dataset import RLHFDataset

        config = OmegaConf.create({"filter_overlong_prompts": False})
        read = RLHFDataset([*map(str, files)], tokenizer=None, config=config)
        return Loaded(read.dataframe, "verl.utils.dataset.rl_dataset.RLHFDataset")

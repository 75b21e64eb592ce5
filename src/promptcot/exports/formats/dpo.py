"""Preference pairs, as the DPO trainers of TRL, OpenRLHF and NeMo RL read them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from promptcot.exports.examples import Example
from promptcot.exports.formats.flat import Flat, prompted, turns
from promptcot.exports.formats.format import MESSAGES, Schema, Source
from promptcot.exports.formats.loading import Loaded, by_trl
from promptcot.records import Row


class DPO(Flat):
    """`prompt`, `chosen` and `rejected`: all of them messages, or all of them texts.

    A column `margin` would enter the loss of OpenRLHF and of TRL's reward model, and is left out.
    """

    name = "dpo"
    kind = "pairs"
    also = ("pairs", "preference", "preferences", "reward-model")
    layouts = ("messages", "text")
    source = Source(
        "TRL",
        "1.16.0; OpenRLHF 0.11.2, NVIDIA-NeMo/RL 7ea279ab, 2026-08-22",
        (
            "trl/trainer/dpo_trainer.py",
            "openrlhf/datasets/reward_dataset.py",
            "nemo_rl/data/datasets/preference_datasets/binary_preference_dataset.py",
        ),
    )
    taken = frozenset(
        {"completion", "messages", "text", "margin", "label", "image", "images", "tools", "chat_template_kwargs"}
        | {"ref_chosen_logps", "ref_rejected_logps", "input_ids", "prompt_ids", "chosen_ids", "rejected_ids"}
    )

    def columns(self) -> Schema:
        return dict.fromkeys(("prompt", "chosen", "rejected"), MESSAGES if self.layout == "messages" else "string")

    def values(self, example: Example) -> Row:
        if self.layout == "text":
            return {"prompt": example.prompt, "chosen": example.chosen, "rejected": example.rejected}
        sides = {"chosen": example.chosen, "rejected": example.rejected}
        said = {name: [{"role": "assistant", "content": text}] for name, text in sides.items()}
        return {"prompt": turns(example.messages), **said}

    def parts(self, row: Row) -> dict[str, Any]:
        sides = {name: row[name] for name in ("chosen", "rejected")}
        if self.layout == "messages":
            sides = {name: said[-1]["content"] for name, said in sides.items()}
        return {**prompted(row["prompt"]), **sides}

    def load(self, files: Sequence[Path]) -> Loaded:
        return by_trl(files, conversational=self.layout == "messages")

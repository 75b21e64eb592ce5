"""Supervised fine-tuning, as TRL, verl, OpenRLHF and NeMo RL read it: chats, prompts with completions, or texts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from promptcot.exports.examples import Example
from promptcot.exports.formats.flat import Flat, chat, prompted, turns
from promptcot.exports.formats.format import MESSAGES, Schema, Source
from promptcot.exports.formats.loading import Loaded, by_trl
from promptcot.records import Row

_SEPARATOR = "\n\n"


class SFT(Flat):
    """`messages`, or `prompt` and `completion` as messages or as two texts, or `text`, in which one follows the other.

    Only messages get the chat template of a model.
    """

    name = "sft"
    kind = "sft"
    also = ("supervised", "chat", "messages")
    layouts = ("messages", "conversation", "prompt-completion", "text")
    source = Source(
        "TRL",
        "1.16.0; verl 0.9.1, OpenRLHF 0.11.2, NVIDIA-NeMo/RL 7ea279ab, 2026-08-22",
        (
            "trl/data_utils.py",
            "trl/trainer/sft_trainer.py",
            "verl/utils/dataset/multiturn_sft_dataset.py",
            "openrlhf/datasets/sft_dataset.py",
            "nemo_rl/data/datasets/response_datasets/{response_dataset,oai_format_dataset}.py",
        ),
    )
    taken = frozenset(
        {"prompt", "completion", "messages", "text", "conversations", "image", "images", "videos", "audios", "tools"}
        | {"chat_template_kwargs", "enable_thinking", "input_ids", "labels", "attention_mask", "position_ids"}
        | {"seq_lengths", "completion_mask", "assistant_masks", "task_name"}
    )

    def columns(self) -> Schema:
        layouts: dict[str, Schema] = {
            "messages": {"messages": MESSAGES},
            "conversation": {"prompt": MESSAGES, "completion": MESSAGES},
            "prompt-completion": {"prompt": "string", "completion": "string"},
            "text": {"text": "string", "prompt_length": "integer"},
        }
        return layouts[self.layout]

    def values(self, example: Example) -> Row:
        asked, answer = turns(example.messages), {"role": "assistant", "content": example.completion}
        if self.layout == "messages":
            return {"messages": [*asked, answer]}
        if self.layout == "conversation":
            return {"prompt": asked, "completion": [answer]}
        if self.layout == "prompt-completion":
            return {"prompt": example.prompt, "completion": example.completion}
        text = f"{example.prompt}{_SEPARATOR}{example.completion}"
        return {"text": text, "prompt_length": len(example.prompt)}

    def parts(self, row: Row) -> dict[str, Any]:
        if self.layout == "messages":
            *asked, answer = chat(row["messages"])
            return {"prompt": asked[-1].content, "messages": tuple(asked), "completion": answer.content}
        if self.layout == "conversation":
            return prompted(row["prompt"]) | {"completion": row["completion"][-1]["content"]}
        if self.layout == "prompt-completion":
            return prompted(row["prompt"]) | {"completion": row["completion"]}
        length = row["prompt_length"]
        return prompted(row["text"][:length]) | {"completion": row["text"][length + len(_SEPARATOR) :]}

    def load(self, files: Sequence[Path]) -> Loaded:
        return by_trl(files, conversational=self.layout in ("messages", "conversation"))

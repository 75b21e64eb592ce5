"""Tasks for verifiers, and so for Prime's trainer: rows, and the package that loads them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from promptcot.exports.examples import Example
from promptcot.exports.formats.flat import Flat, prompted, turns
from promptcot.exports.formats.format import MESSAGES, Schema, Source
from promptcot.exports.formats.loading import Loaded
from promptcot.records import Row

_PACKAGE = '''"""The taskset: its id is the name of this package, `taskset.path` the file of rows."""

from promptcot.rewards.verifiers import PromptCoTTaskset

__all__ = ["PromptCoTTaskset"]
'''


class Prime(Flat):
    """`prompt` and `answer`, which `promptcot.rewards.verifiers.PromptCoTTaskset` reads."""

    name = "prime"
    kind = "rl"
    also = ("verifiers", "prime-rl", "primeintellect")
    suffix = ".jsonl"
    layouts = ("messages", "text")
    one_file = True
    beside: ClassVar[Mapping[str, str]] = {"promptcot_set/__init__.py": _PACKAGE}
    source = Source(
        "verifiers",
        "0.4.0; PrimeIntellect-ai/verifiers a60a606e, 2026-08-21",
        ("verifiers/v1/task.py", "verifiers/v1/taskset.py", "verifiers/v1/utils/loaders.py"),
    )

    def columns(self) -> Schema:
        return {"prompt": MESSAGES if self.layout == "messages" else "string", "answer": "string"}

    def values(self, example: Example) -> Row:
        prompt = turns(example.messages) if self.layout == "messages" else example.prompt
        return {"prompt": prompt, "answer": example.answer}

    def parts(self, row: Row) -> dict[str, Any]:
        return {**prompted(row["prompt"]), "answer": row["answer"]}

    def load(self, files: Sequence[Path]) -> Loaded:
        from promptcot.rewards.verifiers import PromptCoTConfig, PromptCoTTaskset

        def tasks() -> Iterator[Row]:
            for file in files:
                for task in PromptCoTTaskset(PromptCoTConfig(path=str(file))).load():
                    yield {"prompt": _plain(task.data.prompt), "answer": task.data.answer}

        return Loaded(tasks(), "promptcot.rewards.verifiers.PromptCoTTaskset")


def _plain(prompt: Any) -> Any:
    """A prompt as it is written: verifiers makes objects of messages."""
    return prompt if isinstance(prompt, str) else [{"role": turn.role, "content": turn.content} for turn in prompt]

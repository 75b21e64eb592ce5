"""`promptcot train` with adapters on a pretrained chat model: the result can be used like the base model."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import transformers

from promptcot.engines.local.engine import LocalEngine
from promptcot.records import Message, Request, Sampling
from promptcot.storage.json import dumps
from tests.integration.real_model import END
from tests.integration.training.trainings import losses
from tests.programs import finished

pytestmark = pytest.mark.engines

RECIPE = """
name = "taught"
[data]
path = "rows.jsonl"
chat = true
[model]
path = "base"
[method]
lora = { rank = 8, alpha = 16 }
[schedule]
max_length = 128
max_steps = 8
accumulation = 1
learning_rate = 3e-3
kind = "constant"
warmup_steps = 0
[precision]
gradient_checkpointing = false
[watch]
log_every = 1
samples = 0
"""
ANSWER = "The answer is a purple elephant."
GENERATION = {"bos_token_id": 1, "eos_token_id": [0, 2], "pad_token_id": 2, "temperature": 0.2, "top_k": 50}
"""As instruct models have it: two tokens that end a text, and how to draw."""


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests share the cores, and threads that wait for each other there take minutes."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="module")
def base(smollm: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model with a generation config of its own."""
    folder = tmp_path_factory.mktemp("real") / "base"
    shutil.copytree(smollm, folder)
    (folder / "generation_config.json").write_text(json.dumps(GENERATION))
    return folder


@pytest.fixture(scope="module")
def trained(base: Path) -> Path:
    """What `promptcot train` leaves."""
    place = base.parent
    asked = [f"What is {n} + {n + 1}?" for n in range(12)]
    rows = [dumps({"id": str(n), "prompt": text, "completion": ANSWER}) for n, text in enumerate(asked)]
    (place / "rows.jsonl").write_bytes(b"".join(rows))
    (place / "taught.toml").write_text(RECIPE)
    command = [sys.executable, "-m", "promptcot", "train", "taught.toml", "--output-dir", str(place / "out")]
    done = finished(command, cwd=place, env=_environment(place))
    assert done.returncode == 0, done.stdout + done.stderr
    return place / "out"


def _environment(place: Path) -> dict[str, str]:
    return {**os.environ, "PROMPTCOT_CACHE": str(place / "cache"), "OMP_NUM_THREADS": "1"}


def read(folder: Path, name: str) -> Any:
    return json.loads((folder / name).read_text())


def test_it_learns(trained: Path) -> None:
    found = losses(trained)
    assert len(found) == 8
    assert found[-1] < found[0] / 2


def test_the_folder_keeps_template_end_and_generation_config(trained: Path, base: Path) -> None:
    folder = trained / "model"
    ours, theirs = (transformers.AutoTokenizer.from_pretrained(place) for place in (folder, base))
    assert (ours.chat_template, ours.eos_token) == (theirs.chat_template, END)
    assert (folder / "chat_template.jinja").read_bytes() == (base / "chat_template.jinja").read_bytes()
    kept = read(folder, "generation_config.json")
    assert {name: kept[name] for name in GENERATION} == GENERATION
    shapes = [read(place, "config.json") for place in (folder, base)]
    for name in ("architectures", "model_type", "dtype", "vocab_size", "tie_word_embeddings", "rope_parameters"):
        assert shapes[0][name] == shapes[1][name], name


async def test_the_embedded_engine_hears_what_was_learnt_and_where_it_ends(trained: Path) -> None:
    engine = LocalEngine(trained / "model", dtype="float32", workers=1)
    sampling = Sampling(temperature=0.0, max_tokens=30)
    reply = await engine.complete(Request(messages=(Message("user", "What is 20 + 21?"),), sampling=sampling))
    await engine.close()
    assert (reply.text, reply.finish_reason) == (ANSWER, "stop")

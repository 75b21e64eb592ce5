"""Batches of training texts: the processes that make them, and going on at any load."""

from __future__ import annotations

import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from nano.models import vocabulary
from nano.packing import LOAD, STEP, Shape, encoded, load, loads
from nano.texts import example
from tests.programs import PATIENCE, started

ROOT = Path(__file__).parents[3]
TRAINER = """
import multiprocessing, time
from functools import partial
from nano.models import vocabulary
from nano.packing import Shape, loads
from nano.texts import example

source = loads(vocabulary(), partial(example, "solver", 1), Shape(2560, 640, 0.0), workers=3)
for _ in range(4):
    next(source)
print(len(multiprocessing.active_children()), flush=True)
time.sleep(3600)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_writer_outlives_its_trainer_however_it_ends(how: signal.Signals) -> None:
    command = [sys.executable, "-c", TRAINER]
    with started(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as trainer:
        assert trainer.stdout is not None
        assert trainer.stdout.readline() == "3\n"
        trainer.send_signal(how)
        trainer.communicate(timeout=PATIENCE)  # ends when nobody holds the pipe any more, and each writer does
    assert trainer.returncode == -how or how is signal.SIGINT


def test_a_later_start_goes_on_with_the_same_batches() -> None:
    tokenizer, shape = vocabulary(), Shape(2560, 640, 0.0)
    source = partial(example, "solver", 1)
    first = loads(tokenizer, source, shape)
    next(first)
    later = loads(tokenizer, source, shape, first=1, workers=2)
    for batch, other in zip(next(first), next(later), strict=True):
        assert (batch.tokens == other.tokens).all()
        assert (batch.weights == other.weights).all()


def test_batches_have_few_shapes_and_all_texts_that_fit() -> None:
    tokenizer, shape = vocabulary(), Shape(2560, 640, 0.5)
    source = partial(example, "solver", 1)
    batches = load(tokenizer, source, 3, shape)
    texts = [source(index) for index in range(3 * LOAD, 4 * LOAD)]
    rows = encoded(tokenizer, texts, shape.longest)
    assert sum(batch.real_tokens for batch in batches) == sum(len(ids) for ids, _ in rows)
    assert all(batch.tokens.shape[1] % STEP == 0 for batch in batches)
    assert len({batch.tokens.shape for batch in batches}) <= 2 * shape.longest // STEP

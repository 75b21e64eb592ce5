"""Batches of training texts: the process that makes them, and going on at any load."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from nano.models import vocabulary
from nano.packing import LOAD, STEP, Shape, Source, encoded, load, loads
from nano.texts import Example, example
from tests.programs import PATIENCE, started

ROOT = Path(__file__).parents[3]
TRAINER = """
import multiprocessing, time
from functools import partial
from nano.models import vocabulary
from nano.packing import Shape, loads
from nano.texts import example

source = loads(vocabulary(), partial(example, "solver", 1), Shape(2560, 640, 0.0))
for _ in range(4):
    next(source)
print(len(multiprocessing.active_children()), flush=True)
time.sleep(3600)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_writer_does_not_outlive_its_trainer_however_it_ends(how: signal.Signals) -> None:
    command = [sys.executable, "-c", TRAINER]
    with started(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as trainer:
        assert trainer.stdout is not None
        assert trainer.stdout.readline() == "1\n"
        trainer.send_signal(how)
        trainer.communicate(timeout=PATIENCE)  # ends when nobody holds the pipe any more, and the writer does
    assert trainer.returncode == -how or how is signal.SIGINT


def test_a_later_start_goes_on_with_the_same_batches() -> None:
    tokenizer, shape = vocabulary(), Shape(2560, 640, 0.0)
    source = partial(example, "solver", 1)
    first = loads(tokenizer, source, shape)
    next(first)
    later = loads(tokenizer, source, shape, first=1)
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
    shapes = {batch.tokens.shape for batch in batches}
    assert all(width % STEP == 0 for _, width in shapes)
    assert len({width for _, width in shapes}) == len(shapes) > 1


def fails_in_the_second_load(index: int) -> Example:
    if index >= LOAD:
        raise ZeroDivisionError
    return Example("Find A.\n", "So 7.")


def is_killed_in_the_second_load(index: int) -> Example:
    if index >= LOAD:
        os.kill(os.getpid(), signal.SIGKILL)
    return Example("Find A.\n", "So 7.")


@pytest.mark.parametrize(("source", "status"), [(fails_in_the_second_load, "1"), (is_killed_in_the_second_load, "-9")])
def test_the_trainer_learns_that_its_texts_have_ended(source: Source, status: str) -> None:
    texts = loads(vocabulary(), source, Shape(2560, 640, 0.0))
    assert next(texts)
    with pytest.raises(RuntimeError, match=f"has ended with status {status}$"):
        next(texts)


def test_the_process_ends_with_the_iteration() -> None:
    before = set(multiprocessing.active_children())
    texts = loads(vocabulary(), partial(example, "solver", 1), Shape(2560, 640, 0.0))
    next(texts)
    assert len(set(multiprocessing.active_children()) - before) == 1
    texts.close()
    assert set(multiprocessing.active_children()) <= before

"""Makes batches of training texts, in a process of its own so that the trainer never waits.

Texts of like length share a batch, one a row, padded on the right: causal attention then needs no mask. Texts come in
loads, which are numbered, so that a training can go on at any load. What the texts are is left to `texts`, what is done
with the batches to `fit`.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import threading
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from itertools import count
from multiprocessing.connection import Connection

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from nano.texts import Example

LOAD = 512
"""The number of texts in a load, which are sorted by length together."""
STEP = 32
"""Batches are as long as a multiple of it."""

Source = Callable[[int], Example]
"""The text of a number: always the same one."""
Encoded = tuple[list[int], int]
"""Token ids with the end mark, and the length of the prompt."""


@dataclass(frozen=True)
class Shape:
    """Tokens per batch, padding included; the longest text that is let in; the loss weight of a prompt token."""

    tokens: int
    longest: int
    prompt_weight: float


@dataclass(frozen=True)
class Batch:
    """Arrays of (texts, length): token ids, and the weight of predicting token t + 1 from token t (0 = padding)."""

    tokens: NDArray[np.int64]
    weights: NDArray[np.float32]
    real_tokens: int


def encoded(tokenizer: PreTrainedTokenizerBase, texts: Sequence[Example], longest: int) -> list[Encoded]:
    """The texts as tokens; those of more than `longest` tokens are left out."""
    rows: list[Encoded] = []
    for text in texts:
        prompt = tokenizer.encode(text.prompt, add_special_tokens=False)
        completion = tokenizer.encode(text.completion, add_special_tokens=False)
        ids = [*prompt, *completion, tokenizer.eos_token_id]
        if len(ids) <= longest:
            rows.append((ids, len(prompt)))
    return rows


def grouped(rows: list[Encoded], tokens: int) -> list[list[Encoded]]:
    """Groups of like length; no group has more than `tokens` tokens, padding included."""
    groups: list[list[Encoded]] = [[]]
    for row in sorted(rows, key=lambda row: -len(row[0])):
        longest = _width((groups[-1] or [row])[0][0])
        if groups[-1] and (len(groups[-1]) + 1) * longest > tokens:
            groups.append([])
        groups[-1].append(row)
    return groups


def padded(group: list[Encoded], tokens: int, prompt_weight: float, pad: int) -> Batch:
    """A batch of one group, of one of few shapes: a CPU compiles its kernels anew for each shape."""
    width = max(_width(ids) for ids, _ in group)
    size = (max(tokens // width, len(group)), width)
    ids_of, weights = np.full(size, pad, np.int64), np.zeros(size, np.float32)
    for row, (ids, prompt) in enumerate(group):
        ids_of[row, : len(ids)] = ids
        weights[row, : prompt - 1] = prompt_weight
        weights[row, prompt - 1 : len(ids) - 1] = 1.0
    return Batch(ids_of, weights, sum(len(ids) for ids, _ in group))


def _width(ids: list[int]) -> int:
    return -(-len(ids) // STEP) * STEP


def load(tokenizer: PreTrainedTokenizerBase, source: Source, number: int, shape: Shape) -> list[Batch]:
    """The batches of load `number`, shuffled."""
    texts = [source(index) for index in range(number * LOAD, (number + 1) * LOAD)]
    groups = grouped(encoded(tokenizer, texts, shape.longest), shape.tokens)
    random.Random(f"nano load {number}").shuffle(groups)
    return [padded(group, shape.tokens, shape.prompt_weight, tokenizer.pad_token_id) for group in groups if group]


def loads(
    tokenizer: PreTrainedTokenizerBase, source: Source, shape: Shape, first: int = 0
) -> Generator[list[Batch], None, None]:
    """Endless loads from number `first` on, in order, made by a process that ends with the iteration.

    Raises RuntimeError where that process fails, which prints what went wrong.
    """
    context = multiprocessing.get_context("fork")
    reader, writer = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(tokenizer, source, shape, first, writer), daemon=True)
    process.start()
    writer.close()  # now only that process can write, so that its end is the end of the loads
    try:
        while True:
            yield reader.recv()
    except (EOFError, OSError):
        process.join()
        raise RuntimeError(f"the process that makes the texts has ended with status {process.exitcode}") from None
    finally:
        process.kill()
        process.join()
        reader.close()


def _work(tokenizer: PreTrainedTokenizerBase, source: Source, shape: Shape, first: int, writer: Connection) -> None:
    threading.Thread(target=_end_with_the_trainer, daemon=True).start()
    for number in count(first):
        writer.send(load(tokenizer, source, number, shape))


def _end_with_the_trainer() -> None:
    """End this process once the trainer is gone, however it went: an ordinary exit would wait for a reader."""
    trainer = multiprocessing.parent_process()
    if trainer is not None:
        trainer.join()
        os._exit(0)

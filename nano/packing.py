"""Makes batches of training texts, in processes of their own so that the trainer never waits.

Examples of like length share a batch, one a row, padded on the right: causal attention then needs no mask. What the
texts are is left to `texts`, what is done with the batches to `train`.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from multiprocessing.queues import Queue

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from nano.texts import stream

LOAD = 512  # examples that are sorted by length together


@dataclass(frozen=True)
class Shape:
    """Tokens per batch, padding included; the longest example that is let in; the loss weight of a prompt token."""

    tokens: int
    longest: int
    prompt_weight: float


@dataclass(frozen=True)
class Batch:
    """Arrays of (examples, length): token ids, and the weight of predicting token t + 1 from token t (0 = padding)."""

    tokens: NDArray[np.int64]
    weights: NDArray[np.float32]
    real_tokens: int


Encoded = tuple[list[int], int]


def encoded(
    tokenizer: PreTrainedTokenizerBase, role: str, seed: int, start: int, stride: int, longest: int
) -> Iterator[Encoded]:
    """Token ids with the end mark, and the length of the prompt; longer examples are left out."""
    for one in stream(role, seed, start, stride):
        prompt = tokenizer.encode(one.prompt, add_special_tokens=False)
        completion = tokenizer.encode(one.completion, add_special_tokens=False)
        ids = [*prompt, *completion, tokenizer.eos_token_id]
        if len(ids) <= longest:
            yield ids, len(prompt)


def grouped(examples: list[Encoded], tokens: int) -> list[list[Encoded]]:
    """Groups of like length; no group has more than `tokens` tokens, padding included."""
    groups: list[list[Encoded]] = [[]]
    for one in sorted(examples, key=lambda one: -len(one[0])):
        longest = len((groups[-1] or [one])[0][0])
        if (len(groups[-1]) + 1) * longest > tokens:
            groups.append([])
        groups[-1].append(one)
    return groups


def padded(group: list[Encoded], prompt_weight: float, pad: int) -> Batch:
    size = (len(group), max(len(ids) for ids, _ in group))
    tokens, weights = np.full(size, pad, np.int64), np.zeros(size, np.float32)
    for row, (ids, prompt) in enumerate(group):
        tokens[row, : len(ids)] = ids
        weights[row, : prompt - 1] = prompt_weight
        weights[row, prompt - 1 : len(ids) - 1] = 1.0
    return Batch(tokens, weights, sum(len(ids) for ids, _ in group))


def batches(tokenizer: PreTrainedTokenizerBase, role: str, seed: int, shape: Shape, workers: int) -> Iterator[Batch]:
    """Endless batches from `workers` processes, in an order that does not depend on their speed."""
    context = multiprocessing.get_context("fork")
    queues: list[Queue[Batch]] = [context.Queue(maxsize=16) for _ in range(workers)]
    for number, queue in enumerate(queues):
        arguments = (tokenizer, role, seed, shape, number, workers, queue)
        context.Process(target=_work, args=arguments, daemon=True).start()
    while True:
        for queue in queues:
            yield queue.get()


def _work(
    tokenizer: PreTrainedTokenizerBase, role: str, seed: int, shape: Shape, start: int, stride: int, queue: Queue[Batch]
) -> None:
    threading.Thread(target=_end_with_the_trainer, daemon=True).start()
    examples = encoded(tokenizer, role, seed, start, stride, shape.longest)
    rng = random.Random(f"nano batches {role} {seed} {start}")
    while True:
        groups = grouped(list(islice(examples, LOAD)), shape.tokens)
        rng.shuffle(groups)
        for group in groups:
            queue.put(padded(group, shape.prompt_weight, tokenizer.pad_token_id))


def _end_with_the_trainer() -> None:
    """End this process once the trainer is gone, however it went: an ordinary exit would wait for a reader."""
    trainer = multiprocessing.parent_process()
    if trainer is not None:
        trainer.join()
        os._exit(0)

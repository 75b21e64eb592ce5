"""Builds tensors from packs of rows: one flat sequence per micro-batch, or padded rows.

The store marks which tokens have a loss, usually the completions; all other labels, and those of each sequence's first
token, are −100. A flat batch has no attention mask: `position_ids` that restart and `cu_seq_lens` mark where sequences
begin, and a mask of ones would let them attend to each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from promptcot.training.data.steps import share, share_padded
from promptcot.training.data.store import TokenStore
from promptcot.training.recipe import TrainRecipe

IGNORED = -100
"""The label of a token without a loss, as in torch's cross-entropy."""


def dataset_of(packs: Sequence[NDArray[Any]]) -> Any:
    """A `datasets.Dataset` with one column, `rows`: the row numbers of each pack."""
    import datasets
    import pyarrow

    ends = np.cumsum([0, *map(len, packs)], dtype=np.int32)
    numbers = np.concatenate([np.empty(0, np.int32), *packs]).astype(np.int32)
    return datasets.Dataset(pyarrow.table({"rows": pyarrow.ListArray.from_arrays(ends, numbers)}))


class Collator:
    """Builds a batch from examples `{"rows": [row numbers]}` of a store. `pad_id` pads rows."""

    def __init__(self, store: TokenStore, pad_id: int, packing: bool) -> None:
        self._store, self._pad_id, self._packing = store, pad_id, packing
        self._nothing = np.array([pad_id], np.int32), np.zeros(1, np.bool_)

    def __call__(self, examples: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Packed: `input_ids`, `labels`, `position_ids` of shape (1, tokens), `cu_seq_lens_q/k`, `max_length_q/k`.

        Padded: `input_ids`, `labels`, `attention_mask` of shape (rows, longest). `rows` are each example's row numbers;
        without any, the batch is a single token without a loss.
        """
        packs = [[int(row) for row in example["rows"]] for example in examples]
        found = [self._row(row) for pack in packs for row in pack] or [self._nothing]
        ids = np.concatenate([ids for ids, _ in found]).astype(np.int64)
        lengths = np.array([len(ids) for ids, _ in found])
        starts = np.cumsum(lengths) - lengths
        position = np.arange(len(ids)) - np.repeat(starts, lengths)
        learnt = np.concatenate([learnt for _, learnt in found])
        learnt[starts] = False  # the first token is predicted by nothing before it
        labels = np.where(learnt, ids, IGNORED)
        shape = _packed if self._packing else self._padded
        return {**shape(ids, labels, position, lengths), "rows": packs}

    def _row(self, row: int) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
        """The tokens of a row, and which of them have a loss."""
        return self._store.row(row)[0], self._store.learnt(row)

    def _padded(
        self, ids: NDArray[np.int64], labels: NDArray[np.int64], position: NDArray[np.int64], lengths: NDArray[np.int64]
    ) -> dict[str, Any]:
        size = len(lengths), int(lengths.max())
        place = np.repeat(np.arange(len(lengths)), lengths), position

        def spread(values: NDArray[np.int64] | int, filler: int) -> torch.Tensor:
            filled = np.full(size, filler, np.int64)
            filled[place] = values
            return torch.from_numpy(filled)

        return {
            "input_ids": spread(ids, self._pad_id),
            "labels": spread(labels, IGNORED),
            "attention_mask": spread(1, 0),
        }


class StepCollator:
    """Builds all micro-batches that one process computes in a step: an example has the rows of the whole step.

    `micro_batch` sequences of `window` tokens are computed at a time, packed ones as one. Each process has its own
    collator, with its rank.
    """

    def __init__(self, collator: Collator, lengths: NDArray[np.int32], recipe: TrainRecipe, place: tuple[int, int]):
        self._collator, self._lengths, self._packing = collator, lengths, recipe.method.packing
        self._together, self._window = recipe.schedule.micro_batch, recipe.schedule.max_length
        self._process, self._processes = place

    def __call__(self, examples: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """`micro_batches`: batches of the collator, the same number in every process."""
        [example] = examples
        rows = np.asarray(example["rows"], np.int64)
        lengths = self._lengths[rows]
        if self._packing:
            shared = share(lengths, self._together * self._window, self._processes)
            chosen = [[{"rows": rows[places]}] for places in shared[self._process]]
        else:
            shared = share_padded(lengths, self._together, self._processes)
            chosen = [[{"rows": rows[places : places + 1]} for places in part] for part in shared[self._process]]
        return {"micro_batches": [self._collator(batch) for batch in chosen]}


def _packed(
    ids: NDArray[np.int64], labels: NDArray[np.int64], position: NDArray[np.int64], lengths: NDArray[np.int64]
) -> dict[str, Any]:
    bounds = torch.from_numpy(np.cumsum([0, *lengths], dtype=np.int32))
    longest = int(lengths.max())
    return {
        "input_ids": torch.from_numpy(ids)[None],
        "labels": torch.from_numpy(labels)[None],
        "position_ids": torch.from_numpy(position)[None],
        "cu_seq_lens_q": bounds,
        "cu_seq_lens_k": bounds,
        "max_length_q": longest,
        "max_length_k": longest,
    }

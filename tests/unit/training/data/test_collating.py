"""Batches: packed ones with restarting positions, and padded ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from promptcot.training.data.collating import IGNORED, Collator, StepCollator, dataset_of
from promptcot.training.data.store import TokenStore
from promptcot.training.data.tokens import open_store
from promptcot.training.recipe import TrainRecipe
from tests.unit.training.materials import recipe, tokenizer, write

PAD = 1


@pytest.fixture
def store(tmp_path: Path) -> TokenStore:
    rows = [{"prompt": "ask " * n, "completion": "tell " * (4 - n)} for n in range(1, 4)]
    return open_store(recipe(write(tmp_path / "rows.jsonl", rows)), tokenizer(), cache=tmp_path)


def test_a_packed_batch_is_one_sequence_that_says_where_rows_begin(store: TokenStore) -> None:
    batch = Collator(store, PAD, packing=True)([{"rows": [0, 2]}, {"rows": [1]}])
    parts = [store.row(row)[0] for row in (0, 2, 1)]
    lengths = [len(part) for part in parts]
    assert batch["input_ids"].tolist() == [np.concatenate(parts).tolist()]
    assert batch["position_ids"].tolist() == [[place for length in lengths for place in range(length)]]
    assert batch["cu_seq_lens_q"].tolist() == batch["cu_seq_lens_k"].tolist() == np.cumsum([0, *lengths]).tolist()
    assert str(batch["cu_seq_lens_q"].dtype) == "torch.int32"
    assert batch["max_length_q"] == batch["max_length_k"] == max(lengths)
    assert batch["rows"] == [[0, 2], [1]]
    assert "attention_mask" not in batch


@pytest.mark.parametrize("packing", [True, False])
def test_only_completions_are_learnt_by_either_way(store: TokenStore, packing: bool) -> None:
    batch = Collator(store, PAD, packing)([{"rows": [0]}, {"rows": [1]}, {"rows": [2]}])
    learnt = batch["labels"][batch["labels"] != IGNORED].tolist()
    assert learnt == [token for row in range(3) for token in store.row(row)[0][store.row(row)[1] :].tolist()]


def test_the_first_token_of_a_sequence_is_never_learnt_from_the_last_of_another(store: TokenStore) -> None:
    store._parts[0].columns["prompts"] = np.zeros(3, np.int32)
    labels = Collator(store, PAD, packing=True)([{"rows": [0, 1]}])["labels"][0]
    ids, _ = store.row(0)
    assert labels[: len(ids)].tolist() == [IGNORED, *ids[1:].tolist()]
    assert labels[len(ids)] == IGNORED


def test_a_padded_batch_has_a_row_for_each_and_masks_what_fills_it(store: TokenStore) -> None:
    batch = Collator(store, PAD, packing=False)([{"rows": [0]}, {"rows": [2]}])
    for place, row in enumerate((0, 2)):
        ids, prompt = store.row(row)
        rest = batch["input_ids"].shape[1] - len(ids)
        assert batch["input_ids"][place].tolist() == [*ids.tolist(), *[PAD] * rest]
        assert batch["attention_mask"][place].tolist() == [1] * len(ids) + [0] * rest
        assert batch["labels"][place].tolist() == [IGNORED] * prompt + ids[prompt:].tolist() + [IGNORED] * rest
    assert batch["input_ids"].shape == (2, max(len(store.row(row)[0]) for row in (0, 2)))


@pytest.mark.parametrize("packing", [True, False])
def test_the_processes_of_a_step_compute_its_rows_and_one_without_rows_computes_a_token(
    packing: bool, store: TokenStore, tmp_path: Path
) -> None:
    method = {"method": {"packing": packing}}
    told = TrainRecipe.model_validate({"model": {"path": "nano:solver"}, "data": {"path": str(tmp_path)}, **method})
    collator = Collator(store, PAD, packing)
    made = [
        StepCollator(collator, store.lengths, told, (process, 4))([{"rows": [2, 0, 1]}])["micro_batches"]
        for process in range(4)
    ]
    assert [len(part) for part in made] == [1, 1, 1, 1]
    assert sorted(row for [part] in made for rows in part["rows"] for row in rows) == [0, 1, 2]
    [idle] = [part for [part] in made if not any(part["rows"])]
    assert (idle["input_ids"].tolist(), idle["labels"].tolist()) == ([[PAD]], [[IGNORED]])


def test_a_dataset_of_packs_holds_their_rows() -> None:
    pytest.importorskip("datasets")
    made = dataset_of([np.array([0, 2]), np.array([1])])
    assert made.column_names == ["rows"]
    assert list(made.select([1, 0])) == [{"rows": [1]}, {"rows": [0, 2]}]

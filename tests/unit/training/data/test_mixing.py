"""Several sources in one training: the rows of an epoch, and the errors."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptcot.errors import InputError, RecipeError
from promptcot.training.data.mixing import drawn, shares
from promptcot.training.data.store import TokenStore
from promptcot.training.data.tokens import open_store
from promptcot.training.forecast.counting import count
from promptcot.training.recipe import TrainRecipe, load_train
from tests.unit.training.materials import tokenizer, write

REVISION = "0123456789abcdef0123456789abcdef01234567"


def mixed(path: Path, sizes: dict[str, tuple[int, float]], **changes: Any) -> TrainRecipe:
    """A recipe of files with so many rows, and these weights."""
    mix = []
    for name, (size, weight) in sizes.items():
        rows = [{"id": f"{name}{n}", "prompt": f"{name} {n}", "completion": f"{n}"} for n in range(size)]
        file = path / f"{name}.jsonl"
        if not file.exists():
            write(file, rows)
        mix.append({"path": str(file), "weight": weight})
    seed = changes.pop("seed", 1)
    table = {"seed": seed, "model": {"path": "nano:solver"}, "data": {"mix": mix, **changes}}
    return TrainRecipe.model_validate(table)


def ids(store: TokenStore) -> list[str]:
    return [store.id(i) for i in range(len(store))]


@given(st.integers(0, 500), st.lists(st.floats(0.001, 1), min_size=1, max_size=6))
def test_shares_sum_to_the_rows_and_are_off_by_less_than_one(rows: int, weights: list[float]) -> None:
    found = shares(rows, weights)
    assert sum(found) == rows
    assert all(abs(one - rows * weight / sum(weights)) < 1 for one, weight in zip(found, weights, strict=True))


@given(st.integers(1, 50), st.integers(0, 200), st.integers(0, 3))
def test_no_row_is_drawn_twice_more_than_another(size: int, wanted: int, seed: int) -> None:
    counts = np.bincount(drawn(size, wanted, (seed, 0)), minlength=size)
    assert counts.sum() == wanted
    assert counts.max() - counts.min() <= 1


def test_an_epoch_has_as_many_rows_as_all_sources_in_the_proportion_of_their_weights(tmp_path: Path) -> None:
    recipe = mixed(tmp_path, {"a": (10, 0.5), "b": (80, 0.25), "c": (10, 0.25)})
    store = open_store(recipe, tokenizer(), cache=tmp_path / "cache")
    assert Counter(name[0] for name in ids(store)) == {"a": 50, "b": 25, "c": 25}
    assert set(Counter(name for name in ids(store) if name[0] == "a").values()) == {5}
    assert set(Counter(name for name in ids(store) if name[0] == "c").values()) == {2, 3}
    assert set(Counter(name for name in ids(store) if name[0] == "b").values()) == {1}
    assert [line.partition(".jsonl: ")[2] for line in store.counts.mix] == [
        "50 rows of an epoch (0.5), each of its 10 rows 5.00 times",
        "25 rows of an epoch (0.25), 31.2% of its 80 rows, the same in each epoch",
        "25 rows of an epoch (0.25), each of its 10 rows 2.50 times",
    ]
    assert (store.counts.kept, store.counts.drawn, store.counts.held_out) == (100, 100, 0)
    assert store.counts.tokens == sum(len(store.row(i)[0]) for i in range(len(store)))
    made = tokenizer()
    for i, name in enumerate(ids(store)):
        assert made.decode(store.row(i)[0]).startswith(f"{name[0]} {name[1:]}")


def test_the_draw_is_that_of_the_seed_and_the_weights_are_part_of_what_is_compared(tmp_path: Path) -> None:
    sizes = {"a": (10, 0.5), "b": (80, 0.5)}
    one, same, other = (
        open_store(mixed(tmp_path, sizes, seed=seed), tokenizer(), cache=tmp_path / "cache") for seed in (1, 1, 2)
    )
    assert ids(one) == ids(same)
    assert ids(one) != ids(other)
    heavier = open_store(mixed(tmp_path, {"a": (10, 0.6), "b": (80, 0.4)}), tokenizer(), cache=tmp_path / "cache")
    assert one.fingerprint == same.fingerprint
    assert one.fingerprint != heavier.fingerprint
    assert len(list((tmp_path / "cache" / "tokens").glob("*/store.json"))) == 2  # a store for each file, made once


def test_a_prompt_that_several_sources_have_is_on_one_side_of_the_validation(tmp_path: Path) -> None:
    rows = [{"id": f"r{n}", "prompt": f"p{n}", "completion": "c"} for n in range(40)]
    write(tmp_path / "a.jsonl", rows)
    write(tmp_path / "b.jsonl", [{**row, "id": f"s{row['id']}"} for row in rows])
    recipe = mixed(tmp_path, {"a": (40, 0.5), "b": (40, 0.5)}, validation=0.2)
    train, held_out = (
        open_store(recipe, tokenizer(), cache=tmp_path / "cache", which=which) for which in ("train", "validation")
    )
    assert len(held_out) == 16
    assert not {name.lstrip("s") for name in ids(train)} & {name.lstrip("s") for name in ids(held_out)}
    assert (len(train), train.counts.kept, train.counts.held_out) == (64, 64, 16)


def test_rows_that_were_left_out_of_all_sources_are_listed(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", [{"id": "good", "prompt": "p", "completion": "c"}, {"id": "bad", "prompt": "p"}])
    write(tmp_path / "b.jsonl", [{"id": "fine", "prompt": "p", "completion": "c"}, {"id": "worse", "completion": "c"}])
    store = open_store(mixed(tmp_path, {"a": (2, 0.5), "b": (2, 0.5)}), tokenizer(), cache=tmp_path / "cache")
    text = store.dropped.read_text()
    assert "bad" in text
    assert "worse" in text
    assert store.counts.dropped == {"no completion": 1, "no prompt": 1}


def test_each_source_may_say_how_it_is_read(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", [{"id": "a", "task": "p", "reply": "c"}] * 3)
    recipe = mixed(tmp_path, {"a": (3, 0.5), "b": (3, 0.5)})
    table = recipe.model_dump()
    table["data"]["mix"][0] |= {"columns": {"prompt": "task", "completion": "reply"}, "limit": 2}
    store = open_store(TrainRecipe.model_validate(table), tokenizer(), cache=tmp_path / "cache")
    assert Counter(name[0] for name in ids(store)) == {"a": 3, "b": 2}
    assert store.counts.kept == 5


BAD: list[tuple[dict[str, Any], str]] = [
    ({"mix": [{"path": "a.jsonl", "weight": 0.6}, {"path": "b.jsonl", "weight": 0.5}]}, r"0\.6 \+ 0\.5 = 1\.1.*0\.545"),
    ({"mix": [{"path": "a.jsonl", "weight": 0.5}]}, r"must sum to 1; 0\.5 = 0\.5"),
    ({"mix": [{"path": "a.jsonl", "weight": 0}, {"path": "b.jsonl", "weight": 1}]}, "greater than 0"),
    ({"mix": [{"path": "a.jsonl", "weight": -1}, {"path": "b.jsonl", "weight": 2}]}, "greater than 0"),
    ({"mix": [{"path": "a.jsonl"}]}, r"mix\.0\.weight"),
    ({"mix": [{"path": "a.jsonl", "weight": 1}], "path": "b.jsonl"}, "cannot be combined"),
    ({"mix": [{"path": "a.jsonl", "weight": 1}], "limit": 5}, "each entry of mix"),
    ({"mix": [{"path": "a.jsonl", "weight": 1}], "revision": REVISION}, "each entry of mix"),
    ({"mix": [], "path": []}, "there are no rows"),
]


@pytest.mark.parametrize(("data", "message"), BAD)
def test_a_mix_that_is_none_is_refused_with_the_numbers(data: dict[str, Any], message: str) -> None:
    overrides = {f"data.{name}": value for name, value in data.items()}
    with pytest.raises(RecipeError, match=message):
        load_train("nano-student", overrides={"data.path": [], **overrides})


@pytest.mark.parametrize("weights", [(0.333333, 0.333333, 0.333334), (0.1, 0.2, 0.7), (1e-6, 0.5, 0.499999)])
def test_decimals_that_sum_to_one_are_taken(weights: tuple[float, ...]) -> None:
    mix = [{"path": f"{place}.jsonl", "weight": weight} for place, weight in enumerate(weights)]
    assert len(load_train("nano-student", overrides={"data.path": [], "data.mix": mix}).data.sources) == 3


@pytest.mark.parametrize("rows", [[], [{"prompt": "p"}]])
def test_a_source_without_rows_is_refused_by_name(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    write(tmp_path / "empty.jsonl", rows)
    recipe = mixed(tmp_path, {"a": (3, 0.5), "empty": (0, 0.5)})
    with pytest.raises(InputError, match=r"empty\.jsonl: (no row is left|the file has no rows)"):
        open_store(recipe, tokenizer(), cache=tmp_path / "cache")
    with pytest.raises(InputError, match=r"empty\.jsonl: (no row is left|the file has no rows)"):
        count(recipe)


def test_a_source_that_is_all_held_out_is_refused_by_name(tmp_path: Path) -> None:
    recipe = mixed(tmp_path, {"a": (1, 0.5), "b": (200, 0.5)}, validation=0.995)
    with pytest.raises(InputError, match=r"a\.jsonl: all its rows are held out"):
        open_store(recipe, tokenizer(), cache=tmp_path / "cache")


def test_a_dry_run_counts_a_mix_as_the_training_does(tmp_path: Path) -> None:
    recipe = mixed(tmp_path, {"a": (10, 0.5), "b": (30, 0.5)})
    counted, store = count(recipe), open_store(recipe, tokenizer(), cache=tmp_path / "cache")
    assert counted.rows == len(store) == 40
    assert list(store.counts.mix) == [note for note in counted.notes if note.startswith("mix")]
    assert counted.lengths is not None
    assert counted.lengths.mean == pytest.approx(store.counts.tokens / 40, rel=0.1)

"""The rows of each shard, their positions, and the settings that all shards must share."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptcot.core.shards import AFTER_ALL, Part, Shard, differences, in_input_order
from promptcot.errors import InputError, UsageError
from promptcot.records import Item, Row


@given(st.text(), st.integers(1, 40))
def test_every_id_is_in_exactly_one_shard(name: str, count: int) -> None:
    assert sum(Shard(index, count).has(name) for index in range(1, count + 1)) == 1


@pytest.mark.parametrize("count", [2, 3, 8, 64])
def test_shards_are_about_equally_large(count: int) -> None:
    """Chi-square with count - 1 degrees of freedom; the ids are fixed, so that this cannot fail by chance."""
    rows = 20_000
    names = [f"row {number}" for number in range(rows)]
    sizes = [sum(map(Shard(index, count).has, names)) for index in range(1, count + 1)]
    expected = rows / count
    chi_square = sum((size - expected) ** 2 / expected for size in sizes)
    freedom = count - 1
    assert chi_square < freedom + 4 * (2 * freedom) ** 0.5


def test_a_row_stays_in_its_shard_for_ever() -> None:
    """Also in another process, and another version: shards that are finished would no longer fit together."""
    found = [index for name in ("a", "b", "c", "0f3a") for index in range(1, 6) if Shard(index, 5).has(name)]
    assert found == [4, 4, 1, 4]
    code = "from promptcot.core.shards import Shard; print([Shard(1, 2).has(str(n)) for n in range(20)])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str([Shard(1, 2).has(str(number)) for number in range(20)])


@pytest.mark.parametrize(
    "text", ["0/4", "5/4", "1/0", "0/0", "x", "", "1", "1/", "/4", "-1/4", "1/4/2", "1.0/4", "٣/4"]
)
def test_a_wrong_shard_is_refused_with_the_form(text: str) -> None:
    with pytest.raises(UsageError, match="write I/N, part I of N, such as 1/4"):
        Shard.parse(text)


def test_a_shard_is_written_as_it_is_read() -> None:
    assert str(Shard.parse(" 2/12 ")) == "2/12"


def rows(count: int) -> list[Row]:
    return [{"id": str(number)} for number in range(count)]


def test_a_shard_takes_its_rows_at_their_positions_in_the_whole() -> None:
    parts = [Part(Shard(index, 3)) for index in (1, 2, 3)]
    found = [item for part in parts for item in part.items(rows(30))]
    assert sorted(found, key=lambda item: item.index) == [Item(*pair) for pair in enumerate(rows(30))]
    assert [*Part().items(rows(3))] == [Item(*pair) for pair in enumerate(rows(3))]


def test_what_a_shard_wrote_is_taken_whole_and_at_the_positions_that_it_has() -> None:
    written = [{**row, "source_index": 7 * number} for number, row in enumerate(rows(9))]
    items = [*Part(Shard(1, 3), whole=True).items(written)]
    assert items == [Item(7 * number, row) for number, row in enumerate(rows(9))]


def test_a_position_of_the_rows_own_stays() -> None:
    own = [{**row, "source_index": 7 * number} for number, row in enumerate(rows(9))]
    items = [item for index in (1, 2) for item in Part(Shard(index, 2), kept=True).items(own)]
    assert sorted(items, key=lambda item: item.index) == [Item(row["source_index"], row) for row in own]


@pytest.mark.parametrize("place", [None, "3", 1.0, True])
def test_a_row_without_a_position_is_named(place: object) -> None:
    with pytest.raises(InputError, match="row 5: `source_index` is"):
        [*Part(whole=True).items([{"id": "5", "source_index": place}])]


def test_streams_are_joined_by_position_and_rows_behind_all_others_by_id() -> None:
    def stream(*pairs: tuple[int, str]) -> list[Row]:
        return [{"id": name, "source_index": place} for place, name in pairs]

    one = stream((0, "a"), (3, "z"), (3, "b"), (AFTER_ALL, "d"), (AFTER_ALL, "f"))
    other = stream((1, "c"), (4, "a"), (AFTER_ALL, "c"), (AFTER_ALL, "e"))
    joined = "".join(row["id"] for row in in_input_order([one, iter(other), []]))
    assert joined == "aczbacdef"


MANIFEST: dict[str, Any] = {
    "recipe": {
        "seed": 1,
        "data_path": "in.jsonl",
        "output_path": "1.jsonl",
        "run": {"concurrency": 4, "models": "auto", "max_candidates": 9},
        "judge": [{"name": "a", "base_url": ["http://a"], "temperature": 0.5}],
    },
    "prompts": {"judge": "abc"},
    "models": {"judge-a": "m"},
    "versions": {"promptcot": "1", "numpy": "1"},
    "shard": "1/2",
}


def changed(key: str, value: object) -> dict[str, Any]:
    """The manifest with another value behind a dotted key."""

    def change(table: Any, parts: list[str]) -> Any:
        place = int(parts[0]) if isinstance(table, list) else parts[0]
        copy = list(table) if isinstance(table, list) else dict(table)
        copy[place] = change(copy[place], parts[1:]) if parts[1:] else value
        return copy

    found: dict[str, Any] = change(MANIFEST, key.split("."))
    return found


@pytest.mark.parametrize(
    ("key", "named"),
    [
        ("recipe.seed", ["seed"]),
        ("recipe.data_path", ["data_path"]),
        ("recipe.judge.0.temperature", ["judge.0.temperature"]),
        ("recipe.run.max_candidates", ["run.max_candidates"]),
        ("prompts.judge", ["prompts.judge"]),
        ("models.judge-a", ["models.judge-a"]),
        ("versions.promptcot", ["versions.promptcot"]),
        ("recipe.output_path", []),
        ("recipe.judge.0.base_url", []),
        ("recipe.run.concurrency", []),
        ("recipe.run.models", []),
        ("versions.numpy", []),
        ("shard", []),
    ],
)
def test_settings_on_which_rows_depend_must_agree(key: str, named: list[str]) -> None:
    assert differences(MANIFEST, changed(key, "another")) == named


def test_inputs_may_differ_where_each_shard_read_a_shard() -> None:
    one, other = ({**manifest, "input": "shard"} for manifest in (MANIFEST, changed("recipe.data_path", "2.jsonl")))
    assert differences(one, other) == []


def test_a_setting_that_only_one_has_differs() -> None:
    assert differences(MANIFEST, {**MANIFEST, "until": "generate"}) == ["until"]

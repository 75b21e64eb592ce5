"""`sample` with levels that fit: the option, the key of a recipe, and that nothing changes without them."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import promptcot
from promptcot.cli import main
from promptcot.recipe.loading import load, parse

SEEDS: list[dict[str, Any]] = [
    *({"concepts": [f"a{n}", f"a{(n + 1) % 9}"], "level": "AMC12"} for n in range(9)),
    *({"concepts": [f"b{n}", f"b{(n + 1) % 9}", f"b{(n + 2) % 9}"], "level": "AIME"} for n in range(9)),
    {"concepts": ["a1", "b1"]},
] * 4
SAMPLE = (
    "sample --data_path seeds.jsonl --size 2 --size 3 --data_size 300 --temperature 3 --levels AMC12,AIME,USAMO "
    "--output_path"
)


@pytest.fixture(autouse=True)
def _seeds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write("seeds.jsonl", SEEDS)


def write(name: str, rows: list[dict[str, Any]]) -> None:
    Path(name).write_text("".join(json.dumps(row) + "\n" for row in rows))


def rows_of(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(name).read_text().splitlines()]


def test_levels_follow_the_seeds_and_combinations_stay_the_same() -> None:
    assert main([*SAMPLE.split(), "plain.jsonl"]) == main([*SAMPLE.split(), "fit.jsonl", "--fit-levels"]) == 0
    plain, fit = rows_of("plain.jsonl"), rows_of("fit.jsonl")
    assert [row["foundational_concepts"] for row in fit] == [row["foundational_concepts"] for row in plain]
    assert {row["level"] for row in plain} == {"AMC12", "AIME", "USAMO"}
    assert {row["level"] for row in fit} == {"AMC12", "AIME"}  # no seed is for USAMO
    of_kind = Counter(
        (row["foundational_concepts"][0][0], row["level"])
        for row in fit
        if len({concept[0] for concept in row["foundational_concepts"]}) == 1
    )
    odds = [of_kind[kind, "AMC12"] / (of_kind[kind, "AIME"] or 1) for kind in "ab"]
    assert odds[0] > 2 * odds[1]
    assert all(f"{row['level']}" in row["prompt"] for row in fit)


def test_a_shard_has_the_levels_of_the_whole() -> None:
    assert main([*SAMPLE.split(), "whole.jsonl", "--fit-levels"]) == 0
    parts = []
    for shard in ("1/2", "2/2"):
        assert main([*SAMPLE.split(), f"part{shard[0]}.jsonl", "--fit-levels", "--shard", shard]) == 0
        parts += rows_of(f"part{shard[0]}.jsonl")
    levels = {row["id"]: row["level"] for row in parts}
    assert levels == {row["id"]: row["level"] for row in rows_of("whole.jsonl")}


def test_without_the_option_nothing_is_recorded_of_it() -> None:
    assert main([*SAMPLE.split(), "plain.jsonl"]) == main([*SAMPLE.split(), "fit.jsonl", "--fit-levels"]) == 0
    assert "fit_levels" not in Path("plain.recipe.json").read_text()
    assert "fit_levels" in Path("fit.recipe.json").read_text()
    recipe: dict[str, Any] = {"name": "r", "concepts": {"path": "seeds.jsonl"}, "judge": [{"name": "a"}]}
    assert "fit_levels" not in json.dumps(parse(recipe).written_down())
    assert "fit_levels" in json.dumps(parse({**recipe, "sample": {"fit_levels": True}}).written_down())


def test_seeds_without_levels_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    write("bare.jsonl", [{"concepts": ["a", "b"]}, {"concepts": ["b", "c"], "level": "other"}])
    assert main(["sample", "--data_path", "bare.jsonl", "--size", "2", "--output_path", "o.jsonl", "--fit-levels"]) == 1
    said = capsys.readouterr().err
    assert "none of the seed combinations has a `level` that is drawn (AMC12, AIME" in said
    assert not Path("o.jsonl").exists()


def test_the_function_and_the_shipped_recipe_know_it() -> None:
    found = promptcot.sample(SEEDS, 40, size=2, levels=["AMC12", "AIME"], fit_levels=True)
    again = promptcot.sample(SEEDS, 40, size=2, levels=["AMC12", "AIME"], fit_levels=True)
    assert list(found.rows) == list(again.rows)
    assert load("nano").sample.fit_levels

"""`benchmarks/nano_world.py` counts what it says: models, replies that cannot be read, gains, and what is missing."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from promptcot.nano.truth import Share
from tests.benchmarks import benchmark


@pytest.fixture(scope="module")
def world() -> ModuleType:
    pytest.importorskip("torch")
    return benchmark("nano_world")


@pytest.mark.parametrize("early", [None, Path("early")])
def test_every_model_of_a_run_is_that_of_the_folder(world: ModuleType, early: Path | None) -> None:
    common = benchmark("_nano")
    recipe = common.recipe_of(common.Models(Path("OUT"), early), 1, 8, verify=True)
    assert [judge.model for judge in recipe.judge] == ["OUT/judge-a", "OUT/judge-b"]
    assert (recipe.verify.model, recipe.solve.model) == ("OUT/verifier", "OUT/solver")
    assert recipe.generate.model == ("OUT/generator" if early is None else "early")
    assert recipe.encode.model == "OUT/generator"  # an early generator gets the same combinations
    assert common.recipe_of(common.Models(), 1, 8, verify=False).verify is None


def test_a_reply_that_cannot_be_read_finds_nothing_and_loses_a_clean_text(world: ModuleType) -> None:
    rows = [{"id": "sum-0", "kind": "sum"}, {"id": "sum-1", "kind": "sum"}, {"id": "clean-0", "kind": "clean"}]
    said = {"a": ["bad", "invalid", "invalid"], "b": ["invalid", "invalid", "perfect"]}
    replies = {
        name: {row["id"]: {"judgement": word} for row, word in zip(rows, words, strict=True)}
        for name, words in said.items()
    }
    lines = {line.name: (line.value, line.n) for line in world.of_planted(rows, replies)}
    assert lines["planted sum: marked by either judge"] == (0.5, 2)
    assert lines["  planted sum: marked by judge b"] == (0, 2)
    assert lines["clean text: not called perfect by judge a"] == (1, 1)
    assert lines["clean text: not called perfect by judge b"] == (0, 1)
    assert lines["planted texts: replies of judge a without a readable verdict"] == (2 / 3, 3)


def test_the_gain_is_that_over_all_cases_and_its_interval_that_of_disjoint_groups(world: ModuleType) -> None:
    line = world.gain("x", Share(60, 100), Share(45, 50), 0.15)
    assert line.value == pytest.approx(0.9 - 0.6)
    low, high = line.interval
    assert 0 < low < 0.3 < high < 0.5
    assert line.met
    assert world.gain("x", Share(60, 100), Share(60, 100), 0.15).value is None  # nothing is dropped


def test_what_is_not_there_is_neither_met_nor_missed(world: ModuleType) -> None:
    lines = world.not_measured("early generator", world.EARLY)
    assert len(lines) == 5
    assert {(line.value, line.met) for line in lines} == {(None, None)}
    assert all(str(line).endswith("not measured") for line in lines)
    assert world.share("x", Share(), least=0.5).met is False


def test_several_runs_are_one_population(world: ModuleType, tmp_path: Path) -> None:
    posed = "Let A be the larger root of x^2 - 11x + 28 = 0. Find the number halfway between A and 19."
    row: dict[str, Any] = {"id": "1", "level": "AIME", "foundational_concepts": ["integer roots", "midpoints"]}
    for place, problem in enumerate([posed, posed.replace("28", "27"), posed]):
        (tmp_path / str(place)).mkdir()
        for name in ("sample", "generate"):
            (tmp_path / str(place) / f"{name}.jsonl").write_text(json.dumps({**row, "problem": problem}) + "\n")
    runs = sorted(tmp_path.iterdir())
    lines = {line.name: (line.value, line.n) for line in world.of_problems("g", Share(3, 3), runs, world.FINAL)}
    assert lines["g: well-posed, raw"] == (pytest.approx(2 / 3), 3)
    assert lines["  g: well-posed, raw, AIME"] == (pytest.approx(2 / 3), 3)
    assert lines["  g: well-posed, raw, AMC12"] == (None, 0)
    assert lines["g: combinations for which there is a problem of the level"] == (1, 3)
    assert lines["g: well-posed, accepted"] == (None, 0)


def test_journals_of_an_earlier_benchmark_stay(
    world: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    common = benchmark("_nano")
    for name, content in (("run", "new"), ("run-without-verify", "old")):
        journal = tmp_path / name / "seed-1" / "solve.journal"
        journal.mkdir(parents=True)
        (journal / "calls.jsonl").write_text(content)
    (tmp_path / "run" / "seed-1" / "generate.journal").mkdir()
    made: list[Path] = []

    async def make(folder: Path, *_: object, verify: bool) -> dict[Path, object]:
        made.append(folder)
        return {}

    monkeypatch.setattr(common, "make", make)
    asyncio.run(common.make_without_verify(tmp_path / "run", common.Models(), common.Draws(1, 1)))
    assert made == [tmp_path / "run-without-verify"]
    assert (made[0] / "seed-1" / "solve.journal" / "calls.jsonl").read_text() == "old"
    assert (made[0] / "seed-1" / "generate.journal").is_dir()

"""Plans of recipes with steps after `filter`: rows, calls and shares of each step, measured and stated."""

import json
from pathlib import Path
from typing import Any

import pytest

from promptcot.planning.flow import accepted_share, kept_by
from promptcot.planning.measured import read_run
from promptcot.planning.rates import Rates, resolve
from promptcot.planning.stages import StagePlan, stages_of
from promptcot.recipe.loading import parse
from promptcot.recipe.recipe import Recipe
from tests.unit.planning.rundirs import books, write_run

KEPT = {
    "generate": {"kept": 0.5},
    "filter": {"kept": 0.5},
    "verify": {"kept": 0.5, "completion_tokens": 10},
    "dedup": {"kept": 0.8},
    "solve": {"completion_tokens": 100},
    "label": {"kept": 0.5},
}


def recipe(**more: Any) -> Recipe:
    verify = {"model": "V", "votes": 5, "voter": [{"name": "a"}, {"name": "b"}]}
    behind = {"verify": verify, "dedup": {}, "solve": {"model": "T", "n": 3}, "label": {}, "select": {}}
    return parse({"name": "r", "judge": [{"name": "j"}], **behind, **more})


def planned(rates: Rates, target: int) -> dict[str, StagePlan]:
    share = accepted_share(rates)
    assert share is not None
    return {stage.name: stage for stage in stages_of(rates, target, round(target / share.value))}


def test_rows_flow_backwards_through_all_steps_and_votes_and_traces_are_calls() -> None:
    rates = resolve(recipe(plan=KEPT), {})
    stages = planned(rates, 100)
    assert [*stages] == [
        *("sample", "generate", "judge-j", "filter", "verify-a", "verify-b", "verify", "dedup", "solve", "label")
    ]
    assert {name: stage.rows_in for name, stage in stages.items()} == {
        **{"sample": 2000, "generate": 2000, "judge-j": 1000, "filter": 1000},
        **{"verify-a": 500, "verify-b": 500, "verify": 500, "dedup": 250, "solve": 200, "label": 200},
    }
    assert [stages[name].calls for name in ("verify-a", "verify-b", "solve")] == [1500, 1000, 600]
    assert stages["solve"].completion_tokens == 60_000
    assert not stages["solve"].afterwards


def test_a_share_that_nobody_knows_is_named() -> None:
    rates = resolve(recipe(plan={"generate": {"kept": 0.5}, "filter": {"kept": 0.5}}), {})
    assert accepted_share(rates) is None
    assert [name for name, rate in kept_by(rates).items() if rate is None] == ["verify", "dedup", "label"]


def test_what_a_run_kept_is_measured_as_far_as_its_steps_are_the_recipe_s(tmp_path: Path) -> None:
    ours = recipe(dedup={"near": 0.9})
    stages = {name: books(200, 100) for name in ("generate", "judge-j", "filter", "verify-a", "verify-b", "verify")}
    more = {"sample": books(200, 200), "dedup": books(100, 80), "solve": books(80, 80), "label": books(80, 40)}
    run = write_run(tmp_path / "run", recipe(dedup={"near": 0.9}), **stages, **more)
    found = read_run(run, ours, 1).stages
    assert {name: found[name]["kept"].value for name in ("verify", "dedup", "label")} == {
        **{"verify": 0.5, "dedup": 0.8, "label": 0.5}
    }
    other = read_run(run, recipe(), 1).stages  # another `near`: its share, and all behind it, are others
    assert "kept" in other["verify"]
    assert "kept" not in other.get("dedup", {})
    assert "kept" not in other.get("label", {})


def test_the_work_of_votes_and_traces_is_that_of_the_rows_that_reach_them() -> None:
    speeds = {"completion_tokens_per_second": 10}
    asked = {name: {"completion_tokens": 10, **speeds} for name in ("generate", "verify", "solve")}
    plan = {**asked, "judge": {"j": {"completion_tokens": 10, **speeds}}, "filter": {"kept": 0.5}}
    ours = recipe(plan=plan)
    assert ours.plan.work_of(["generate", "judge-j", "verify-a", "solve"], ours.calls) == pytest.approx(
        {"generate": 1.0, "judge-j": 1.0, "verify-a": 1.5, "solve": 1.5}
    )


def test_the_command_ends_where_it_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: Any, tmp_path: Path
) -> None:
    from promptcot.cli import main

    monkeypatch.chdir(tmp_path)
    line = [
        "plan",
        "endpoint",
        "--target",
        "100",
        "--gpus",
        "0",
        "--draws",
        "64",
        "--json",
        "--set",
        "server.base_url=http://h/v1",
    ]
    names = []
    for more in ([], ["--until", "verify"], ["--no-solve"], ["--until", "filter"]):
        assert main([*line, *more]) == 0
        names.append([stage["name"] for stage in json.loads(capsys.readouterr().out)["stages"]][5:])
    whole = ["verify", "dedup", "decontaminate", "solve", "label"]
    assert names == [whole, whole[:1], whole[:3], []]
    assert main([*line, "--until", "solve"]) == 2
    assert "comes through one of" not in capsys.readouterr().out

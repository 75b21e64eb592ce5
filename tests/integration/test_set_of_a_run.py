"""A run that makes a set, with a deterministic server: shards, voters, targets, budgets."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

import promptcot
from promptcot.cli import main
from promptcot.doctor.trial import try_rows
from promptcot.recipe.loading import load
from promptcot.storage.rows import read_rows


def run(directory: str, *more: str, candidates: int = 60) -> int:
    return main(["run", "run.toml", "--output-dir", directory, "--max-candidates", str(candidates), *more])


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.jsonl"))}


def stages(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "summary.json").read_bytes())["stages"]
    return found


MEANINGS = ("dedup.semantic='calm-one'", "decontaminate.semantic='calm-one'", "decontaminate.confirm='calm-judge'")
VARIANTS = {
    "as it is": (),
    "copies across shards": ("dedup.mask_numbers=true", "dedup.near=0.5"),
    "meanings": (*MEANINGS, "decontaminate.semantic_near=0.1"),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_shards_that_are_joined_have_the_set_of_one_run(kitchen: Path, variant: str) -> None:
    more = [word for change in VARIANTS[variant] for word in ("--set", change)]
    assert run("whole", *more) == 0
    for shard in ("1/2", "2/2"):
        assert run(f"part-{shard[0]}", "--shard", shard, *more) == 0
    assert main(["merge", "joined", "part-1", "part-2"]) == 0
    assert files(kitchen / "joined") == files(kitchen / "whole")
    counts = stages(kitchen / "whole")
    assert bool(counts["dedup"]["dropped"]) == (variant == "copies across shards")
    if variant == "meanings":
        assert counts["embed-decontaminate"]["calls"] == counts["dedup"]["out"]
        assert counts["confirm-decontaminate"]["calls"] > 0


def test_several_models_share_the_votes_and_a_step_decides(kitchen: Path) -> None:
    voters = "verify.voter=[{name='one'},{name='two',model='calm-two'}]"
    assert run("out", "--set", voters) == 0
    counts = stages(kitchen / "out")
    assert counts["verify-one"]["calls"] == 2 * counts["verify-two"]["calls"] > 0
    assert counts["verify"]["in"] == counts["filter"]["out"]
    lost = list(read_rows(kitchen / "out" / "verify.dropped.jsonl"))
    assert all(sum(row["validity"]["votes"].values()) == 3 for row in lost)
    found = promptcot.load_run("out")
    assert {row["validity"] for row in found.set} == {"valid"}
    assert found.rows("verify")[0]["validity"]["models"] == ["one", "two"]


def test_a_target_counts_labelled_problems_and_ends_every_file_there(kitchen: Path) -> None:
    assert run("whole") == 0
    assert run("out", "--target", "3") == 0
    whole, out = kitchen / "whole", kitchen / "out"
    labelled = list(read_rows(out / "label.jsonl"))
    assert labelled == list(read_rows(whole / "label.jsonl"))[:3]
    for step in ("sample", "generate", "filter", "verify", "dedup", "solve", "label"):
        last = list(read_rows(out / f"{step}.jsonl"))[-1]
        assert last["id"] == labelled[-1]["id"], step


def test_what_a_row_takes_is_said_before_the_first_call(kitchen: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("out", candidates=4) in (0, 1)
    first, *_ = capsys.readouterr().out.splitlines()
    assert first.startswith("calls: 9 for a problem that passes all steps (generate 1, ")
    assert run("out", "--until", "filter", candidates=4) in (0, 1)
    assert "calls: a problem" not in capsys.readouterr().out


def test_a_shorter_run_into_the_same_directory_takes_its_set_away(kitchen: Path) -> None:
    assert run("out") == 0
    assert (kitchen / "out" / "set.jsonl").exists()
    assert run("out", "--until", "filter") == 0
    assert not (kitchen / "out" / "set.jsonl").exists()
    assert run("out") == 0
    assert {name: one["calls"] for name, one in stages(kitchen / "out").items() if one["calls"]} == {}


def test_a_cap_holds_for_votes_and_traces_too(kitchen: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prices = ("--set", "server.price.prompt=1", "--set", "server.price.completion=3")
    assert run("out", *prices, "--max-cost", "0.03") == 1
    assert "max-cost" in capsys.readouterr().err
    assert run("other", "--max-cost", "0.03") == 1
    assert "none is given for judge first, judge second.one, verify" in capsys.readouterr().err


def test_a_set_without_rows_is_an_error_that_says_why(kitchen: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("out", "--set", "select.pass_rate='0.01:0.02'") == 1
    said = capsys.readouterr().out
    assert "select: none of" in said
    assert "the nearest band that keeps problems is" in said
    assert list(read_rows(kitchen / "out" / "set.jsonl", may_be_empty=True)) == []


def test_a_trial_tries_the_teacher_whatever_the_judges_say(kitchen: Path) -> None:
    async def tried() -> list[str]:
        recipe = load("run.toml", ["filter.only_perfect=true"])
        return [finding.what async for finding in try_rows(recipe, 5, None)]

    found = asyncio.run(tried())
    [accepted] = [line for line in found if line.startswith("filter: ")]
    assert accepted == "filter: 0 of 5 accepted"
    readable = int(next(line for line in found if line.startswith("generate: ")).rpartition(", ")[2].split()[0])
    assert f"verify: {3 * readable} replies" in "\n".join(found)
    assert any(line.startswith("solve: ") and f" of {readable} parse" in line for line in found)
    assert any(line.startswith("label: would keep ") for line in found)

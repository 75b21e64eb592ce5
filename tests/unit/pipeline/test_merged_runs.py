"""Merged shards of a run: the same bytes as the run of a single driver."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import promptcot
from promptcot.cli import main
from promptcot.storage.atomic import locked

FAULTY = {"engine": "sharded_steps:open_faulty", "model": "m"}
DISTINCT = {"name": "distinct", "use": "sharded_steps:Distinct"}
SHORTEST = {"name": "shortest", "use": "own_steps:Shortest", "options": {"size": 9}, "at_end": True}
PAIRS = {"name": "pairs", "use": "own_steps:Pairs"}
GROW = {"name": "grow", "use": "own_steps:Grow", "model": FAULTY}
TWICE = {"name": "twice", "use": "sharded_steps:Twice", "model": FAULTY, "after": "generate"}


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("own_steps.py", "sharded_steps.py"):
        shutil.copy(Path(__file__).with_name(name), tmp_path / name)
    pairs = [{"concepts": [f"c{a}", f"c{b}", f"c{(a * b) % 20}x"]} for a in range(20) for b in range(a)]
    (tmp_path / "concepts.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))


def table(*steps: dict[str, Any], **limits: Any) -> dict[str, Any]:
    return {
        "name": "shared",
        "prompts": "nano",
        "concepts": {"path": "concepts.jsonl"},
        "encode": {"skip": True},
        "sample": {"size": 2},
        "generate": FAULTY,
        "judge": [{"name": "a", **FAULTY}, {"name": "b", **FAULTY}],
        "run": {"max_candidates": 60, **limits},
        "step": list(steps),
    }


def made(recipe: dict[str, Any], count: int, **more: Any) -> list[str]:
    """The directories of all shards of a run."""
    for index in range(1, count + 1):
        promptcot.run(recipe, output_dir=f"shard-{index}", shard=f"{index}/{count}", **more)
    return [f"shard-{index}" for index in range(1, count + 1)]


CALLS = {"calls", "models", "prompt_tokens", "completion_tokens"}


def without(keys: set[str], value: Any) -> Any:
    return (
        {key: without(keys, part) for key, part in value.items() if key not in keys}
        if hasattr(value, "items")
        else value
    )


def files(folder: str, *uncounted: str) -> dict[str, Any]:
    """Everything but the journals, whose calls are in the order in which they came, seconds, what was typed, and the
    page that shows both.
    """
    found: dict[str, Any] = {path.name: path.read_bytes() for path in Path(folder).iterdir() if path.is_file()}
    del found["report.html"]
    return {**found, "summary.json": without({"seconds", "command", *uncounted}, json.loads(found["summary.json"]))}


@pytest.mark.parametrize(
    ("steps", "limits", "more"),
    [
        ([], {}, {}),
        ([], {"models": "in turn"}, {}),
        ([], {}, {"until": "generate"}),
        ([DISTINCT], {}, {}),
        ([{**DISTINCT, "after": "generate"}], {}, {}),
        ([SHORTEST], {}, {}),
        ([DISTINCT, GROW], {}, {}),
        ([GROW], {}, {}),
        ([TWICE], {}, {}),
    ],
    ids=["plain", "in-turn", "until", "dedup", "dedup-early", "select", "dedup-then-ask", "ask", "several-rows"],
)
def test_joined_shards_are_the_whole_run(steps: list[dict[str, Any]], limits: dict[str, Any], more: Any) -> None:
    recipe = table(*steps, **limits)
    whole = promptcot.run(recipe, output_dir="whole", **more)
    assert whole.counts["generate"].failed
    assert whole.counts["generate"].dropped
    joined = promptcot.merge("joined", reversed(made(recipe, 3, **more)))
    assert isinstance(joined, promptcot.RunResult)
    assert {name: counts.seconds for name, counts in joined.counts.items()}.keys() == whole.counts.keys()
    more_asked = DISTINCT in steps[:-1] or {**DISTINCT, "after": "generate"} in steps
    expected, found = (files(folder, *CALLS if more_asked else ()) for folder in ("whole", "joined"))
    assert found.keys() == expected.keys()
    assert [name for name in expected if found[name] != expected[name]] == []


def test_vectors_and_counts_of_concepts_are_those_of_one_run() -> None:
    recipe = {**table(), "encode": {"engine": "sharded_steps:open_faulty", "model": "m"}}
    promptcot.run(recipe, output_dir="whole")
    promptcot.merge("joined", made(recipe, 2))
    assert files("joined") == files("whole")
    again = promptcot.run(recipe, output_dir="joined")
    assert (again.counts["encode"].calls, again.counts["generate"].calls) == (0, 0)


def test_draws_are_those_of_the_whole_stream_at_their_positions_in_it() -> None:
    promptcot.run(table(), output_dir="whole", until="generate")
    drawn = [json.loads(line) for line in Path("whole/sample.jsonl").read_text().splitlines()]
    positions = []
    for folder in made(table(), 4, until="generate"):
        for row in map(json.loads, Path(folder, "sample.jsonl").read_text().splitlines()):
            positions.append(row.pop("source_index"))
            assert row == drawn[positions[-1]]
    assert sorted(positions) == [*range(60)]


def test_every_row_that_a_shard_writes_has_its_position_and_the_recipe_names_the_shard() -> None:
    made(table(DISTINCT), 2)
    assert json.loads(Path("shard-2/recipe.json").read_bytes())["shard"] == "2/2"
    written = [*Path("shard-2").glob("*.jsonl")]
    assert {"generate.dropped.jsonl", "judge-a.failed.jsonl", "distinct.jsonl"} <= {path.name for path in written}
    for path in written:
        assert all("source_index" in json.loads(line) for line in path.read_text().splitlines()), path


def test_the_run_goes_on_from_what_was_joined_and_repeats_no_call() -> None:
    promptcot.run(table(), output_dir="whole")
    promptcot.merge("joined", made(table(), 3))
    again = promptcot.run(table(), output_dir="joined")
    whole = promptcot.load_run("whole")
    assert {name: again.counts[name].calls for name in ("generate", "judge-a")} == {"generate": 0, "judge-a": 0}
    assert {name: again.counts[name].reused for name in ("generate", "judge-a")} == {
        name: whole.counts[name].calls for name in ("generate", "judge-a")
    }
    more = promptcot.run(table(), output_dir="joined", max_candidates=70)
    assert more.counts["generate"].rows_in == 70
    assert more.counts["generate"].reused == whole.counts["generate"].calls


def test_journals_may_be_missing_and_it_is_said_what_that_costs(capsys: pytest.CaptureFixture[str]) -> None:
    promptcot.run(table(), output_dir="whole")
    shards = made(table(), 2)
    for journal in Path("shard-2").glob("*.journal"):
        shutil.rmtree(journal)
    assert main(["merge", "joined", *shards]) == 3
    said = capsys.readouterr().out
    assert (
        "shard-2: the journal of generate is not there, so its calls are made and paid for again if the joined" in said
    )
    assert "shard-1: the journal" not in said
    assert files("joined") == files("whole")


def test_rows_that_only_all_shards_together_give_fail_and_can_be_asked_afterwards(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A pair of two shards' rows was in no shard, so nobody asked about it."""
    recipe = table(PAIRS, GROW)
    promptcot.run(recipe, output_dir="whole")
    Path("mine.json").write_text(json.dumps(recipe))
    assert main(["merge", "joined", *made(recipe, 3)]) == 3
    said = capsys.readouterr().out
    joined = promptcot.load_run("joined")
    lacking = joined.counts["grow"].failed["not asked"]
    assert 0 < lacking < joined.counts["grow"].rows_in
    assert f"{lacking} rows failed because no shard processed them" in said
    assert "--output-dir joined and without --shard" in said
    finished = promptcot.run(recipe, output_dir="joined")
    assert finished.counts["generate"].calls == 0
    assert files("joined")["grow.jsonl"] == files("whole")["grow.jsonl"]


def test_what_is_there_is_joined_without_the_rest_when_asked_for() -> None:
    made(table(), 3)
    joined = promptcot.merge("joined", ["shard-1", "shard-3"], partial=True)
    whole = [promptcot.load_run(f"shard-{index}") for index in (1, 3)]
    assert isinstance(joined, promptcot.RunResult)
    for step in ("sample", "generate", "filter"):
        assert joined.counts[step].rows_out == sum(one.counts[step].rows_out for one in whole)
    ids = sorted(row["id"] for one in whole for row in one.accepted)
    assert sorted(row["id"] for row in joined.accepted) == ids


def test_costs_are_those_of_all_shards() -> None:
    recipe = table()
    recipe["generate"] = {**FAULTY, "price": {"prompt": 0.3, "completion": 0.7}}
    whole = promptcot.run(recipe, output_dir="whole")
    joined = promptcot.merge("joined", made(recipe, 3))
    assert isinstance(joined, promptcot.RunResult)
    assert joined.cost == whole.cost
    assert joined.cost


def test_two_may_not_join_into_one_directory_at_the_same_time() -> None:
    shards = made(table(), 2)
    with locked(Path("joined/lock")), pytest.raises(promptcot.LockedError, match="joined/lock"):
        promptcot.merge("joined", shards)


def test_shards_that_did_not_draw_the_same_are_refused() -> None:
    shards = made(table(), 2)
    lines = Path("shard-2/sample.jsonl").read_text().splitlines(keepends=True)
    Path("shard-2/sample.jsonl").write_text("".join(lines[:3] + lines[4:]))
    with pytest.raises(promptcot.InputError, match="did not draw the same combinations"):
        promptcot.merge("joined", shards)
    assert not [*Path("joined").glob("*.jsonl")]


def test_a_target_is_refused_wherever_it_comes_from() -> None:
    for recipe, more in ((table(target=5), {}), (table(), {"target": 5})):
        with pytest.raises(promptcot.UsageError, match=r"target of 5.*--max-candidates M"):
            promptcot.run(recipe, shard="1/2", **more)


def test_a_shard_does_not_replace_another_one() -> None:
    promptcot.run(table(), output_dir="here", shard="1/2")
    with pytest.raises(promptcot.UsageError, match="here: this is shard 1/2, and --shard says 2/2"):
        promptcot.run(table(), output_dir="here", shard="2/2")
    promptcot.run(table(), output_dir="here", shard="1/2")


def test_by_default_each_shard_has_a_directory_of_its_own() -> None:
    promptcot.run(table(), shard="2/3")
    assert Path("out/shared-2-of-3/summary.json").exists()


def test_a_run_up_to_the_vectors_has_no_shards() -> None:
    recipe = {**table(), "encode": {"engine": "sharded_steps:open_faulty", "model": "m"}}
    with pytest.raises(promptcot.UsageError, match="encoded once for all"):
        promptcot.run(recipe, until="encode", shard="1/2")

"""The Python API with embedded models and scripted engines: same results as the command line, also in a notebook."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import promptcot
from promptcot.cli import main
from tests.fuzz.moments import Moment
from tests.integration import scripted_run
from tests.programs import finished

INPUTS = [
    {
        "prompt": f"Concepts:\n1. circles\n2. lines {number}\nLevel: AIME\n",
        "foundational_concepts": ["a", "b"],
        "level": "AIME",
    }
    for number in range(40)
]


def writer() -> promptcot.ScriptedEngine:
    return promptcot.ScriptedEngine(scripted_run.write, model="writer")


def rater() -> promptcot.ScriptedEngine:
    return promptcot.ScriptedEngine(scripted_run.rate, model="rater")


def test_a_run_gives_what_the_command_line_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["run", "nano", "--max-candidates", "6", "--output-dir", "cli"]) == 0
    seen: list[promptcot.Progress] = []
    found = promptcot.run("nano", max_candidates=6, output_dir="api", on_progress=seen.append)
    for step in ("sample", "generate", "judge-a", "judge-b", "filter"):
        assert (tmp_path / "api" / f"{step}.jsonl").read_bytes() == (tmp_path / "cli" / f"{step}.jsonl").read_bytes()
        assert [*found.rows(step)] == [
            json.loads(line) for line in (tmp_path / "cli" / f"{step}.jsonl").read_bytes().splitlines()
        ]
    assert found.accepted[0] == next(iter(found.accepted))
    assert found.accepted[-1:] == [[*found.accepted][-1]]
    assert len(found.to_pandas()) == len(found.to_dataset()) == len(found.accepted) > 0
    assert found.agreement[0]["n"] == 6
    assert found.cost is None
    assert seen[-1].counts["filter"].rows_in == 6
    opened = promptcot.load_run("api")
    assert [counts.summary() for counts in opened.counts.values()] == [one.summary() for one in found.counts.values()]
    assert list(opened.accepted) == list(found.accepted)
    assert (opened.agreement, opened.cost) == (found.agreement, found.cost)
    again = promptcot.run("nano", max_candidates=6, output_dir="api")
    assert again.counts["generate"].calls == 0


def test_the_default_directory_is_that_of_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = promptcot.run(
        promptcot.load_recipe("nano", set={"name": "other"}), until="sample", set=["encode.skip=true"]
    )
    assert found.directory == Path("out/other")
    assert len(found.accepted) == 64


async def test_a_running_event_loop_is_no_hindrance(tmp_path: Path) -> None:
    """As in a notebook."""
    assert promptcot.generate(INPUTS, model=writer()).counts.rows_in == 40
    found = await promptcot.arun("nano", until="sample", set={"encode.skip": True}, output_dir=tmp_path / "out")
    assert len(found.accepted) == 64


def test_a_closed_event_loop_is_no_hindrance() -> None:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    loop.close()
    try:
        assert promptcot.generate(INPUTS, model=writer()).counts.rows_in == 40
    finally:
        asyncio.set_event_loop(None)


def test_verbs_give_rows_dropped_ones_and_failed_ones() -> None:
    found = promptcot.generate(INPUTS, model=writer(), seed=3)
    assert found.counts.rows_in == 40 == len(found.rows) + len(found.dropped) + len(found.failed)
    assert found.dropped[0]["reason"] == "unreadable: no BEGIN RATIONALE"
    assert {row["cause"] for row in found.failed} <= {"refused"}
    judged = [promptcot.judge(found, model=rater(), name=name, prompts="nano") for name in "ab"]
    kept = promptcot.filter(*judged)
    assert kept.counts.rows_in == len(found.rows)
    assert kept.agreement[0]["judges"] == ["a", "b"]
    assert all(row["judgements"] == {"a": "perfect", "b": "perfect"} for row in kept.rows)


def test_what_came_to_nothing_has_its_problem_told() -> None:
    refusing = promptcot.ScriptedEngine(lambda _: "I would rather not.")
    found = promptcot.generate(promptcot.sample(n=3), model=refusing)
    assert len(found.dropped) == 3
    assert found.problem is not None
    assert found.problem.startswith("generate: none of 3 replies can be used (no BEGIN RATIONALE: 3)")
    written = promptcot.generate(promptcot.sample(n=3), model=writer())
    assert written.problem is None
    bad = [{**row, "judge": "j", "judgement": "bad"} for row in written]
    assert "filter: none of 3 rows passed (bad: 3)" in str(promptcot.filter(bad).problem)


def test_a_journal_makes_a_verb_resumable(tmp_path: Path) -> None:
    engine = writer()
    first = promptcot.generate(INPUTS[:25], model=engine, journal=tmp_path / "work")
    asked, written = engine.asked, list(first.rows)
    second = promptcot.generate(INPUTS, model=engine, journal=tmp_path / "work")
    assert second.counts.reused == first.counts.calls
    assert engine.asked - asked < 40
    assert list(second.rows)[: len(written)] == written
    assert second.directory == tmp_path / "work"
    assert len((tmp_path / "work" / "generate.jsonl").read_bytes().splitlines()) == len(second.rows)


def test_the_steps_of_the_embedded_world_fit_together(tmp_path: Path) -> None:
    greedy = {"model": "nano", "temperature": 0, "max_tokens": 400}
    sampled = promptcot.sample("nano", 5)
    written = promptcot.generate(sampled, model={**greedy, "temperature": 0.7})
    named = promptcot.extract(written, model={"ann": greedy}, n=[2, 3], max_retries=1)
    assert {row["annotator"] for row in named.rows} == {"ann"}
    assert promptcot.explain(named, model={"ann": greedy}, max_retries=1).counts.rows_in == len(named.rows)
    traces = promptcot.solve(written, model={**greedy, "temperature": 0.6}, n=3)
    assert traces.counts.rows_in == 3 * len(written.rows)
    labelled = promptcot.label(traces, prompts="nano")
    assert all(
        row["label"] == next(one["label"] for one in labelled.rows if one["id"] == row["id"]) for row in labelled.sft
    )
    golds = {row["id"]: row["label"] for row in labelled.rows}
    answered = [{**row, "source": "own", "answer": golds[row["id"]]} for row in traces.rows if row["id"] in golds]
    graded = promptcot.grade(answered)
    assert graded.sources["own"].samples == len(graded.rows) == len(answered)
    assert 0 < (graded.accuracy() or 0) <= 1


def test_concepts_become_vectors_that_sampling_uses(tmp_path: Path) -> None:
    assert [row["sentence"] for row in promptcot.encode(["circles", "lines"]).rows] == ["circles", "lines"]
    found = promptcot.encode("nano", output_path=tmp_path / "v.safetensors")
    assert found.counts.rows_out == 42
    with_vectors = promptcot.sample("nano", 20, vectors=tmp_path / "v.safetensors")
    assert [row["id"] for row in with_vectors.rows] != [row["id"] for row in promptcot.sample("nano", 20).rows]


def test_an_evaluation_gives_its_statistics(tmp_path: Path) -> None:
    found = promptcot.evaluate("nano", limit_rows=3, set={"n": 2}, output_dir=tmp_path)
    assert found.benchmarks["nano"].summary.samples == 6
    assert (tmp_path / "results.json").exists()


def test_two_runs_into_one_directory_from_two_threads_are_refused(tmp_path: Path) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(progress: promptcot.Progress) -> None:
        if "filter" in progress.counts and progress.counts["filter"].rows_done < 64:  # rows, not vectors, are made
            begun.set()
            assert go_on.wait(120)

    errors: list[BaseException] = []

    def first() -> None:
        try:
            promptcot.run("nano", max_candidates=64, output_dir=tmp_path, on_progress=slow)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=first)
    thread.start()
    try:
        assert begun.wait(120)
        with pytest.raises(promptcot.LockedError, match="another process is writing"):
            promptcot.run("nano", max_candidates=64, output_dir=tmp_path)
    finally:
        go_on.set()
        thread.join()
    assert errors == []


WRONG: list[tuple[str, Callable[[], object], type[Exception], str]] = [
    ("an unknown recipe", lambda: promptcot.run("nanoo"), promptcot.RecipeError, "did you mean nano"),
    (
        "an unknown key",
        lambda: promptcot.run("nano", set={"sampel.size": 3}),
        promptcot.RecipeError,
        "did you mean sample",
    ),
    ("an unknown step", lambda: promptcot.run("nano", until="judgee"), promptcot.UsageError, "did you mean judge-"),
    ("a chain", lambda: promptcot.run("distill-nano"), promptcot.RecipeError, "a chain of commands"),
    ("a missing file", lambda: promptcot.generate("none.jsonl"), promptcot.InputError, "none.jsonl: no such file"),
    ("a missing field", lambda: promptcot.generate([{"x": 1}]), promptcot.InputError, "no text in `prompt`"),
    (
        "an unknown model",
        lambda: promptcot.generate(INPUTS, model="nowhere/x"),
        promptcot.InputError,
        "no such model folder",
    ),
    ("no model at all", lambda: promptcot.generate(INPUTS, model=5), promptcot.InputError, "int is not a model"),  # type: ignore[arg-type]
    (
        "a wrong setting",
        lambda: promptcot.generate(INPUTS, model={"temperature": -1}),
        promptcot.RecipeError,
        "temperature",
    ),
    ("an unknown argument", lambda: promptcot.generate(INPUTS, sed=1), TypeError, "unexpected keyword argument 'sed'"),  # type: ignore[call-arg]
    (
        "no concurrency",
        lambda: promptcot.generate(INPUTS, concurrency=0),
        promptcot.UsageError,
        "concurrency: 0 is not",
    ),
    ("a seed that is none", lambda: promptcot.generate(INPUTS, seed="a"), promptcot.UsageError, "seed: 'a'"),  # type: ignore[arg-type]
    ("fewer than no retries", lambda: promptcot.generate(INPUTS, max_retries=-1), promptcot.UsageError, "max_retries"),
    (
        "a cap without a price",
        lambda: promptcot.generate(INPUTS, model=writer(), max_cost=1),
        promptcot.UsageError,
        "needs the price",
    ),
    ("a journal that is no folder", lambda: promptcot.generate(INPUTS, journal=5), promptcot.UsageError, "journal: 5"),  # type: ignore[arg-type]
    (
        "progress that cannot be called",
        lambda: promptcot.generate(INPUTS, on_progress=5),
        promptcot.UsageError,
        "on_progress",
    ),  # type: ignore[arg-type]
    (
        "a setting of the model",
        lambda: promptcot.generate(INPUTS, temperature=1),
        TypeError,
        "a setting of promptcot.Model",
    ),  # type: ignore[call-arg]
    (
        "a name that is a path",
        lambda: promptcot.judge(INPUTS, model=rater(), name="a/b"),
        promptcot.UsageError,
        "is not a valid stage name",
    ),
    ("no judged rows", lambda: promptcot.filter(), promptcot.UsageError, "at least one judge"),
    ("no traces", lambda: promptcot.solve(INPUTS, n=0), promptcot.UsageError, "n: 0"),
    ("an unknown bound", lambda: promptcot.label(INPUTS, min_agree=0.5), TypeError, "'min_agree'"),
    ("a bound beyond 1", lambda: promptcot.label(INPUTS, min_agreement=7), promptcot.UsageError, "between 0 and 1"),
    ("changes that are none", lambda: promptcot.run("nano", set=5), promptcot.UsageError, "set: 5"),  # type: ignore[arg-type]
    ("a recipe that is none", lambda: promptcot.run(5), promptcot.UsageError, "recipe: 5"),  # type: ignore[arg-type]
    ("no run", lambda: promptcot.load_run("."), promptcot.InputError, "a run writes it when it ends"),
    ("unjudged files", lambda: promptcot.filter(INPUTS), promptcot.InputError, "no `judgement`"),
    (
        "a row without a gold",
        lambda: promptcot.grade([{"prompt": "p", "completion": "\\boxed{1}", "source": "s"}]),
        promptcot.InputError,
        "no gold",
    ),
]


@pytest.mark.parametrize(("call", "error", "words"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG])
def test_mistakes_are_the_errors_of_the_tree(
    call: Callable[[], Any], error: type[Exception], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=words):
        call()


def test_progress_that_raises_costs_no_row() -> None:
    def broken(progress: promptcot.Progress) -> None:
        raise ValueError("a mistake of the display")

    with pytest.warns(RuntimeWarning, match="on_progress raised ValueError"):
        assert promptcot.generate(INPUTS, model=writer(), on_progress=broken).counts.rows_in == 40


def test_rows_of_an_earlier_result_are_not_those_of_a_later_one(tmp_path: Path) -> None:
    first = promptcot.generate(INPUTS[:5], model=writer(), journal=tmp_path)
    promptcot.generate(INPUTS, model=writer(), journal=tmp_path)
    with pytest.raises(promptcot.InputError, match="was rewritten in the meantime"):
        len(first.rows)


def test_a_dataset_has_the_fields_of_all_rows() -> None:
    class Fields:
        name = "fields"

        def ask(self, row: dict[str, Any]) -> list[promptcot.Request]:
            return []

        def read(self, row: dict[str, Any], replies: object) -> list[dict[str, Any]]:
            return [row]

    found = promptcot.ask(Fields(), [{"id": "1", "a": 1}, {"id": "2", "b": 2}], model=writer())
    assert found.to_dataset().to_list() == [{"id": "1", "a": 1, "b": None}, {"id": "2", "a": None, "b": 2}]
    assert repr(found) == "StageResult(fields: 2 rows, 0 dropped, 0 failed)"
    assert [row["id"] for row in found] == ["1", "2"]


def test_no_rows_give_no_rows() -> None:
    found = promptcot.judge([], model=rater())
    assert (found.counts.rows_in, list(found.rows)) == (0, [])


INTERRUPTED = """
import asyncio, sys, promptcot
from tests.fuzz.moments import Moment
from tests.integration import scripted_run
from tests.programs import finished

async def cell():  # a notebook runs its cells inside an event loop
    engine = promptcot.ScriptedEngine(scripted_run.write, model="w", latency=lambda _: 0.02)
    rows = [{"prompt": f"p{n}"} for n in range(400)]
    try:
        found = promptcot.generate(rows, model=engine, journal=sys.argv[1], concurrency=4)
        print("done", found.counts.reused, found.counts.calls)
    except KeyboardInterrupt:
        print("interrupted")

asyncio.run(cell())
"""


def test_ctrl_c_in_a_notebook_stops_cleanly_and_the_same_call_goes_on(tmp_path: Path) -> None:
    command = [sys.executable, "-c", INTERRUPTED, str(tmp_path / "work")]
    calls = tmp_path / "work" / "generate.journal" / "calls.jsonl"
    moment = Moment(10, r"^after write work/generate\.journal/calls\.jsonl", signal.SIGINT)
    stopped = finished(command, env=moment.environment(tmp_path, tmp_path / "events"))
    assert stopped.stdout == "interrupted\n", stopped.stderr
    assert stopped.stderr == ""
    kept = len(calls.read_bytes().splitlines())
    assert 10 <= kept < 400
    assert not list((tmp_path / "work").glob("*.partial")), "it was raised before everything had ended"
    assert finished(command).stdout.startswith(f"done {kept} ")


def test_a_run_may_end_with_the_vectors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["run", "nano", "--until", "encode", "--output-dir", "out"]) == 0
    assert json.loads((tmp_path / "out" / "summary.json").read_bytes())["stages"]["encode"]["out"] == 42
    assert {path.name for path in (tmp_path / "out").iterdir() if path.is_file()} >= {
        "encode.safetensors",
        "recipe.json",
    }

"""`promptcot clean`: what may go is shown first, with what it would cost; results, links and unfinished work stay."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import promptcot
from promptcot.cli import main
from promptcot.storage.atomic import locked

STEPS = {"sample": 0, "generate": 40, "judge-a": 40, "solve": 136}


def stage(calls: int, cost: float | None) -> dict[str, object]:
    """The counts of a step whose calls, if any, were paid."""
    paid = {"calls": calls, "unpriced": 0 if cost is not None else calls, "cost": cost}
    return {"calls": calls, "reused": 0, "models": {"m": {**paid, "prompt_tokens": 1, "completion_tokens": 1}}}


def write_run(folder: Path) -> None:
    """As much of a run directory as its cleaning looks at: generate was paid, the judge had no price."""
    costs = {"generate": 0.25, "solve": 1.5}
    for name, calls in STEPS.items():
        (folder / f"{name}.journal").mkdir(parents=True)
        (folder / f"{name}.jsonl").write_text('{"id": "a"}\n')
        if calls:
            (folder / f"{name}.journal" / "lock").touch()
            (folder / f"{name}.journal" / "calls.jsonl").write_text('{"key": "…"}\n' * calls)
    (folder / "sample.journal").rmdir()
    (folder / "select.state").mkdir()
    (folder / "select.state" / "rows.jsonl").write_text("x" * 5000)
    (folder / "vllm-m-0.log").write_text("loading")
    (folder / "filter.jsonl.partial").write_text("{")
    (folder / "lock").touch()
    (folder / "set.jsonl").write_text('{"id": "a"}\n')
    (folder / "recipe.json").write_text('{"recipe": {"name": "small"}}')
    stages = {name: stage(calls, costs.get(name)) for name, calls in STEPS.items()}
    (folder / "summary.json").write_text(json.dumps({"format": 1, "stages": stages}))


Said = Callable[..., tuple[int, str]]
RESULTS = {*(f"{name}.jsonl" for name in STEPS), "set.jsonl", "recipe.json", "summary.json", "lock"}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_run(Path("run"))
    return Path("run")


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    def call(*arguments: object) -> tuple[int, str]:
        code = main(["clean", *map(str, arguments)])
        out, error = capsys.readouterr()
        return code, out + error

    return call


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_everything_is_shown_with_its_size_its_use_and_what_it_would_cost_again(run: Path, said: Said) -> None:
    before = names(run)
    code, text = said(run, "--dry-run")
    assert code == 0
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "generate.journal 600 B replies to 40 calls of generate (cost 0.2500)" in lines
    assert "judge-a.journal 600 B replies to 40 calls of judge-a (no price known)" in lines
    assert "select.state 5.00 kB unfinished work, which is restarted from scratch anyway" in lines
    assert "vllm-m-0.log 7 B logs of model servers" in lines
    assert "repeats up to 216 calls (cost 1.7500, not counting 1 without a price)" in text
    assert "nothing was removed" in text
    assert names(run) == before


def test_what_is_not_a_result_is_removed(run: Path, said: Said) -> None:
    code, text = said(run, "--yes")
    assert code == 0
    assert "removed: 8.2" in text
    assert names(run) == RESULTS
    assert said(run, "--yes") == (0, "run: nothing to remove\n")


def test_calls_can_be_kept(run: Path, said: Said) -> None:
    assert "removing these costs no calls" in said(run, "--keep-calls", "--yes")[1]
    assert names(run) == {*RESULTS, "generate.journal", "judge-a.journal", "solve.journal"}


def test_from_python_replies_go_only_where_that_is_asked_for(run: Path) -> None:
    before = names(run)
    assert promptcot.clean(run, keep_calls=False, dry_run=True).size > promptcot.clean(run, dry_run=True).size
    assert names(run) == before
    assert promptcot.clean(run).paid == []
    assert names(run) == {*RESULTS, "generate.journal", "judge-a.journal", "solve.journal"}
    assert [one.path.name for one in promptcot.clean(run, keep_calls=False).paid] == [
        "generate.journal",
        "judge-a.journal",
        "solve.journal",
    ]
    assert names(run) == RESULTS
    for wrong in ({"run": 5}, {"run": run, "keep_calls": "no"}):
        with pytest.raises(promptcot.UsageError):
            promptcot.clean(**wrong)  # type: ignore[arg-type]


def test_without_a_terminal_nothing_goes_unless_it_was_said(run: Path, said: Said) -> None:
    before = names(run)
    code, text = said(run)
    assert code == 2
    assert "--yes" in text
    assert "generate.journal" in text
    assert names(run) == before


@pytest.mark.parametrize(("answer", "gone"), [("y\n", True), ("n\n", False), ("\n", False)])
def test_on_a_terminal_a_person_is_asked(
    answer: str, gone: bool, run: Path, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("promptcot.cli.asking.on_terminal", lambda: True)
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda _: answer.strip())
    code, text = said(run)
    assert code == 0
    assert ("nothing was removed" in text) != gone
    assert (names(run) == RESULTS) == gone


def _no_summary(run: Path) -> None:
    (run / "summary.json").unlink()


def _calls_since(run: Path) -> None:
    with (run / "solve.journal" / "calls.jsonl").open("a") as file:
        file.write("{}\n{}\n")


def _begun_anew_after_cleaning(run: Path) -> None:
    (run / "solve.journal" / "calls.jsonl").write_text("{}\n")
    os.utime(run / "summary.json", (1, 1))


def _asks_another_judge(run: Path) -> None:
    (run / "judge-b.journal").mkdir()
    (run / "judge-b.journal" / "calls.jsonl").write_text("{}\n")
    os.utime(run / "summary.json", (1, 1))


def _broken_summary(run: Path) -> None:
    (run / "summary.json").write_text("{")


def _training(run: Path) -> None:
    (run / "log.jsonl").touch()


def _no_run(run: Path) -> None:
    (run / "recipe.json").unlink()
    (run / "lock").unlink()


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (_no_summary, "it is not finished"),
        (_calls_since, "the journal of solve has 138 calls, but its summary counts 136"),
        (_begun_anew_after_cleaning, "the journal of solve has 1 call, but its summary counts 136"),
        (_asks_another_judge, "the journal of judge-b has 1 call, but its summary counts 0"),
        (_broken_summary, "it cannot be read"),
        (_training, "the directory of a training run"),
        (_no_run, "not the directory of a run"),
        (shutil.rmtree, "no such file or directory"),
    ],
)
def test_what_is_no_finished_run_is_refused(spoil: Callable[[Path], None], why: str, run: Path, said: Said) -> None:
    spoil(run)
    before = names(run) if run.exists() else set()
    code, text = said(run, "--yes")
    assert code == 1
    assert why in text
    assert (names(run) if run.exists() else set()) == before


@pytest.mark.parametrize("lock", ["lock", "solve.journal/lock"])
def test_a_run_that_somebody_writes_is_refused(lock: str, run: Path, said: Said) -> None:
    before = names(run)
    with locked(run / lock):
        code, text = said(run, "--yes")
    assert code == 1
    assert "another process" in text
    assert names(run) == before


def test_links_are_named_and_what_they_lead_to_stays(run: Path, said: Said, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shutil.move(run / "solve.journal", shared)
    (run / "solve.journal").symlink_to(shared)
    (shared / "kept").touch()
    (run / "generate.journal" / "link").symlink_to(shared / "kept")
    text = said(run, "--yes")[1]
    assert f"solve.journal: a link to {shared}" in text
    assert {"kept", "calls.jsonl"} <= names(shared)
    assert names(run) == {*RESULTS, "solve.journal"}


def test_the_output_of_a_verb_is_cleaned_as_well(run: Path, said: Said) -> None:
    (run / "solve.summary.json").write_text(json.dumps({"stages": {"solve": stage(136, None)}}))
    (run / "solve.grades").mkdir()
    (run / "solve.jsonl.partial").touch()
    before = names(run)
    assert "replies to 136 calls of solve" in said(run / "solve.jsonl", "--yes")[1]
    assert before - names(run) == {"solve.journal", "solve.grades", "solve.jsonl.partial"}


@pytest.mark.parametrize(
    ("part", "way_out"),
    [
        ("generate.jsonl", "a file of the run run; give that directory"),
        ("set.jsonl", "a file of the run run; give that directory"),
        ("generate.journal", "this is a journal; give the directory of its run"),
    ],
)
def test_a_part_of_a_run_is_refused_with_what_to_give(part: str, way_out: str, run: Path, said: Said) -> None:
    code, text = said(run / part, "--yes")
    assert (code, way_out in text) == (1, True)


def test_replies_of_which_a_part_was_never_joined_can_be_removed(run: Path, said: Said) -> None:
    (run / "solve.journal" / "calls.jsonl").write_text("{}\n" * 30)
    os.utime(run / "solve.journal" / "calls.jsonl", (1, 1))
    assert "replies to 30 of 136 calls of solve" in said(run, "--yes")[1]


def test_an_output_at_an_address_is_cleaned_where_its_journal_lies(said: Said) -> None:
    code, text = said("s3://bucket/run", "--yes")
    assert code == 2
    assert "the folder of --journal" in text


def test_a_run_says_that_replies_are_gone_before_it_pays_for_them_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    again = ["run", "--max-candidates", "4", "--set", "encode.skip=true", "--output-dir", "out"]
    assert main(again) in (0, 1)
    rows = Path("out/set.jsonl").read_bytes()
    assert "no longer" not in capsys.readouterr().out
    assert main(["clean", "out", "--yes"]) == 0
    capsys.readouterr()
    main([*again, "--dry-run"])
    warning = "generate: the replies to 4 earlier calls (no price known) are no longer in generate.journal"
    assert warning in capsys.readouterr().out
    assert main(again) in (0, 1)
    said = capsys.readouterr().out
    assert said.index(warning) < said.index("generate: 4 calls")
    assert Path("out/set.jsonl").read_bytes() == rows
    assert main(again) in (0, 1)
    assert "no longer" not in capsys.readouterr().out

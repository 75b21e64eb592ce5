"""Rejected problems: a rerun of `run`, `select`, `export` and `merge` leave them out, and pay for nothing twice."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import promptcot
from promptcot.cli import main
from promptcot.storage.reviews import REVIEWS, Decision, Review, append
from promptcot.storage.rows import read_rows
from tests.programs import started, wait_until

REASON = "rejected by review"


LINE = ["run", "run.toml", "--max-candidates", "60", "--output-dir"]


def run(directory: str, *more: str) -> None:
    assert main([*LINE, directory, *more]) == 0


def files(folder: Path) -> dict[str, bytes]:
    names = [path for path in sorted(folder.glob("*.jsonl")) if path.name != REVIEWS]
    return {path.name: path.read_bytes() for path in names}


def ids(path: Path) -> list[str]:
    return list(dict.fromkeys(row["id"] for row in read_rows(path, may_be_empty=True)))


def stages(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "summary.json").read_bytes())["stages"]
    return found


def decide(folder: Path, decision: Decision | None, names: Sequence[str], note: str | None = None) -> None:
    folder.mkdir(exist_ok=True)
    for name in names:
        append(folder, Review(name, decision, note, "me", "2026-01-01T00:00:00Z"))


def assert_nothing_was_paid_twice(folder: Path) -> None:
    for journal in folder.glob("*.journal/calls.jsonl"):
        keys = Counter(json.loads(line)["key"] for line in journal.read_text().splitlines())
        assert max(keys.values(), default=1) == 1, journal


def test_a_target_goes_on_until_so_many_came_that_nobody_rejects(
    kitchen: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = kitchen / "out"
    run("out", "--target", "4")
    before = ids(out / "label.jsonl")
    rejected = [before[0], before[2]]
    decide(out, "reject", rejected)
    capsys.readouterr()
    run("out", "--target", "4")
    said = capsys.readouterr().out
    assert f"reviews: 2 problems are rejected in {Path('out', REVIEWS)}" in said
    assert "review: 2 rejected by review" in said
    assert ids(out / "review.dropped.jsonl") == rejected
    assert {row["reason"] for row in read_rows(out / "review.dropped.jsonl")} == {REASON}
    came = ids(out / "review.jsonl")
    assert len(came) == 4
    assert came[:2] == [before[1], before[3]]
    assert set(ids(out / "set.jsonl")) <= set(came)
    counts = stages(out)
    assert counts["review"]["in"] == counts["label"]["out"] == 6
    assert counts["review"]["dropped"] == {REASON: 2}
    assert counts["generate"]["reused"] >= 4
    assert_nothing_was_paid_twice(out)
    decide(kitchen / "new", "reject", rejected[::-1])
    run("new", "--target", "4")
    assert files(kitchen / "new") == files(out)


def test_a_run_that_was_killed_ends_with_the_same_files(kitchen: Path) -> None:
    run("whole", "--target", "4")
    rejected = ids(kitchen / "whole" / "label.jsonl")[:2]
    for name in ("whole", "killed"):
        decide(kitchen / name, "reject", rejected)
    run("whole", "--target", "4")
    journal = kitchen / "killed" / "solve.journal" / "calls.jsonl"
    command = [sys.executable, "-m", "promptcot", *LINE, "killed", "--target", "4"]
    with started(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        wait_until(lambda: journal.exists() and journal.stat().st_size, process)
        process.send_signal(signal.SIGKILL)
        process.wait()
    run("killed", "--target", "4")
    assert files(kitchen / "killed") == files(kitchen / "whole")
    assert_nothing_was_paid_twice(kitchen / "killed")


def test_notes_and_acceptances_change_nothing_and_a_rejection_can_be_taken_back(kitchen: Path) -> None:
    run("out")
    out = kitchen / "out"
    before, names = files(out), ids(out / "set.jsonl")
    dropped = ids(out / "verify.dropped.jsonl")
    decide(out, None, names, "hm")
    decide(out, "accept", [*names, *dropped])
    decide(out, "reject", ["an id that the run does not have"])
    run("out")
    assert {name: content for name, content in files(out).items() if name != "review.jsonl"} == before
    decide(out, "reject", names[:1])
    run("out")
    assert files(out) != before
    decide(out, "accept", [*names[:1], "an id that the run does not have"])
    run("out")
    assert files(out) == before


LASTS = {
    "filter": ("filter", "review"),
    "verify": ("verify", "review"),
    "label": ("label", "review"),
    "solve": ("decontaminate", "review"),
    "judge": ("judge-second.one", None),
}


@pytest.mark.parametrize("until", LASTS)
def test_where_no_step_chooses_among_all_rows_they_are_left_out_last(kitchen: Path, until: str) -> None:
    run("out", "--until", until)
    before, review = LASTS[until]
    rejected = ids(kitchen / "out" / f"{before}.jsonl")[0]
    decide(kitchen / "out", "reject", [rejected])
    run("out", "--until", until)
    names = [*stages(kitchen / "out")]
    assert ("review" in names) == (review is not None)
    if review is not None:
        assert ids(kitchen / "out" / "review.dropped.jsonl") == [rejected]
        assert names.index("review") == names.index(before) + 1
        assert rejected not in ids(kitchen / "out" / f"{names[-1]}.jsonl")


def test_models_that_take_turns_give_the_same(kitchen: Path) -> None:
    run("whole", "--target", "4")
    rejected = ids(kitchen / "whole" / "label.jsonl")[1:3]
    for name in ("whole", "turns"):
        decide(kitchen / name, "reject", rejected)
    run("whole", "--target", "4")
    run("turns", "--target", "4", "--set", "run.models='in turn'")
    assert files(kitchen / "turns") == files(kitchen / "whole")


def test_reviews_of_shards_hold_for_what_is_joined(kitchen: Path) -> None:
    run("whole")
    rejected = ids(kitchen / "whole" / "label.jsonl")[:3]
    decide(kitchen / "whole", "reject", rejected)
    run("whole")
    for shard in ("1/2", "2/2"):
        run(f"part-{shard[0]}", "--shard", shard)
    decide(kitchen / "part-1", "reject", rejected[:1])
    run("part-1", "--shard", "1/2")
    decide(kitchen / "part-2", "reject", rejected[1:])
    assert main(["merge", "joined", "part-1", "part-2"]) == 0
    assert files(kitchen / "joined") == files(kitchen / "whole")
    assert main(["merge", "joined", "part-1", "part-2"]) == 0
    assert len((kitchen / "joined" / REVIEWS).read_text().splitlines()) == 3


def test_a_damaged_line_that_may_be_a_rejection_is_reported_by_every_verb(
    kitchen: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("part-1", "--shard", "1/1")
    (kitchen / "part-1" / REVIEWS).write_text('{"id": "torn\n')
    capsys.readouterr()
    for words in (
        ["select", "--data-path", "part-1/label.jsonl", "--output-path", "chosen.jsonl"],
        ["export", "--data-path", "part-1/label.jsonl", "--output-path", "sft", "--to", "sft", "--disputed"],
        ["merge", "joined", "part-1"],
        [*LINE, "part-1", "--shard", "1/1"],
    ):
        main(words)
        said = capsys.readouterr()
        assert "reviews: 1 line is" in said.out + said.err, words


def test_a_run_to_the_judges_says_that_it_ignores_reviews(kitchen: Path, capsys: pytest.CaptureFixture[str]) -> None:
    decide(kitchen / "out", "reject", ["an id"])
    run("out", "--until", "judge")
    assert "which a run that ends at this step ignores" in capsys.readouterr().out


def test_select_and_export_leave_out_what_is_rejected_beside_their_input(kitchen: Path) -> None:
    run("out")
    out = kitchen / "out"
    rejected = ids(out / "set.jsonl")[:2]
    decide(out, "reject", rejected)
    assert main(["select", "--data-path", "out/label.jsonl", "--output-path", "chosen.jsonl"]) == 0
    left = [row["id"] for row in read_rows("chosen.dropped.jsonl") if row["reason"] == REASON]
    assert sorted(left) == sorted(rejected)
    assert not {*rejected} & {*ids(Path("chosen.jsonl"))}
    counts = json.loads(Path("chosen.summary.json").read_bytes())["stages"]["select"]
    assert counts["in"] == counts["out"] + sum(counts["dropped"].values())
    for path in ("out", "out/set.jsonl"):
        assert main(["export", "--data-path", path, "--output-path", "sft", "--to", "sft", "--disputed"]) == 0
        left = [row["id"] for row in read_rows("sft.dropped.jsonl") if row["reason"] == REASON]
        assert left == rejected
    shutil.copy(out / "label.jsonl", "apart.jsonl")
    assert main(["select", "--data-path", "apart.jsonl", "--output-path", "all.jsonl"]) == 0
    assert {*rejected} <= {*ids(Path("all.jsonl"))}


def test_python_gives_the_same(kitchen: Path) -> None:
    run("out")
    rejected = ids(kitchen / "out" / "set.jsonl")[:1]
    decide(kitchen / "out", "reject", rejected)
    found = promptcot.run("run.toml", output_dir="out", max_candidates=60)
    assert [row["id"] for row in found.dropped("review")] == rejected
    chosen = promptcot.select(kitchen / "out" / "label.jsonl")
    assert rejected == [row["id"] for row in chosen.dropped if row["reason"] == REASON]


def test_a_step_of_the_users_own_may_be_called_review_until_something_is_rejected(
    kitchen: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = 'name = "review"\nuse = "promptcot.stages.review:Review"\noptions = { rejected = [] }\n'
    with Path("run.toml").open("a") as file:
        file.write(f"[[step]]\n{own}")
    run("out")
    decide(kitchen / "out", "reject", ids(kitchen / "out" / "set.jsonl")[:1])
    assert main([*LINE, "out"]) == 1
    assert "this is the name of the step that drops rejected problems" in capsys.readouterr().err


def test_a_step_of_the_users_own_never_replaces_the_reviews(kitchen: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = 'name = "reviews"\nuse = "promptcot.stages.review:Review"\noptions = { rejected = [] }\n'
    with Path("run.toml").open("a") as file:
        file.write(f"[[step]]\n{own}")
    assert main([*LINE, "out"]) == 1
    assert "reviews.jsonl holds what reviewers decide" in capsys.readouterr().err


def test_a_file_of_somebody_else_that_is_called_review_stays(kitchen: Path) -> None:
    (kitchen / "out").mkdir()
    (kitchen / "out" / "review.jsonl").write_text("mine")
    run("out")
    run("out")
    assert (kitchen / "out" / "review.jsonl").read_text() == "mine"

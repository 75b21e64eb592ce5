"""`promptcot nano check`: what is wrong with rows, what could be had, and how well judges and verifiers find it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from promptcot.cli import main
from promptcot.cli.report.truth import truth_lines
from promptcot.nano.findings import (
    FALSE_SUM,
    ILL_POSED,
    UNFIT,
    UNUSED,
    WRONG_LEVEL,
    finding,
    has_problem,
)
from promptcot.nano.truth import Detection, Truth
from promptcot.nano.worth import worth

PROBLEM = "Let A be the larger root of x^2 - 11x + 28 = 0. Find the number halfway between A and 19."
RATIONALE = """The level AIME asks for 2 steps.
Step 1 uses integer roots: roots 4 and 7; 4+7=11; 4*7=28; A=7.
Step 2 uses midpoints: steps of 6 from A=7; 6+6=12; 7+12=19."""
SOUND = {
    "problem": PROBLEM,
    "level": "AIME",
    "foundational_concepts": ["integer roots", "midpoints"],
    "rationale": RATIONALE,
    "answer": "13",
}
NO_NUMBER = ILL_POSED + "no such number"
ROWS: dict[str, tuple[dict[str, Any], tuple[str, ...], str]] = {
    "sound": ({}, (), ""),
    "level": ({"level": "HMMT-Feb"}, (WRONG_LEVEL,), "level wrong: AIME, not HMMT-Feb"),
    "unused": ({"foundational_concepts": ["midpoints", "factors"]}, (UNUSED,), "concept unused: factors"),
    "sum": (
        {"rationale": RATIONALE.replace("6+6=12", "6+6=13")},
        (FALSE_SUM,),
        "false sum in the rationale: 6+6=13",
    ),
    "unfit": ({"problem": PROBLEM.replace("19", "21"), "answer": "14"}, (UNFIT,), UNFIT),
    "ill-posed": (
        {"problem": PROBLEM.replace("28", "27"), "answer": "6"},
        (NO_NUMBER, UNFIT),
        "ill-posed: no such number (larger_root, s = 11, p = 27); rationale does not fit the problem; "
        "label of an ill-posed problem: 6",
    ),
    "label": ({"answer": "12"}, (), "label wrong: 12, not 13"),
    "no rationale": ({"rationale": "The level AIME asks for 2 steps."}, (), ""),
}
"""For each row what differs from the sound one, its defects, and everything that is wrong with it."""


def row(name: str, **more: object) -> dict[str, Any]:
    return {"id": name, **SOUND, **ROWS[name][0], **more}


@pytest.mark.parametrize("name", ROWS)
def test_what_is_wrong_with_a_row(name: str) -> None:
    found = finding(row(name))
    assert found.defects == ROWS[name][1]
    assert "; ".join(found.wrong()) == ROWS[name][2]
    assert found.wholly_right == (name not in ("level", "unused", "ill-posed"))


def test_what_a_row_does_not_have_is_not_compared() -> None:
    found = finding({"problem": PROBLEM, "foundational_concepts": None, "level": 3, "rationale": None, "answer": 13})
    assert (found.right_level, found.right_answer, found.kind, found.unused) == (None, None, None, ())
    assert (found.comparable, found.wholly_right) == (False, False)
    assert list(found.wrong()) == []


@pytest.mark.parametrize("lacking", [{"foundational_concepts": None}, {"level": None}])
def test_rows_without_concepts_or_level_have_no_share_of_them(lacking: dict[str, Any]) -> None:
    truth = Truth()
    for _ in range(3):
        truth.add(row("sound", **lacking))
    shares = {name: (one.part, one.whole) for name, one in truth.shares().items()}
    assert shares["well_posed"] == (3, 3)
    assert shares["wholly_right"] == (0, 0)
    assert shares["concepts" if "level" not in lacking else "level"] == (0, 0)
    assert shares["level" if "level" not in lacking else "concepts"] == (3, 3)


def test_the_truths_of_several_files_add_up_to_that_of_all_rows() -> None:
    every, parts = Truth(), [Truth(), Truth()]
    for place, name in enumerate([*ROWS, "sound"]):
        every.add(row(name, agreement=0.75))
        parts[place % 2].add(row(name, agreement=0.75))
    assert sum(parts, Truth()) == every
    assert len(every.texts) < len(parts[0].texts) + len(parts[1].texts)


@pytest.mark.parametrize(("agreement", "counts"), [(0.75, 1), (0.5, 0), ("1.0", 0), (None, 0), ([], 0)])
def test_an_agreement_counts_if_it_is_a_number(agreement: object, counts: int) -> None:
    truth = Truth()
    truth.add(row("sound", agreement=agreement))
    assert (truth.answers, truth.agreed) == (1, counts)


def test_shares_and_counts_are_those_of_the_rows() -> None:
    truth = Truth()
    for name in ROWS:
        truth.add(row(name))
    found = truth.as_json()
    assert {key: (one["part"], one["n"]) for key, one in found.items() if isinstance(one, dict)} == {
        "well_posed": (7, 8), "level": (6, 7), "concepts": (6, 7), "wholly_right": (5, 8), "label": (6, 8),
    }  # fmt: skip
    assert (found["rows"], found["checked"], truth.as_json(20)["rows"]) == (8, 8, 20)
    assert truth.counts() == {
        "distinct": 3,
        "distinct_without_numbers": 1,
        "ill_posed": {"no such number": 1},
        "rationales": {"design-first": 4, "noisy": 3, "none": 1},
    }


FOREIGN: dict[str, Any] = {"problem": "Find the least prime above 7.", "foundational_concepts": ["primes", "parity"]}


@pytest.mark.parametrize(
    ("concepts", "level", "possible"),
    [
        (["integer roots"], "AMC12", True),
        (["integer roots", "Vieta's formulas", "quadratic equations"], "AMC12", True),
        (["integer roots", "midpoints"], "AMC12", False),
        (["integer roots", "midpoints"], "AIME", True),
        (["integer roots", "midpoints"], "HMMT-Feb", True),
        (["integer roots", "midpoints", "factors"], "AIME", False),
        (["parity", "arithmetic means", "averages"], "AMC12", False),
        (["parity", "arithmetic means", "averages"], "AIME", True),
        (["convex polygons", "triangular numbers"], "HMMT-Feb", False),  # both families can only stand first
        (["convex polygons", "sums of integers"], "AIME", True),
        (["sums of integers", "integer solutions"], "AMC12", True),
        (["graph edges"], "HMMT-Feb", False),
        (["integer roots"], "USAMO", False),
        ([], "AMC12", True),
    ],
)
def test_what_has_problem(concepts: Sequence[str], level: str, possible: bool) -> None:
    assert has_problem(concepts, level) is possible


def test_a_judge_is_measured_by_its_verdict_and_by_the_rating_for_each_defect() -> None:
    judge = Detection()
    good = {"factual_accuracy": "perfect", "difficulty_alignment": "perfect", "solvability": "perfect"}
    judge.add((WRONG_LEVEL,), marked=True, ratings={**good, "difficulty_alignment": "bad"})
    judge.add((WRONG_LEVEL,), marked=True, ratings={**good, "solvability": "bad"})
    judge.add((WRONG_LEVEL, FALSE_SUM), marked=False, ratings=good)
    judge.add((NO_NUMBER,), marked=True, ratings={**good, "solvability": "bad"})
    judge.add((), marked=True, ratings={**good, "factual_accuracy": "acceptable"})
    judge.add((), marked=False, ratings=good)
    found = judge.as_json()

    def share(one: dict[str, Any]) -> tuple[int, int]:
        return one["part"], one["n"]

    assert [share(found[name]) for name in ("recall", "precision", "false_alarms")] == [(3, 4), (3, 4), (1, 2)]
    assert {key: share(one) for key, one in found["by_defect"].items()} == {
        WRONG_LEVEL: (2, 3), FALSE_SUM: (0, 1), NO_NUMBER: (1, 1),
    }  # fmt: skip
    assert {key: share(one) for key, one in found["by_rating"].items()} == {
        WRONG_LEVEL: (1, 3), FALSE_SUM: (0, 1), NO_NUMBER: (1, 1),
    }  # fmt: skip
    assert {key: share(one) for key, one in found["ratings"].items()} == {
        "difficulty_alignment": (1, 1), "solvability": (1, 2), "factual_accuracy": (0, 1),
    }  # fmt: skip


def test_a_row_without_a_verdict_is_not_found_and_is_a_false_alarm_if_it_is_sound() -> None:
    judge = Detection()
    judge.add((NO_NUMBER,), marked=None)
    judge.add((), marked=None)
    judge.add((NO_NUMBER,), marked=True)
    shares = judge.recall, judge.precision, judge.false_alarms, judge.by_defect[NO_NUMBER]
    assert [(one.part, one.whole) for one in shares] == [(1, 2), (1, 1), (1, 1), (1, 2)]
    twice = (judge + judge).as_json()
    assert (twice["recall"]["part"], twice["by_defect"][NO_NUMBER]["n"]) == (2, 4)


def write(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run directory: `sum` is dropped by the judges, `ill-posed` by the verifier, and `label` gets a wrong label."""

    def rows(*names: str, **more: object) -> list[dict[str, Any]]:
        return [{key: value for key, value in row(name).items() if key != "answer"} | more for name in names]

    def judged(*names: str, verdict: str, **ratings: str) -> list[dict[str, Any]]:
        given = {"factual_accuracy": "perfect", "solvability": "perfect", **ratings}
        return rows(*names, judgement=verdict, ratings=given)

    run, all_of_them = tmp_path / "run", ("sound", "unused", "sum", "ill-posed", "label")
    run.mkdir()
    write(run / "sample.jsonl", rows(*all_of_them))
    write(run / "generate.jsonl", rows(*all_of_them))
    seen = judged("sum", verdict="bad", factual_accuracy="bad")
    write(run / "judge-a.jsonl", [*judged("sound", "unused", "ill-posed", "label", verdict="perfect"), *seen])
    write(run / "filter.jsonl", rows("sound", "unused", "ill-posed", "label"))
    write(run / "filter.dropped.jsonl", rows("sum", reason="bad"))
    votes = {"verdict": None, "votes": {"valid": 1, "invalid": 2, "undecided": 0}}
    write(run / "verify-strict.jsonl", rows("sound", "unused", "ill-posed", "label", validity=votes))
    write(run / "verify.jsonl", rows("sound", "unused", "label"))
    write(run / "verify.dropped.jsonl", rows("ill-posed", reason="invalid: Conditions Consistent"))
    labelled = [row("sound", agreement=1.0), row("unused", agreement=0.75), row("label", agreement=0.5)]
    write(run / "label.jsonl", labelled)
    write(run / "set.jsonl", labelled[:2])
    steps = ("sample", "generate", "judge-a", "filter", "verify", "label")
    dropped = {"filter": {"bad": 1}, "verify": {"invalid": 1}}
    stages = {step: {"dropped": dropped.get(step, {})} for step in steps}
    (run / "summary.json").write_text(json.dumps({"stages": stages}))
    return run


def test_a_run_is_shown_side_by_side(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nano", "check", str(run)]) == 0
    said = capsys.readouterr().out
    lines = {line.strip().split("  ")[0]: line.split() for line in said.splitlines()}
    assert said.splitlines()[0].split() == ["generated", "accepted", "verified", "labelled", "in", "the", "set"]
    assert lines["problems"][1:] == ["5", "4", "3", "3", "2"]
    assert lines["well-posed"][1::2] == ["80.0", "75.0", "100.0", "100.0", "100.0"]
    assert lines["wholly right"][2::2] == ["60.0", "50.0", "66.7", "66.7", "50.0"]
    assert lines["label right"][2:] == ["n/a", "n/a", "n/a", "66.7", "%", "100.0", "%"]
    assert lines["label right where ≥ 60 % agree"][7:] == ["n/a", "n/a", "n/a", "100.0", "%", "100.0", "%"]
    assert lines["well-posed ones kept"][3:] == ["75.0", "%", "75.0", "%", "75.0", "%", "50.0", "%"]
    assert "ceiling: 100.0 % of 5 combinations of concepts and level have a problem that uses all the concepts" in said
    assert "judge a: recall 33.3 % (n = 3), precision 100.0 %" in said
    assert "verifier verify: recall 100.0 % (n = 1)" in said
    assert "verifier strict: " in said
    assert "sound  " not in said


def test_each_wrong_row_is_named_with_its_place(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nano", "check", str(run), "--wrong", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    rows = found["truth"]["wrong"]
    assert {one["id"]: one["where"] for one in rows} == {
        "unused": "in the set",
        "sum": "dropped by filter: bad",
        "ill-posed": "dropped by verify: invalid: Conditions Consistent",
        "label": "passed label",
    }
    wrong = {one["id"]: one["wrong"] for one in rows}
    assert wrong["label"] == ["label wrong: 12, not 13"]
    assert wrong["unused"] == ["concept unused: factors"]
    assert (found["ceiling"]["part"], found["ceiling"]["n"]) == (5, 5)
    strict = found["verifiers"]["strict"]
    assert [(strict[name]["part"], strict[name]["n"]) for name in ("recall", "precision", "false_alarms")] == [
        (1, 1),
        (1, 4),
        (3, 3),
    ]
    assert found["judges"]["a"]["by_defect"][FALSE_SUM]["interval"][0] > 0.2


def test_a_run_that_ended_early_and_a_file_are_checked_as_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "generate.jsonl", [row("sound"), row("ill-posed")])
    assert main(["nano", "check", str(tmp_path), "--wrong"]) == 0
    assert "ill-posed  generated  ill-posed: no such number (larger_root" in capsys.readouterr().out
    assert main(["nano", "check", str(tmp_path / "generate.jsonl"), "--wrong"]) == 0
    assert "ill-posed  generate.jsonl  ill-posed: no such number (larger_root" in capsys.readouterr().out


def test_the_shares_of_each_stage_are_those_of_a_summary(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nano", "check", str(run), "--json"]) == 0
    stages = json.loads(capsys.readouterr().out)["truth"]["stages"]
    files = {path.stem: path for path in run.glob("*.jsonl")}
    summary = worth("nano", files, files["set"])
    assert summary is not None
    assert {name: {key: one[key] for key in summary["stages"][name]} for name, one in stages.items()} == json.loads(
        json.dumps(summary["stages"])
    )
    assert stages["generated"]["ill_posed"] == {"no such number": 1}
    assert stages["generated"]["distinct"] == 2


def test_the_n_of_a_share_is_printed_where_that_above_is_another() -> None:
    stage = Truth()
    for name in ("sound", "ill-posed"):
        stage.add(row(name))
    lines = [" ".join(line.split()) for line in truth_lines({"rows": stage}) if "interval" not in line]
    names = [line.rpartition(" %")[0].rpartition(" ")[0] or line for line in lines]
    assert names[1:10] == [
        "problems 2", "well-posed", "level, of the well-posed", "n 1", "concepts, of the well-posed",
        "wholly right", "n 2", "label right", "rationale design-first",
    ]  # fmt: skip


def test_missing_files_are_named(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("generate.jsonl", "judge-a.jsonl", "verify.dropped.jsonl"):
        (run / name).unlink()
    assert main(["nano", "check", str(run), "--json"]) == 0
    said = capsys.readouterr()
    missing = "(missing: generate.jsonl, judge-a.jsonl, verify.dropped.jsonl)"
    assert missing in json.loads(said.out)["warnings"][0]
    assert missing in said.err
    assert "well-posed ones kept" not in said.err


def test_a_run_without_problems_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def complaint() -> str:
        assert main(["nano", "check", str(tmp_path / "run")]) == 1
        return capsys.readouterr().err

    assert "no such file" in complaint()
    (tmp_path / "run").mkdir()
    assert "it has no files of a run" in complaint()
    write(tmp_path / "run" / "sample.jsonl.partial", [row("sound")])
    write(tmp_path / "run" / "generate.jsonl.partial", [row("sound")])
    assert "has not finished; the same `promptcot run` command continues it" in complaint()
    write(tmp_path / "run" / "sample.jsonl", [row("sound")])
    (tmp_path / "run" / "summary.json").write_text(json.dumps({"stages": {"sample": {}}}))
    assert "the run ended before `generate`; run it again with a later --until" in complaint()
    write(tmp_path / "run" / "generate.jsonl", [])
    assert "have no rows" in complaint()


def test_problems_of_another_domain_are_refused(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run / "recipe.json").write_text(json.dumps({"recipe": {"prompts": "math"}}))
    assert main(["nano", "check", str(run)]) == 1
    assert "its recipe has the domain math" in capsys.readouterr().err
    write(run / "foreign.jsonl", [FOREIGN])
    assert main(["nano", "check", str(run / "foreign.jsonl")]) == 1
    assert "foreign.jsonl: neither the concepts nor the problems" in capsys.readouterr().err


def test_a_row_is_named_by_its_place_if_it_has_no_id(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    named, unnamed = row("sound"), {key: value for key, value in row("level").items() if key != "id"}
    write(tmp_path / "a.jsonl", [named, unnamed])
    assert main(["nano", "check", str(tmp_path / "a.jsonl"), "--wrong"]) == 0
    assert "row 2  a.jsonl  level wrong" in capsys.readouterr().out
    write(tmp_path / "a.jsonl", [named, {**named, "problem": None}])
    assert main(["nano", "check", str(tmp_path / "a.jsonl")]) == 1
    assert "a.jsonl, row 2: it has no text in `problem`" in capsys.readouterr().err


def test_replies_that_cannot_be_read_find_nothing(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The reply of judge-b to the ill-posed problem and to a sound one was cut off; a vote on another one, too."""
    given = {"ratings": {"solvability": "bad"}, "judgement": "invalid"}
    fine = {"ratings": {"solvability": "perfect"}, "judgement": "perfect"}
    write(run / "judge-b.jsonl", [row("ill-posed", **given), row("sound", **given), row("label", **fine)])
    write(run / "filter.dropped.jsonl", [row("ill-posed", reason="invalid verdict"), row("sum", reason="bad")])
    votes = {"verdict": "undecided", "votes": {"valid": 1, "invalid": 1, "undecided": 1}}
    write(run / "verify.dropped.jsonl", [row("ill-posed", reason="undecided", validity=votes)])
    assert main(["nano", "check", str(run), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)

    def shares(detection: dict[str, Any]) -> list[tuple[int, int]]:
        return [(detection[name]["part"], detection[name]["n"]) for name in ("unread", "recall", "false_alarms")]

    assert shares(found["judges"]["b"]) == [(2, 3), (0, 1), (1, 2)]
    assert found["judges"]["b"]["by_rating"] == {}
    assert shares(found["judges_together"]) == [(0, 0), (1, 4), (0, 2)]
    assert shares(found["verifiers"]["verify"]) == [(1, 3), (0, 1), (0, 3)]


def test_what_all_judges_find_together_is_shown(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nano", "check", str(run)]) == 0
    assert "all judges together" not in capsys.readouterr().out
    write(run / "judge-b.jsonl", [row("sum", ratings={}, judgement="perfect")])
    assert main(["nano", "check", str(run)]) == 0
    said = capsys.readouterr().out
    assert "all judges together, by what the filter drops: recall 33.3 % (n = 3), precision 100.0 % (n = 1)" in said
    assert "replies without a readable verdict 0.0 % (n = 1)" in said


def test_the_wrong_rows_are_those_of_the_first_stage_that_is_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "set.jsonl", [row("ill-posed"), row("sound")])
    assert main(["nano", "check", str(tmp_path), "--wrong"]) == 0
    assert "ill-posed  in the set  ill-posed: no such number" in capsys.readouterr().out

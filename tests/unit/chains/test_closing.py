"""The end of a chain: its counts, its comparisons, and how they are printed."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from promptcot import nano
from promptcot.chains.closing import Student, side_by_side, written
from promptcot.cli import main
from promptcot.cli.report.chain import generator_lines, student_lines
from promptcot.core.statistics import Sample, SourceTally

SOUND = {"problem": "Find the geometric mean of 4 and 9.", "level": "AMC12"}
CONCEPTS = nano.concepts_used(found) if not isinstance(found := nano.check(SOUND["problem"]), nano.IllPosed) else ()


def counts(*problems: list[bool]) -> SourceTally:
    made = SourceTally("bench")
    for number, samples in enumerate(problems):
        for index, correct in enumerate(samples):
            made.add(f"p{number}", Sample(correct=correct, answer=int(correct)), index)
    return made


def test_gains_are_paired_by_problem_and_the_control_is_compared_with_both() -> None:
    before = Student("before", "base", counts([False, False], [True, False], [False, False]))
    after = Student("after", "trained", counts([True, True], [True, False], [False, True]))
    control = Student("control", "wrong", counts([False, False], [False, False], [False, False]))
    found = side_by_side([before, after, control])
    assert list(found.gains) == ["after - before", "control - before", "after - control"]
    gain = found.gains["after - before"]
    assert gain.difference.mean == pytest.approx((1 + 0 + 0.5) / 3)
    assert gain.difference.n == 3
    said = "\n".join(student_lines(found))
    assert "before base 3 6 16.7 ± 23.6" in squeezed(said)
    assert "after - before 3 +50.0" in squeezed(said)
    assert found.as_json()["students"]["control"]["accuracy"]["mean"] == 0
    [result, *_] = found.for_card({"before": "one", "after": "two", "control": "three"})
    assert (result.model, result.group, result.n) == ("one", "bench", 3)


def test_of_what_was_written_the_readable_the_sound_and_the_asked_for_are_counted() -> None:
    prompts = [{"id": name} for name in ("right", "other concepts", "nonsense", "unreadable")]
    found: dict[str, dict[str, Any]] = {
        "right": {"problem": SOUND["problem"], "foundational_concepts": list(CONCEPTS)},
        "other concepts": {"problem": SOUND["problem"], "foundational_concepts": [*CONCEPTS, "parity"]},
        "nonsense": {"problem": "Find the.", "foundational_concepts": list(CONCEPTS)},
        "of another prompt": {"problem": SOUND["problem"], "foundational_concepts": list(CONCEPTS)},
    }
    one = written(prompts, found, nano=True).as_json()
    counts = {name: (share["count"], share["n"]) for name, share in one.items()}
    assert counts == {"readable": (3, 4), "well_posed": (2, 4), "as_asked": (1, 4)}
    elsewhere = written(prompts, found, nano=False)
    assert (elsewhere.well_posed, elsewhere.as_asked, elsewhere.readable.count) == (None, None, 3)


def test_of_no_prompts_nothing_is_known() -> None:
    nothing = written([], {}, nano=True)
    assert nothing.as_json()["readable"] == {"count": 0, "n": 0, "value": None, "interval": None}
    assert "n/a" in "\n".join(generator_lines({"after": nothing}))


def squeezed(text: str) -> str:
    """Without the blanks between columns."""
    return re.sub(" +", " ", text)


def lines(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def test_the_command_compares_generators_on_all_and_on_new_prompts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = {"foundational_concepts": ["a", "b"], "level": "AIME"}
    prompts = [
        {"id": "1", **known},
        {"id": "2", "foundational_concepts": list(CONCEPTS), "level": "AMC12"},
        {"id": "3", "foundational_concepts": ["b", "a"], "level": "AIME"},
    ]
    paths = {
        "prompts_path": lines(tmp_path / "prompts.jsonl", prompts),
        "trained_on": lines(tmp_path / "rows.jsonl", [known]),
        "before": lines(tmp_path / "before.jsonl", []),
        "after": lines(tmp_path / "after.jsonl", [{**prompts[1], "problem": SOUND["problem"]}]),
        "output_path": str(tmp_path / "results.json"),
    }
    lines(tmp_path / "after.failed.jsonl", [prompts[0]])
    told = [part for name, path in paths.items() for part in (f"--{name}", path)]
    assert main(["chain", "generators", "--nano", *told]) == 0
    found = json.loads((tmp_path / "results.json").read_bytes())
    counted = {name: (one["readable"]["n"], one["as_asked"]["count"]) for name, one in found.items()}
    assert counted == {"before": (3, 0), "before, new prompts": (1, 0), "after": (2, 1), "after, new prompts": (1, 1)}
    assert "after, new prompts 1 1 = 100.0 %" in squeezed(capsys.readouterr().out)


@pytest.fixture
def evaluated(tmp_path: Path) -> dict[str, Path]:
    """Two folders as `eval` leaves them; the second student solves one problem more."""
    folders = {}
    for which, answers in {"before": "13", "after": "12"}.items():
        folder = tmp_path / which
        folder.mkdir()
        rows = [
            {"id": str(number), "source": "own", "sample": 0, "answer": str(number + 1)}
            | {"completion": f"\\boxed{{{answer}}}", "prompt": "?"}
            for number, answer in enumerate(answers)
        ]
        lines(folder / "own.jsonl", rows)
        told = {"recipe": {"unboxed": False, "model": {"model": f"m-{which}"}}, "benchmarks": {"own": {}}}
        (folder / "results.json").write_text(json.dumps(told))
        folders[which] = folder
    return folders


def test_the_command_sets_evaluated_students_side_by_side(
    evaluated: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = [part for which, folder in evaluated.items() for part in (f"--{which}", str(folder))]
    target = tmp_path / "results.json"
    assert main(["chain", "students", *told, "--output_path", str(target)]) == 0
    assert "after - before 2 +50.0" in squeezed(capsys.readouterr().out)
    found = json.loads(target.read_bytes())["benchmarks"]["own"]
    means = {which: one["accuracy"]["mean"] for which, one in found["students"].items()}
    assert means == {"before": 0.5, "after": 1.0}
    assert found["gains"]["after - before"]["difference"]["mean"] == 0.5


def test_an_evaluation_that_is_not_there_is_named(
    evaluated: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = ["--before", str(evaluated["before"]), "--after", str(tmp_path), "--output_path", str(tmp_path / "r.json")]
    assert main(["chain", "students", *told]) == 1
    assert f"{tmp_path}/results.json: no such file; `promptcot eval` writes it" in capsys.readouterr().err
    assert not (tmp_path / "r.json").exists()


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"benchmarks": {}, "recipe": {"model": 3}}', "[" * 100_000])
def test_what_is_no_evaluation_is_named(
    content: str, evaluated: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (evaluated["after"] / "results.json").write_text(content)
    told = [part for which, folder in evaluated.items() for part in (f"--{which}", str(folder))]
    assert main(["chain", "students", *told, "--output_path", str(tmp_path / "r.json")]) == 1
    assert "after/results.json: these are not the results of an evaluation" in capsys.readouterr().err


def test_prompts_without_ids_are_known_by_what_they_ask(tmp_path: Path) -> None:
    prompts = [{"prompt": "one"}, {"prompt": "two"}]
    files = {"prompts-path": prompts, "trained-on": prompts, "before": [], "after": [{**prompts[1], "problem": 7}]}
    told = [part for name, rows in files.items() for part in (f"--{name}", lines(tmp_path / f"{name}.jsonl", rows))]
    assert main(["chain", "generators", "--nano", *told, "--output-path", str(tmp_path / "r.json")]) == 0
    after = json.loads((tmp_path / "r.json").read_bytes())["after"]
    assert (after["readable"]["count"], after["well_posed"]["count"]) == (1, 0)

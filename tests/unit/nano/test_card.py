"""The numbers of nano/CARD.md and the loss curves come from the logs of trainings and the benchmark alone."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from nano import card, curve, logs, timing

SHAPE = {"start": "solver", "qwen": True}
LOG: list[dict[str, Any]] = [
    {"step": 0, "tokens": 0, "parameters": 1598880, "training": SHAPE, "seconds": 0},
    {"step": 100, "tokens": 200_000, "loss": 2.0, "seconds": 60},
    {"step": 200, "tokens": 400_000, "loss": 1.5, "seconds": 120},
    {"step": 100, "tokens": 200_000, "parameters": 1598880, "training": SHAPE, "seconds": 60},
    {"step": 200, "tokens": 400_000, "loss": 1.0, "seconds": 130},
    {"step": 250, "tokens": 500_000, "clean": 0.9, "defect": 0.75, "seconds": 180},
]


def write(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))


def test_steps_that_were_made_again_after_a_stop_count_once(tmp_path: Path) -> None:
    write(tmp_path / "log.jsonl", LOG)
    lines = curve.read(tmp_path / "log.jsonl")
    assert curve.losses(lines) == ([0.2, 0.4], [2.0, 1.0])
    assert curve.shares(lines) == {"clean": [(0.5, 0.9)], "defect": [(0.5, 0.75)]}


def test_the_card_gets_its_tables_and_nothing_else_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "judge-b" / "log.jsonl", LOG)
    line = {"name": "  solver, AIME", "value": 0.8, "interval": [0.7, 0.9], "n": 67, "least": 0.75, "most": None}
    slow = {"name": "a run", "value": 95.2, "interval": None, "n": None, "least": None, "most": 90, "unit": " s"}
    absent = {**line, "name": "early", "value": None, "interval": None, "n": 0, "unit": "", "met": None}
    bench = {
        "lines": [
            {**line, "unit": "", "met": True, "measured": True},
            {**slow, "met": False, "measured": True},
            {**absent, "measured": False},
        ]
    }
    (tmp_path / "bench.json").write_text(json.dumps(bench))
    copy = tmp_path / "CARD.md"
    copy.write_text(card.CARD.read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["card", str(tmp_path), "--card", str(copy)])
    card.main()
    once = copy.read_text(encoding="utf-8")
    assert "| judge-b | Qwen2 | solver | 1.60 M | 0.5 M | 3 | clean 90.0%, defect 75.0% |" in once
    assert "| solver, AIME | 80.0% | 70.0% to 90.0% | 67 | ≥ 75.0% | met |" in once
    assert "| a run | 95 s |  |  | ≤ 90 | **missed** |" in once
    assert "| early | not measured |  | 0 | ≥ 75.0% |  |" in once
    card.main()
    assert copy.read_text(encoding="utf-8") == once
    assert once.startswith("# The embedded models\n")
    assert "holdout.py" in once


def test_the_card_says_how_long_the_whole_training_took(tmp_path: Path) -> None:
    write(tmp_path / "judge-b" / "log.jsonl", LOG)
    for part in timing.PARTS:
        with timing.timed(tmp_path, part):
            pass
    lines = [{**line, "seconds": 600.0} if "seconds" in line else line for line in logs.read(tmp_path / timing.LOG)]
    write(tmp_path / timing.LOG, lines)
    assert card.in_all(tmp_path) == (
        "Together 0 M tokens, in 40 minutes on two cores (wave 1 10, wave 2 10, generator's texts 10, wave 3 10; "
        "interruptions left out)."
    )


EVENTS = [(part, event) for part in timing.PARTS for event in ("begin", "end")]


def log_of(events: list[tuple[str, str]], out: Path) -> None:
    """The log of a whole training, in which every start takes a minute."""
    rows = [{"part": part, "event": event, "time": 0} for part, event in events]
    write(out / timing.LOG, [row if row["event"] == "begin" else {**row, "seconds": 60.0} for row in rows])


def test_the_card_adds_the_starts_of_a_part_that_was_stopped(tmp_path: Path) -> None:
    write(tmp_path / "judge-b" / "log.jsonl", LOG)
    log_of([("wave 1", "begin"), ("wave 1", "stopped"), *EVENTS], tmp_path)
    assert "in 5 minutes on two cores (wave 1 2, wave 2 1," in card.in_all(tmp_path)


@pytest.mark.parametrize("events", [EVENTS[2:], [("wave 1", "begin"), *EVENTS]], ids=["not logged", "killed"])
def test_where_a_part_is_not_known_the_card_takes_the_logs_of_the_trainings(
    events: list[tuple[str, str]], tmp_path: Path
) -> None:
    """Else the card would name fewer minutes than it took."""
    write(tmp_path / "judge-b" / "log.jsonl", LOG)
    log_of(events, tmp_path)
    assert "minutes on two cores by their own logs" in card.in_all(tmp_path)


def test_without_a_log_of_the_whole_the_card_adds_the_waves_and_says_so(tmp_path: Path) -> None:
    """The judges and the verifier take 10 minutes each, two at a time: 20 in all."""
    for name in ("judge-a", "judge-b", "verifier"):
        write(tmp_path / name / "log.jsonl", [*LOG[:-1], {**LOG[-1], "seconds": 600}])
    said = card.in_all(tmp_path)
    assert said.startswith("Together 2 M tokens, in about 20 minutes on two cores by their own logs: without ")
    assert "generator's texts" in said


def test_a_part_that_fails_is_logged_as_stopped(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), timing.timed(tmp_path, "wave 1"):
        raise KeyboardInterrupt
    assert [line["event"] for line in logs.read(tmp_path / timing.LOG)] == ["begin", "stopped"]


def test_a_card_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="0 places for measured"):
        card.filled("# The embedded models\n", "measured", [])


def test_the_curves_are_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    for name in ("solver", "judge-b", "base"):
        write(tmp_path / f"{name}.jsonl", LOG)
    monkeypatch.setattr(sys, "argv", ["curve", "--runs", str(tmp_path), "--out", str(tmp_path / "curves.png")])
    curve.main()
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")

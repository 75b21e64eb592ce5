"""Weights are put into the package all together or not at all."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import pytest

from nano import install, logs
from nano.schedule import TRAININGS
from promptcot.nano.files import ROLES


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """What `nano.train` leaves, with small files in the place of models."""
    for name, training in TRAININGS.items():
        folder = tmp_path / "out" / name
        folder.mkdir(parents=True)
        for file in install.FILES:
            (folder / file).write_text(f"{name} {file}")
        logs.append(folder / "log.jsonl", {"training": dataclasses.asdict(training)})
        (folder / "state.json").write_text(json.dumps({"tokens": training.tokens}))
    return tmp_path / "out"


def run(out: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that everything is put into; Raises SystemExit."""
    words = ["install", str(out), "--models", str(out.parent / "models"), "--runs", str(out.parent / "runs")]
    monkeypatch.setattr(sys, "argv", words)
    install.main()
    return out.parent


def test_all_roles_and_logs_are_copied_and_logs_of_old_trainings_are_gone(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = out.parent / "runs"
    runs.mkdir()
    for name in ("judge-c.jsonl", "train.jsonl", "curves.png"):
        (runs / name).write_text("old")
    target = run(out, monkeypatch)
    assert sorted(path.name for path in (target / "models").iterdir()) == sorted(ROLES)
    for name in TRAININGS:
        for file in install.FILES:
            assert (target / "models" / name / file).read_text() == f"{name} {file}"
    assert sorted(path.name for path in runs.iterdir()) == sorted([*(f"{name}.jsonl" for name in ROLES), "curves.png"])
    assert logs.read(runs / "solver.jsonl") == logs.read(out / "solver" / "log.jsonl")


def test_the_log_of_the_whole_training_is_copied_where_there_is_one(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logs.append(out / "train.jsonl", {"part": "wave 1"})
    assert logs.read(run(out, monkeypatch) / "runs" / "train.jsonl") == [{"part": "wave 1"}]


def unfinished(out: Path) -> None:
    (out / "judge-a" / "state.json").write_text('{"tokens": 100}')


def without_a_state(out: Path) -> None:
    (out / "judge-a" / "state.json").unlink()


def without_weights(out: Path) -> None:
    (out / "judge-a" / "model.safetensors").unlink()


def with_other_settings(out: Path) -> None:
    logs.append(out / "judge-a" / "log.jsonl", {"training": {"name": "judge-a"}})


def with_one_large_file(out: Path) -> None:
    (out / "judge-a" / "model.safetensors").write_bytes(bytes(15_000_001))


def with_many_files(out: Path) -> None:
    for name in ("judge-a", "judge-b"):
        (out / name / "model.safetensors").write_bytes(bytes(12_600_000))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (unfinished, "judge-a has not come to its end: run `python -m nano.train "),
        (without_a_state, "judge-a has not come to its end"),
        (without_weights, "judge-a has no model.safetensors"),
        (with_other_settings, "judge-a: was begun with other settings"),
        (with_one_large_file, "judge-a/model.safetensors has more than 15 MB"),
        (with_many_files, "all weights together have 25.2 MB, more than 25"),
    ],
)
def test_nothing_is_copied_where_anything_is_wrong(
    spoil: object, reason: str, out: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert callable(spoil)
    spoil(out)
    with pytest.raises(SystemExit):
        run(out, monkeypatch)
    said = capsys.readouterr().err
    assert "nothing was copied" in said
    assert reason in said
    assert not (out.parent / "models").exists()
    assert not (out.parent / "runs").exists()

"""`promptcot train --push`: after the training, and of a finished one without training again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from promptcot.cli import program
from promptcot.training.finished import MARK, write_mark
from promptcot.training.recipe import TrainRecipe
from tests.hub_stand_in import Hub, hub_of_the_client

NAME = "me/student"


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    with hub_of_the_client(monkeypatch, tmp_path / "home") as made:
        yield made


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """The names of recipes that were trained; a training leaves a small folder."""
    names: list[str] = []

    def train(recipe: TrainRecipe, *_: Any) -> int:
        names.append(recipe.name)
        folder = recipe.directory / "model"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "model.safetensors").write_bytes(b"weights")
        write_mark(folder, recipe, folder.name)
        return 0

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("promptcot.cli.train._start", train)
    return names


def push(*more: str, yes: bool = True) -> int:
    return program(["train", "nano-student", "--output-dir", "out", "--push", NAME, *(["--yes"] * yes), *more])


def test_a_model_is_uploaded_when_it_is_trained_and_not_trained_again(
    stand_in: Hub, trained: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert push() == 0
    assert trained == ["nano-student"]
    assert sorted(stand_in.files(NAME, "models")) == ["model.safetensors", MARK]
    assert push() == 0
    assert trained == ["nano-student"]
    assert "nothing to upload" in capsys.readouterr().out
    assert push("--set", "seed=2") == 0  # another recipe is trained, and takes the place of the first
    assert len(trained) == 2


def test_a_dry_run_of_a_finished_training_lists_what_would_be_uploaded(
    stand_in: Hub, trained: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert push("--dry-run") == 0
    assert "dry run of training" in capsys.readouterr().out
    assert push() == 0
    stand_in.asked.clear()
    assert push("--dry-run", yes=False) == 0
    assert "nothing was sent (--dry-run)" in capsys.readouterr().out
    assert not stand_in.asked


def test_a_finished_training_whose_rows_have_changed_is_not_uploaded_as_if_it_were_theirs(
    stand_in: Hub, trained: list[str], tmp_path: Path
) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text("one\n")
    assert push() == 0
    (tmp_path / "out" / "data.json").write_text(json.dumps({"data": sha256(rows.read_bytes()).hexdigest()}))
    assert push() == 0
    assert len(trained) == 1
    rows.write_text("another\n")
    assert push() == 0  # it begins, and the training itself refuses rows that it did not begin with
    assert len(trained) == 2
    rows.unlink()
    assert push() == 0
    assert len(trained) == 2


def test_what_stands_against_an_upload_is_told_before_anything_is_trained(
    stand_in: Hub, trained: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert push(yes=False) == 2
    assert "use --yes" in capsys.readouterr().err
    monkeypatch.delenv("HF_TOKEN")
    assert push() == 1
    assert "no token" in capsys.readouterr().err
    assert program(["train", "nano-student", "--public"]) == 2
    assert not trained


def test_only_the_first_process_of_a_launcher_uploads(
    stand_in: Hub, trained: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "1")
    assert push() == 0
    assert trained == ["nano-student"]
    assert not stand_in.asked

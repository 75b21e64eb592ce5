"""One training: stopped anywhere it ends with the same weights, and nobody else trains in its folder meanwhile."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import pytest

from nano import curve, fit, logs
from nano.fit import finished, rate
from promptcot.errors import InputError, LockedError
from promptcot.storage.atomic import locked
from tests.unit.nano.small import SOURCE, TRIAL, shrink, weights


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    shrink(monkeypatch)
    monkeypatch.setattr(fit, "STATE_SECONDS", -1)  # a state after each load


def stop_at_state(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Stop as by Ctrl-C between the two files of this state."""
    written = []

    def write_json(path: Path, value: Any) -> None:
        written.append(path)
        if len(written) == number:
            raise KeyboardInterrupt
        path.write_text(json.dumps(value))

    monkeypatch.setattr(fit, "write_json", write_json)


@pytest.mark.parametrize("stop", [1, 2, 3])
def test_a_stopped_training_ends_with_the_weights_of_one_that_was_not(
    stop: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit.fit(TRIAL, tmp_path / "whole", SOURCE)
    with monkeypatch.context() as patch:
        stop_at_state(patch, stop)
        with pytest.raises(KeyboardInterrupt):
            fit.fit(TRIAL, tmp_path / "stopped", SOURCE)
    assert not finished(TRIAL, tmp_path / "stopped")
    fit.fit(TRIAL, tmp_path / "stopped", SOURCE)
    for name in ("trial", "trial-early"):
        assert weights(tmp_path / "stopped" / name) == weights(tmp_path / "whole" / name)
    assert weights(tmp_path / "whole" / "trial") != weights(tmp_path / "whole" / "trial-early")
    assert finished(TRIAL, tmp_path / "stopped")


def test_a_training_that_was_stopped_after_its_last_state_is_finished_by_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(fit, "STATE_SECONDS", math.inf)
        stop_at_state(patch, 1)
        with pytest.raises(KeyboardInterrupt):
            fit.fit(TRIAL, tmp_path, SOURCE)
    assert not finished(TRIAL, tmp_path)
    fit.fit(TRIAL, tmp_path, SOURCE)
    assert finished(TRIAL, tmp_path)


def test_a_training_begins_with_the_weights_that_it_is_told_to(tmp_path: Path) -> None:
    fit.fit(TRIAL, tmp_path, SOURCE)
    still = dataclasses.replace(TRIAL, name="still", start="trial", rate=0.0, early=None)
    fit.fit(still, tmp_path, SOURCE)
    assert weights(tmp_path / "still") == weights(tmp_path / "trial")
    assert not (tmp_path / "still-early").exists()


@pytest.mark.parametrize("other", [{"tokens": 9_000}, {"rate": 1e-3}, {"natural": 0.5}])
def test_a_training_does_not_go_on_from_one_with_other_settings(other: dict[str, float], tmp_path: Path) -> None:
    fit.fit(TRIAL, tmp_path, SOURCE)
    changed = dataclasses.replace(TRIAL, **other)  # type: ignore[arg-type]
    [(name, value)] = other.items()
    for call in (lambda: fit.fit(changed, tmp_path, SOURCE), lambda: finished(changed, tmp_path)):
        with pytest.raises(InputError, match=rf"trial: was begun .*{name} .*, not {value}.* remove this one"):
            call()
    assert finished(TRIAL, tmp_path)


def test_two_trainings_never_share_a_folder(tmp_path: Path) -> None:
    (tmp_path / "trial").mkdir()
    with locked(tmp_path / "trial" / ".lock"), pytest.raises(LockedError):
        fit.fit(TRIAL, tmp_path, SOURCE)
    assert not (tmp_path / "trial" / "log.jsonl").exists()
    fit.fit(TRIAL, tmp_path, SOURCE)
    fit.fit(TRIAL, tmp_path, SOURCE)  # its own process that makes texts holds no lock any more


def test_the_rate_warms_up_and_falls_to_one_percent() -> None:
    assert rate(0, 0, 1.0, 10) == pytest.approx(0.1)
    assert rate(0, 9, 1.0, 10) == pytest.approx(1.0)
    assert rate(0.5, 500, 1.0, 10) == pytest.approx(0.505)
    assert rate(1.5, 900, 1.0, 10) == pytest.approx(0.01)


@pytest.mark.parametrize("torn", [b'{"step": 2, "to', b"{", b'{"step": 2}'])
def test_an_unfinished_line_of_a_log_is_skipped_and_the_next_one_takes_its_place(torn: bytes, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    logs.append(log, {"step": 1})
    with log.open("ab") as file:
        file.write(torn)
    assert curve.read(log) == logs.read(log) == [{"step": 1}]
    logs.append(log, {"step": 3})
    assert logs.read(log) == [{"step": 1}, {"step": 3}]

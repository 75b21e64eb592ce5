"""The plot of the loss: the values from a log, and a picture for every log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from promptcot.errors import InputError
from promptcot.training.report.curves import draw, points, smoothed
from promptcot.training.report.logfile import LogFile


def logged(step: int, loss: float | None, **more: Any) -> dict[str, Any]:
    rates = {"learning_rate": 1e-6 * step, "tokens_per_s": 8000.0 + step, "tokens": 1000 * step, "epoch": step / 50}
    return {"event": "logged", "step": step, "loss": loss, **rates, **more}


def written(path: Path, lines: list[dict[str, Any]]) -> Path:
    for line in lines:
        LogFile(path).append(line)
    return path


def test_a_log_becomes_a_png_and_an_svg_that_is_the_same_each_time(tmp_path: Path) -> None:
    lines = [logged(step, 9.0 / step) for step in range(1, 101)]
    lines += [{"event": "evaluated", "step": step, "eval_loss": 10.0 / step} for step in (50, 100)]
    log = written(tmp_path / "log.jsonl", [{"event": "started", "step": 0}, *lines])
    png, svg = draw(log, tmp_path / "loss")
    assert (png, svg) == (tmp_path / "loss.png", tmp_path / "loss.svg")
    assert png.read_bytes().startswith(b"\x89PNG")
    first = svg.read_bytes()
    assert b"<svg" in first
    draw(log, tmp_path / "loss")
    assert svg.read_bytes() == first
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log.jsonl", "loss.png", "loss.svg"]


@pytest.mark.parametrize(
    "lines",
    [
        [{"event": "logged", "step": 1, "loss": 2.5}],
        [logged(1, 2.5), logged(2, None)],
        [logged(1, 0.0), logged(2, 0.0)],
        [logged(1, 3.0, learning_rate=0.0, tokens_per_s=0.0, tokens=0), logged(2, 0.1, tokens=0)],
        [logged(1, 2.5), {"event": "evaluated", "step": 9, "eval_loss": 2.0}],
    ],
    ids=["one line", "a loss that was no number", "a loss of zero", "nothing learnt", "validated after the last line"],
)
def test_a_thin_log_is_drawn_without_a_warning(tmp_path: Path, lines: list[dict[str, Any]]) -> None:
    png, _ = draw(written(tmp_path / "log.jsonl", lines), tmp_path / "loss")
    assert png.stat().st_size > 5000


def test_a_log_without_a_loss_is_refused(tmp_path: Path) -> None:
    log = written(tmp_path / "log.jsonl", [{"event": "started", "step": 0}])
    with pytest.raises(InputError, match="no loss was logged yet"):
        draw(log, tmp_path / "loss")


def test_points_are_in_order_of_steps_and_leave_out_what_is_missing() -> None:
    lines = [logged(20, 2.0), logged(10, 3.0), {"step": 15, "eval_loss": 1.0}, logged(30, None)]
    steps, losses = points(lines, "loss")
    assert steps.tolist() == [10, 20]
    assert losses.tolist() == [3.0, 2.0]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 50, 1001])
def test_smoothing_keeps_length_and_level_and_does_not_lag(count: int) -> None:
    assert smoothed(np.full(count, 2.5)).tolist() == pytest.approx([2.5] * count)
    rising = np.arange(count, dtype=float)
    middle = smoothed(rising)[count // 4 : count - count // 4]
    assert middle.tolist() == pytest.approx(rising[count // 4 : count - count // 4].tolist(), abs=0.5)


def test_smoothing_takes_the_noise_out() -> None:
    noise = np.random.default_rng(1).normal(size=2000)
    assert smoothed(noise).std() < noise.std() / 5

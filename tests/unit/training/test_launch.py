"""Processes of a training: how many, and what launchers add to their arguments."""

from __future__ import annotations

import pytest

from promptcot.training import launch
from promptcot.training.__main__ import without_launcher
from promptcot.training.recipe import TrainRecipe


def recipe(devices: int, zero: int = 0) -> TrainRecipe:
    return TrainRecipe.model_validate(
        {"model": {"path": "x"}, "data": {"path": "x.jsonl"}, "parallelism": {"devices": devices, "zero": zero}}
    )


@pytest.mark.parametrize("added", ["--local_rank=1", "--local-rank=1"])
def test_what_a_launcher_adds_for_itself_is_left_out(added: str) -> None:
    assert without_launcher([added, "nano-student", "--set", "seed=1"]) == ["nano-student", "--set", "seed=1"]


@pytest.mark.parametrize(
    ("gpus", "devices", "asked", "expected"), [(0, 8, None, 1), (4, 8, None, 4), (8, 2, None, 2), (0, 1, 2, 2)]
)
def test_there_is_a_process_for_each_gpu_up_to_what_the_recipe_says_or_as_asked(
    monkeypatch: pytest.MonkeyPatch, gpus: int, devices: int, asked: int | None, expected: int
) -> None:
    monkeypatch.setattr(launch, "_gpus", lambda: gpus)
    assert launch.processes_for(recipe(devices), asked) == expected


def test_a_launcher_is_needed_for_several_processes_and_for_deepspeed_unless_one_started_this(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert not launch.needs_launcher(recipe(8), 1)
    assert launch.needs_launcher(recipe(8), 2)
    assert launch.needs_launcher(recipe(1, zero=2), 1)
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert not launch.needs_launcher(recipe(8, zero=2), 2)


def test_under_a_launcher_all_gpus_stay_visible(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its processes choose by their number: were all but the first GPU hidden, all of them would share that one."""
    gpus = [launch_gpu(number) for number in range(2)]
    monkeypatch.setattr(launch, "visible_gpus", lambda: gpus)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("DS_ACCELERATOR", "cuda")
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    launch.set_environment()
    assert "CUDA_VISIBLE_DEVICES" not in launch.os.environ
    monkeypatch.delenv("RANK")
    launch.set_environment()
    assert launch.os.environ["CUDA_VISIBLE_DEVICES"] == "GPU-0"
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")


def launch_gpu(number: int) -> object:
    from promptcot.engines.machine import Gpu

    return Gpu(number, f"GPU-{number}", "H100", 80 << 30, 80 << 30)

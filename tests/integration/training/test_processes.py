"""Trainings in several real processes: DeepSpeed's ZeRO against one process, four launchers, and kills."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from promptcot.errors import LockedError
from promptcot.storage.atomic import locked
from tests.fuzz.moments import Moment
from tests.integration.training.trainings import changes, logged, losses, write_recipe, write_rows
from tests.programs import PATIENCE, started, wait_until

pytestmark = pytest.mark.engines

BIN = Path(sys.executable).parent
STEPS, EVERY = 8, 3
DECAY = 20  # each step takes 2 % away, so that models with other weights that decay differ by more than 0.1
MODULE = "promptcot.training"
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", MODULE]
# Without a GPU and MPI accelerate starts one process, whatever it is told.
ACCELERATE = [f"{BIN}/accelerate", "launch", "--cpu", "--num_processes=1", "--num_machines=1", "--mixed_precision=no"]
ACCELERATE += ["--dynamo_backend=no", "--num_cpu_threads_per_process=1", "-m", MODULE]
DEEPSPEED = [f"{BIN}/deepspeed", "--num_gpus=2", "--module", MODULE]
PLAIN = [sys.executable, "-m", "promptcot", "train"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with rows and a recipe, in which the tests train."""
    folder = tmp_path_factory.mktemp("trainings")
    write_rows(folder / "rows.jsonl", 96)
    write_recipe(folder / "small.toml")
    return folder


@pytest.fixture(scope="module")
def alone(place: Path) -> list[float]:
    """The losses of one process without DeepSpeed."""
    finished(place, PLAIN, "alone")
    return losses(place / "alone")


def start(
    place: Path, launcher: Sequence[str], name: str, *options: str, moment: Moment | None = None, **settings: Any
) -> AbstractContextManager[subprocess.Popen[Any]]:
    chosen = {"schedule__max_steps": STEPS, "checkpoints__every": EVERY, "schedule__weight_decay": DECAY, **settings}
    told = [part for change in changes(chosen) for part in ("--set", change)]
    threads = {"OMP_NUM_THREADS": "1", "DS_ACCELERATOR": "cpu", "PROMPTCOT_CACHE": str(place / "cache")}
    command = [*launcher, "small.toml", "--output_dir", name, *told, *options]
    given = moment.environment(place, place / f"{name}.events") if moment else os.environ
    environment = {**given, **threads, "PATH": f"{BIN}:{os.environ['PATH']}"}
    return started(command, cwd=place, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def finished(place: Path, launcher: Sequence[str], name: str, *options: str, **settings: Any) -> str:
    """What a training said that ran to its end."""
    with start(place, launcher, name, *options, **settings) as running:
        said, _ = running.communicate(timeout=PATIENCE)
    assert running.returncode == 0, said
    return said


def killed_after_a_checkpoint(place: Path, launcher: Sequence[str], name: str, *options: str, **settings: Any) -> None:
    """Train until the first checkpoint counts: its first process then kills all, itself included."""
    moment = Moment(1, f"after replace {name}/checkpoint-{EVERY}/contents.json")
    with start(place, launcher, name, *options, moment=moment, **settings) as running:
        said, _ = running.communicate(timeout=PATIENCE)
    assert running.returncode == -moment.how, said
    wait_until(lambda: free(place / name / "lock"))  # until the processes that it started have noticed


def free(lock: Path) -> bool:
    try:
        with locked(lock):
            return True
    except LockedError:
        return False


def same_model(place: Path, one: str, other: str, tolerance: float = 0.0) -> bool:
    from safetensors.numpy import load_file

    ours, theirs = (load_file(place / name / "model" / "model.safetensors") for name in (one, other))
    return ours.keys() == theirs.keys() and all(
        np.allclose(ours[name], theirs[name], rtol=0, atol=tolerance) for name in ours
    )


def test_a_training_that_is_killed_goes_on_to_the_same_model(place: Path, alone: list[float]) -> None:
    killed_after_a_checkpoint(place, PLAIN, "killed")
    assert len(losses(place / "killed")) < STEPS
    assert f"resuming from step {EVERY}" in finished(place, PLAIN, "killed")
    assert logged(place / "killed") == logged(place / "alone")
    assert same_model(place, "killed", "alone")


DIVIDED: dict[str, tuple[list[str], dict[str, Any]]] = {
    "zero-2": (DEEPSPEED, {"parallelism__zero": 2, "parallelism__grad_accum_dtype": "'float32'"}),
    "zero-3": (PLAIN, {"parallelism__zero": 3}),
    "fsdp": (PLAIN, {"parallelism__fsdp": True}),
}


@pytest.mark.parametrize("name", DIVIDED)
def test_two_processes_that_divide_a_model_learn_what_one_process_does(
    place: Path, alone: list[float], name: str
) -> None:
    launcher, settings = DIVIDED[name]
    options = () if launcher == DEEPSPEED else ("--processes", "2")
    settings = {**settings, "schedule__accumulation": 1, "parallelism__devices": 2}
    killed_after_a_checkpoint(place, launcher, name, *options, **settings)
    assert f"resuming from step {EVERY}" in finished(place, launcher, name, *options, **settings)
    assert len(alone) == STEPS
    assert losses(place / name) == pytest.approx(alone, abs=1e-2)
    assert same_model(place, name, "alone", tolerance=2e-3)


def test_steps_counted_in_rows_are_the_same_on_two_processes_that_cannot_share_them_evenly(place: Path) -> None:
    rows = {"schedule__step_by": "'rows'", "schedule__accumulation": 5, "schedule__max_steps": 6}
    finished(place, PLAIN, "rows-1", **rows)
    zero = {**rows, "parallelism__zero": 2, "parallelism__offload_optimizer": True}
    killed_after_a_checkpoint(place, PLAIN, "rows-2", "--processes", "2", **zero)
    assert f"resuming from step {EVERY}" in finished(place, PLAIN, "rows-2", "--processes", "2", **zero)
    assert losses(place / "rows-2") == pytest.approx(losses(place / "rows-1"), abs=1e-2)
    one, two = (logged(place / name, ("step", "order", "tokens")) for name in ("rows-1", "rows-2"))
    assert one == two
    assert len(one) == 6


@pytest.mark.parametrize(
    ("launcher", "processes"), [(TORCHRUN, "2 processes"), (ACCELERATE, "1 process")], ids=["torchrun", "accelerate"]
)
def test_the_same_recipe_runs_under_other_launchers(
    place: Path, alone: list[float], launcher: list[str], processes: str
) -> None:
    name = f"under {processes}"
    assert f"small: {processes};" in finished(place, launcher, name, schedule__max_steps=3)
    assert losses(place / name) == pytest.approx(alone[:3], abs=1e-2)


def test_the_shape_of_the_shipped_recipes_trains(place: Path) -> None:
    shape = {"precision__dtype": "'bfloat16'", "precision__gradient_checkpointing": True, "schedule__kind": "'cosine'"}
    settings = {"parallelism__zero": 2, "parallelism__offload_optimizer": True, "parallelism__devices": 2}
    said = finished(
        place, PLAIN, "shipped", "--processes", "2", **shape, **settings, method__lora="{rank=4}", watch__samples=2
    )
    assert said.count("checkpoint saved") == 3
    assert losses(place / "shipped")[-1] < losses(place / "shipped")[0] - 1
    assert (place / "shipped" / "samples.jsonl").stat().st_size


def test_sigterm_to_the_launcher_stops_all_with_a_checkpoint(place: Path, alone: list[float]) -> None:
    told = ("--processes", "2")
    settings = {"schedule__accumulation": 1, "parallelism__devices": 2, "checkpoints__every": 100}
    moment = Moment(3, "open stopped/log.jsonl", signal.SIGTERM, to="first")
    with start(place, PLAIN, "stopped", *told, moment=moment, **settings) as running:
        said, _ = running.communicate(timeout=PATIENCE)
    assert running.returncode == 130, said
    assert "resuming from step" in finished(place, PLAIN, "stopped", *told, **settings)
    assert losses(place / "stopped") == pytest.approx(alone, abs=1e-2)


def test_a_batch_that_processes_cannot_share_is_said_once(place: Path) -> None:
    with start(place, PLAIN, "uneven", "--processes", "2", schedule__accumulation=1) as running:
        said, _ = running.communicate(timeout=PATIENCE)
    assert running.returncode == 1
    assert said.count("which 2 processes with 1 at a time cannot share evenly") == 1
    assert "Traceback" not in said

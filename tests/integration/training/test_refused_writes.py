"""A full disk, and kills, while a training writes: a one-line error, and the same training after resuming."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from promptcot.errors import StorageError
from promptcot.training.recipe import load_train
from promptcot.training.run import train
from tests.fuzz.moments import Moment, events
from tests.integration.training.test_processes import PLAIN, finished, free, same_model, start
from tests.integration.training.trainings import changes, logged, write_recipe, write_rows
from tests.programs import PATIENCE, wait_until

pytestmark = pytest.mark.engines

torch.set_num_threads(1)

MB = 1 << 20
SHORT = {"schedule__max_steps": 4, "checkpoints__every": 2}
REFUSED: dict[str, tuple[int, str, dict[str, Any]]] = {
    "tokens": (1 << 10, "tokens", {}),
    "weights of a checkpoint": (4 * MB, "checkpoint-2", {}),
    "optimizer of a checkpoint": (8 * MB, "checkpoint-2", {}),
    "finished model": (4 * MB, "model", {"method__lora": "{rank=4}"}),
}


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """As on a full disk: no file grows beyond that."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("refused")
    write_rows(folder / "rows.jsonl", 96)
    write_recipe(folder / "small.toml")
    return folder


@pytest.fixture
def trained(place: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    monkeypatch.chdir(place)
    monkeypatch.setenv("PROMPTCOT_CACHE", str(place / "cache"))

    def start_in_this_process(name: str, **settings: Any) -> Path:
        recipe = load_train("small.toml", changes({**SHORT, **settings}), {"output_dir": name})
        return train(recipe, lambda line: None)

    return start_in_this_process


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_written_is_said_in_one_line_and_gone_on_from(
    trained: Callable[..., Path], place: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    size, where, settings = REFUSED[name]
    monkeypatch.setenv("PROMPTCOT_CACHE", str(place / f"cache of {name}"))
    with (
        files_of_at_most(size),
        pytest.raises(StorageError, match=r"File too large|a limit on the size of files") as refused,
    ):
        trained(name, **settings)
    assert where in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1
    trained(name, **settings)
    trained(f"whole {name}", **settings)
    assert logged(place / name) == logged(place / f"whole {name}")
    assert same_model(place, name, f"whole {name}")


def test_a_kill_at_any_moment_of_a_save_changes_nothing(place: Path) -> None:
    saves = r"\S+ {name}/(checkpoint-4|model)"
    with start(place, PLAIN, "whole", moment=Moment(0, saves.format(name="whole")), **SHORT) as running:
        running.communicate(timeout=PATIENCE)
    count = len(events(place / "whole.events"))
    assert count > 20
    for number in (count // 4, 3 * count // 4):
        with start(place, PLAIN, "killed", moment=Moment(number, saves.format(name="killed")), **SHORT) as running:
            running.communicate(timeout=PATIENCE)
        assert running.returncode == -9
        (place / "killed.events").unlink()
        wait_until(lambda: free(place / "killed" / "lock"))
    finished(place, PLAIN, "killed", **SHORT)
    assert logged(place / "killed") == logged(place / "whole")
    assert same_model(place, "killed", "whole")

"""The division of cores: by rule for small and large models, by measurement for those between."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from promptcot.engines.local import sharing
from promptcot.engines.local.sharing import Sharing, candidates, rows_per_second, share


def model(parameters: int, device: str = "cpu") -> Any:
    return SimpleNamespace(parameters=parameters, device=torch.device(device))


@pytest.mark.parametrize(
    ("parameters", "cores", "most_threads", "expected"),
    [
        (5_000_000, 2, 2, Sharing(2, 1)),
        (5_000_000, 16, 16, Sharing(4, 4)),
        (5_000_000, 16, 1, Sharing(4, 1)),
        (135_000_000, 1, 1, Sharing(1, 1)),
        (7_000_000_000, 16, 16, Sharing(1, 16)),
        (7_000_000_000, 16, 8, Sharing(1, 8)),
    ],
)
def test_small_and_large_models_go_by_rule(
    parameters: int, cores: int, most_threads: int, expected: Sharing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing, "rows_per_second", lambda *_: pytest.fail("measured"))
    assert share(model(parameters), cores, most_threads) == expected


def test_a_gpu_has_one_worker() -> None:
    assert share(model(135_000_000, "cuda"), 16, 16).workers == 1


@pytest.mark.parametrize("best", candidates(8, 8), ids=str)
def test_a_model_between_is_run_as_was_quickest(best: Sharing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "rows_per_second", lambda _, tried: 2.0 if tried == best else 1.0)
    found = share(model(135_000_000), 8, 8)
    assert (found.workers, found.threads, found.measured) == (best.workers, best.threads, True)


@pytest.mark.parametrize("gain", [0.1, 1.0, 1.4])
def test_threads_that_gain_little_are_not_taken(gain: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "rows_per_second", lambda _, tried: 1.0 if tried.threads == 1 else gain)
    assert share(model(135_000_000), 2, 2) == Sharing(2, 1, measured=True)


def test_what_is_tried_stays_within_the_cores_and_the_threads_allowed() -> None:
    assert candidates(1, 1) == [Sharing(1, 1)]
    assert candidates(2, 2) == [Sharing(2, 1), Sharing(1, 2)]
    assert candidates(2, 1) == [Sharing(2, 1), Sharing(1, 1)]
    assert candidates(16, 16) == [Sharing(4, 1), Sharing(4, 4), Sharing(2, 8), Sharing(1, 16)]
    for cores in range(1, 20):
        assert all(tried.workers * tried.threads <= cores for tried in candidates(cores, cores))
        assert Sharing(1, cores) in candidates(cores, cores)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_measurement_runs_the_model_in_every_worker_and_leaves_other_threads_alone(workers: int) -> None:
    shapes: list[tuple[int, int]] = []

    def network(input_ids: torch.Tensor, use_cache: bool) -> None:
        shapes.append((len(input_ids), torch.get_num_threads()))

    before = torch.get_num_threads()
    assert rows_per_second(SimpleNamespace(network=network), Sharing(workers, 1)) > 0  # type: ignore[arg-type]
    assert set(shapes) == {(16 // workers, 1)}
    assert torch.get_num_threads() == before


def test_it_says_what_it_is() -> None:
    assert [str(one) for one in (Sharing(1, 2), Sharing(2, 1))] == [
        "1 worker with 2 threads",
        "2 workers with 1 thread each",
    ]

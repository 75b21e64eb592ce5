"""Placement of models on GPUs: replicas before tensor parallelism, and a clear error if nothing fits."""

from __future__ import annotations

import pytest

from promptcot.engines.machine import Gpu
from promptcot.engines.vllm.placement import CPU, Need, Placement, choose, smallest_cut, take, together, together_on_cpu
from promptcot.errors import InputError

GIB = 1 << 30
EIGHT_B = Need(16_060_000_000, 32, 8, "llama-8b")
SEVENTY_TWO_B = Need(145_412_000_000, 64, 8, "qwen-72b")


def gpus(count: int, gib: int = 80, free: list[int] | None = None) -> list[Gpu]:
    room = free or [gib] * count
    return [Gpu(place, f"GPU-{place}", "H100", gib * GIB, room[place] * GIB) for place in range(count)]


def shape(placement: Placement) -> tuple[int, int]:
    return placement.tensor, placement.data


@pytest.mark.parametrize(
    ("need", "count", "gib", "expected"),
    [
        (EIGHT_B, 1, 80, (1, 1)),
        (EIGHT_B, 4, 80, (1, 4)),
        (EIGHT_B, 1, 24, (1, 1)),
        (EIGHT_B, 3, 16, (2, 1)),
        (EIGHT_B, 4, 16, (2, 2)),
        (EIGHT_B, 2, 40, (1, 2)),
        (SEVENTY_TWO_B, 4, 80, (4, 1)),
        (SEVENTY_TWO_B, 8, 80, (4, 2)),
        (SEVENTY_TWO_B, 4, 141, (2, 2)),
        (SEVENTY_TWO_B, 2, 180, (2, 1)),
        (Need(145_412_000_000 // 4, 64, 8), 4, 80, (1, 4)),
        (Need(40 * GIB, None, None), 2, 48, (2, 1)),
    ],
)
def test_a_copy_takes_the_fewest_gpus_that_hold_it(need: Need, count: int, gib: int, expected: tuple[int, int]) -> None:
    assert shape(choose(need, gpus(count, gib))) == expected


def test_each_copy_has_gpus_of_its_own() -> None:
    copies = choose(SEVENTY_TWO_B, gpus(4, 141)).copies
    assert [[gpu.index for gpu in copy] for copy in copies] == [[0, 1], [2, 3]]


def test_the_smallest_gpu_decides() -> None:
    mixed = [*gpus(1, 80), *gpus(2, 16)[1:]]
    assert shape(choose(EIGHT_B, mixed)) == (2, 1)


def test_heads_that_cannot_be_halved_are_not_cut() -> None:
    assert smallest_cut(Need(30 * GIB, heads=25, kv_heads=5), gpus(4, 24)) is None
    assert smallest_cut(Need(30 * GIB, heads=28, kv_heads=4), gpus(8, 24)) == 2
    assert smallest_cut(Need(60 * GIB, heads=28, kv_heads=4), gpus(8, 24)) == 4
    assert smallest_cut(Need(120 * GIB, heads=28, kv_heads=4), gpus(8, 24)) is None


def test_key_value_heads_may_be_fewer_than_the_parts() -> None:
    assert smallest_cut(Need(60 * GIB, heads=32, kv_heads=2), gpus(4, 24)) == 4
    assert smallest_cut(Need(60 * GIB, heads=32, kv_heads=3), gpus(4, 24)) is None


def test_a_model_of_unknown_size_is_cut_as_far_as_it_can_be() -> None:
    assert shape(choose(Need(), gpus(4))) == (4, 1)
    assert shape(choose(Need(None, heads=6), gpus(4))) == (2, 2)


def test_a_model_too_large_says_how_many_gpus_it_takes() -> None:
    with pytest.raises(InputError, match=r"qwen-72b: 145 GB .* 2 × 86 GB .*it takes 4 GPUs.*--n_gpus.*quantised"):
        choose(SEVENTY_TWO_B, gpus(2))
    with pytest.raises(InputError, match="cannot be split"):
        choose(Need(500 * GIB, heads=7), gpus(2))


def test_without_gpus_it_is_the_cpu() -> None:
    assert choose(SEVENTY_TWO_B, []) == CPU
    assert CPU.on_cpu
    assert shape(CPU) == (1, 1)
    assert not choose(EIGHT_B, gpus(1)).on_cpu


def test_the_user_may_say_how_it_is_cut() -> None:
    assert shape(choose(EIGHT_B, gpus(4), tensor=2)) == (2, 2)
    assert shape(choose(EIGHT_B, gpus(4), tensor=3)) == (3, 1)
    with pytest.raises(InputError, match=r"--tensor-parallel-size 8: 4 GPUs"):
        choose(EIGHT_B, gpus(4), tensor=8)


@pytest.mark.parametrize("asked", [None, 0])
def test_all_gpus_are_taken_unless_told_otherwise(asked: int | None) -> None:
    assert len(take(asked, gpus(4))) == 4
    assert take(asked, []) == []


def test_the_gpus_taken_are_the_emptiest_in_their_order() -> None:
    assert [gpu.index for gpu in take(2, gpus(4, 80, [5, 80, 70, 80]))] == [1, 3]
    assert [gpu.index for gpu in take(2, gpus(4))] == [0, 1]


def test_more_gpus_than_there_are_is_a_clear_error() -> None:
    with pytest.raises(InputError, match=r"--n_gpus 4: this machine has none that can be used \(see nvidia-smi"):
        take(4, [])
    with pytest.raises(InputError, match="--n_gpus 4: this machine has only 2"):
        take(4, gpus(2))
    with pytest.raises(InputError, match="--n_gpus -1"):
        take(-1, gpus(2))


def test_models_that_fit_side_by_side_share_all_the_gpus() -> None:
    placed = together([EIGHT_B, SEVENTY_TWO_B], gpus(8))
    assert placed is not None
    assert [shape(placement) for placement in placed] == [(1, 4), (4, 1)]
    used = [gpu.index for placement in placed for copy in placement.copies for gpu in copy]
    assert used == list(range(8))


def test_spare_gpus_go_to_the_model_with_the_most_weights_for_each_copy() -> None:
    placed = together([EIGHT_B, Need(60 * GIB)], gpus(5))
    assert placed is not None
    assert [shape(placement) for placement in placed] == [(1, 1), (2, 2)]


def test_models_that_do_not_fit_take_turns() -> None:
    assert together([SEVENTY_TWO_B, SEVENTY_TWO_B], gpus(4)) is None
    assert together([EIGHT_B, EIGHT_B], gpus(1)) is None
    assert together([EIGHT_B, Need(500_000_000_000)], gpus(4)) is None
    assert together([EIGHT_B, Need()], gpus(4)) is None
    assert together([EIGHT_B], []) is None


def test_on_the_cpu_memory_decides() -> None:
    small = Need(4 * GIB)
    assert together_on_cpu([small, small], 2 * GIB, 32 * GIB) == [CPU, CPU]
    assert together_on_cpu([small, small], 2 * GIB, 16 * GIB) is None
    assert together_on_cpu([small, Need()], 2 * GIB, 320 * GIB) is None

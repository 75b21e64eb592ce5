"""Distributes models over GPUs: the number of GPUs per replica (tensor parallel) and of replicas (data parallel). Pure.

Each replica gets the fewest GPUs that hold the model and its working memory, and there are as many replicas as fit.
Replicas do not communicate, while tensor-parallel GPUs synchronize at every layer. `model_files` and `machine` provide
the sizes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from promptcot.engines.machine import Gpu
from promptcot.errors import InputError

SHARE_OF_MEMORY = 0.9
"""The share of a GPU's memory that vLLM uses by default (--gpu-memory-utilization)."""

_SHARE_OF_RAM = 0.6
_ROOM_PER_COPY = 0.2
_ROOM_PER_GPU = 0.1
_GB = 1e9


@dataclass(frozen=True, slots=True)
class Need:
    """The needs of a model: bytes of weights and numbers of attention heads, None if unknown."""

    weights: int | None = None
    heads: int | None = None
    kv_heads: int | None = None
    name: str = "the model"

    def can_be_cut(self, tensor: int) -> bool:
        """Whether vLLM can split the heads over `tensor` GPUs; key-value heads may also be replicated."""
        if self.heads is not None and self.heads % tensor:
            return False
        return self.kv_heads is None or self.kv_heads % tensor == 0 or tensor % self.kv_heads == 0


@dataclass(frozen=True, slots=True)
class Placement:
    """`copies` has the GPUs of each replica of a model; without GPUs it runs on the CPU."""

    copies: tuple[tuple[Gpu, ...], ...]

    @property
    def tensor(self) -> int:
        """The tensor parallel size of each replica."""
        return max(1, len(self.copies[0]))

    @property
    def data(self) -> int:
        """The number of replicas."""
        return len(self.copies)

    @property
    def on_cpu(self) -> bool:
        """Whether no GPU is used."""
        return not self.copies[0]


CPU = Placement(((),))
"""One replica, on the CPU."""


def take(asked: int | None, visible: Sequence[Gpu]) -> list[Gpu]:
    """The `asked` GPUs with the most free memory (None or 0: all), in their order. Raises InputError for too many."""
    if not asked:
        return list(visible)
    if asked < 0:
        raise InputError(f"--n_gpus {asked}: give a number of GPUs, or 0 for all of them")
    if asked > len(visible):
        there = f"only {len(visible)}" if visible else "none"
        raise InputError(
            f"--n_gpus {asked}: this machine has {there} that can be used (see nvidia-smi and CUDA_VISIBLE_DEVICES); "
            "give fewer, leave out --n_gpus to use all of them, or use a server elsewhere with --base-url"
        )
    by_room = sorted(range(len(visible)), key=lambda place: (-(visible[place].memory_free >> 30), place))
    return [visible[place] for place in sorted(by_room[:asked])]


def choose(need: Need, gpus: Sequence[Gpu], tensor: int | None = None) -> Placement:
    """The placement of a model that has these GPUs to itself; `tensor` overrides its tensor parallel size.

    Raises InputError if it does not fit.
    """
    if not gpus:
        return CPU
    if tensor is not None:
        _check_forced(tensor, gpus)
        return _spread(gpus, tensor)
    fitting = smallest_cut(need, gpus)
    if fitting is None:
        raise InputError(_too_large(need, gpus))
    return _spread(gpus, fitting)


def smallest_cut(need: Need, gpus: Sequence[Gpu]) -> int | None:
    """The fewest GPUs that hold one replica; if its size is unknown, the most it can be split over; None: too few."""
    sizes = [size for size in _powers_of_two(len(gpus)) if need.can_be_cut(size)]
    if need.weights is None:
        return sizes[-1]
    memory = min(gpu.memory_total for gpu in gpus)
    return next((size for size in sizes if need.weights <= _room(size, memory)), None)


def together(needs: Sequence[Need], gpus: Sequence[Gpu]) -> list[Placement] | None:
    """The placements of several models side by side, each on its own GPUs; None if they have to run one after another.

    After one replica of each, further GPUs go to the model with the most bytes of weights per replica. Models of
    unknown size run one after another. For machines without GPUs see `together_on_cpu`.
    """
    cuts = [smallest_cut(need, gpus) if gpus and need.weights is not None else None for need in needs]
    known = [cut for cut in cuts if cut is not None]
    if len(known) < len(needs) or sum(known) > len(gpus):
        return None
    counts = _copies(needs, known, len(gpus))
    placements, start = [], 0
    for cut, count in zip(known, counts, strict=True):
        end = start + cut * count
        placements.append(_spread(gpus[start:end], cut))
        start = end
    return placements


def together_on_cpu(needs: Sequence[Need], kv_space: int, ram: int) -> list[Placement] | None:
    """The same on the CPU: they fit if weights and key-value space (bytes for each) are under 60 % of the memory."""
    weights = [need.weights for need in needs if need.weights is not None]
    if len(weights) < len(needs) or sum(weights) + kv_space * len(needs) > _SHARE_OF_RAM * ram:
        return None
    return [CPU] * len(needs)


def _copies(needs: Sequence[Need], cuts: Sequence[int], gpus: int) -> list[int]:
    counts = [1] * len(needs)
    spare = gpus - sum(cuts)
    while able := [place for place, cut in enumerate(cuts) if cut <= spare]:
        neediest = max(able, key=lambda place: ((needs[place].weights or 0) / counts[place], -place))
        counts[neediest] += 1
        spare -= cuts[neediest]
    return counts


def _powers_of_two(most: int) -> list[int]:
    return [1 << power for power in range(most.bit_length())]


def _room(tensor: int, memory: int) -> float:
    """The bytes of weights that `tensor` GPUs hold; the rest is for keys and values, activations and CUDA graphs."""
    return (SHARE_OF_MEMORY * tensor - max(_ROOM_PER_COPY, _ROOM_PER_GPU * tensor)) * memory


def _spread(gpus: Sequence[Gpu], tensor: int) -> Placement:
    starts = range(0, len(gpus) - tensor + 1, tensor)
    return Placement(tuple(tuple(gpus[start : start + tensor]) for start in starts))


def _check_forced(tensor: int, gpus: Sequence[Gpu]) -> None:
    if not 1 <= tensor <= len(gpus):
        raise InputError(
            f"--tensor-parallel-size {tensor}: {len(gpus)} GPUs can be used; give a number from 1 to {len(gpus)}"
        )


def _too_large(need: Need, gpus: Sequence[Gpu]) -> str:
    memory = min(gpu.memory_total for gpu in gpus)
    weights = need.weights or 0
    enough = next(
        (size for size in _powers_of_two(1 << 10) if need.can_be_cut(size) and weights <= _room(size, memory)), 0
    )
    needed = f"it takes {enough} GPUs like these" if enough else "it cannot be split over GPUs like these"
    return (
        f"{need.name}: {weights / _GB:.0f} GB of weights do not fit on {len(gpus)} × {memory / _GB:.0f} GB of GPU "
        f"memory, with room for keys and values; {needed}. Give more GPUs (--n_gpus), use quantised weights, or choose "
        "the placement yourself with --engine-args '--tensor-parallel-size N …'"
    )

"""The only module that inspects this machine: cores, memory, and GPUs as reported by nvidia-smi.

Decides which devices count as visible. Does not use torch or CUDA: both take seconds to load, and CUDA state could not
be passed on to a server that starts later. GPUs of other vendors and MIG slices are not detected: for other vendors use
vLLM's own options, and for slices start your own server with CUDA_VISIBLE_DEVICES.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_FIELDS = "index,uuid,name,memory.total,memory.free"
_TIMEOUT = 20
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU. `index` is its position on the PCI bus; memory is in bytes."""

    index: int
    uuid: str
    name: str
    memory_total: int
    memory_free: int


def visible_gpus(environment: Mapping[str, str] = os.environ) -> list[Gpu]:
    """The GPUs of this machine that CUDA_VISIBLE_DEVICES includes, in its order; none without a driver."""
    gpus = _parsed(_listing())
    chosen = environment.get("CUDA_VISIBLE_DEVICES")
    return gpus if chosen is None else _selected(gpus, chosen)


def _listing() -> str:
    command = ["nvidia-smi", f"--query-gpu={_FIELDS}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def _parsed(listing: str) -> list[Gpu]:
    """The GPUs of a listing; lines that cannot be read (a GPU that has failed) are left out."""
    gpus = []
    for line in listing.splitlines():
        cells = [cell.strip() for cell in line.split(",")]
        try:
            index, uuid, *name, total, free = cells
            gpus.append(Gpu(int(index), uuid, ", ".join(name), int(total) * _MIB, int(free) * _MIB))
        except ValueError:
            continue
    return gpus


def _selected(gpus: Sequence[Gpu], chosen: str) -> list[Gpu]:
    """Interpreted as in CUDA: indices or (prefixes of) UUIDs; entries after an unknown or repeated one are ignored."""
    selected: list[Gpu] = []
    for entry in (part.strip() for part in chosen.split(",")):
        matching = [gpu for gpu in gpus if _is(gpu, entry)]
        if len(matching) != 1 or matching[0] in selected:
            break
        selected += matching
    return selected


def _is(gpu: Gpu, entry: str) -> bool:
    return gpu.index == int(entry) if entry.isdecimal() else entry.startswith("GPU-") and gpu.uuid.startswith(entry)


def cores() -> int:
    """The cores that this process may use, if the system reports them."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def threads(environment: Mapping[str, str] = os.environ) -> int:
    """The maximum threads of a numerical library: OMP_NUM_THREADS if set, else all cores."""
    asked = environment.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return int(asked) if asked.isdecimal() and int(asked) else cores()


def memory_total() -> int:
    """The total memory, in bytes."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def memory_free() -> int:
    """The available memory in bytes, as Linux reports it; elsewhere the total memory."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return memory_total()

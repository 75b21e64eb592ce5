"""Peak performance of accelerators: dense bfloat16 operations per second, and memory, from the vendors' datasheets.

Dense means without the doubling for sparse matrices that datasheets show first. A device that is not listed has no
known peak, and nothing is computed from a guess.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

GIB = 1 << 30
_TERA = 1e12


@dataclass(frozen=True, slots=True)
class Device:
    """An accelerator: its name, dense bfloat16 operations per second, and bytes of memory."""

    name: str
    flops: float
    memory: int
    bfloat16: bool = True
    """False without bfloat16 units: then `flops` is that of float16."""


_TABLE = tomllib.loads(Path(__file__).with_name("devices.toml").read_text(encoding="utf-8"))["devices"]
_OTHER_BUILDS = ("laptop", "max-q", "mobile", "-d-", "4090-d", "5090-d", "4080-super")


def find(name: str) -> Device | None:
    """The device with that name: torch's ("NVIDIA A100-SXM4-80GB") or a short one ("a100", "H100 PCIe"); else None."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    if any(build in f"{plain}-" for build in _OTHER_BUILDS):
        return None
    found = next((row for row in _TABLE if re.search(rf"(^|-){row['pattern']}(-|$)", plain)), None)
    return found and Device(found["name"], found["tera"] * _TERA, found["gib"] * GIB, found.get("bfloat16", True))


def peak_flops(name: str) -> float | None:
    """Dense bfloat16 operations per second; None if unknown."""
    device = find(name)
    return None if device is None else device.flops

"""What accelerators can do at most: dense bfloat16 operations per second and memory, as their vendors' datasheets say.

Dense means without the doubling for sparse matrices that datasheets show first. A device that is not here has no known
peak, and nothing is computed from a guess.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

GIB = 1 << 30
_TERA = 1e12


@dataclass(frozen=True, slots=True)
class Device:
    """An accelerator: its name, dense bfloat16 operations per second, and bytes of memory."""

    name: str
    flops: float
    memory: int
    bfloat16: bool = True
    """False where there are no units for bfloat16: then `flops` is that of float16."""


def _device(name: str, tera: float, gib: int, bfloat16: bool = True) -> Device:
    return Device(name, tera * _TERA, gib * GIB, bfloat16)


# NVIDIA's datasheets of the products; GeForce and RTX from the white papers of their architectures (GA102, Ada,
# Blackwell: with accumulation in float32); AMD's datasheets of Instinct, an MI250X shows itself as two devices.
#
# The first pattern that is found in a name, in small letters and with - for all else, is the device.
_PATTERNS: tuple[tuple[str, Device], ...] = (
    ("gh200", _device("GH200", 989, 96)),
    ("h200", _device("H200", 989, 141)),
    ("h100-nvl", _device("H100-NVL", 835, 94)),
    ("h100-pcie", _device("H100-PCIe", 756, 80)),
    ("h100", _device("H100-SXM", 989, 80)),
    ("h800-pcie", _device("H800-PCIe", 756, 80)),
    ("h800", _device("H800-SXM", 989, 80)),
    ("h20", _device("H20", 148, 96)),
    ("b200", _device("B200", 2250, 180)),
    ("a100.*40gb", _device("A100-40GB", 312, 40)),
    ("a100", _device("A100-80GB", 312, 80)),
    ("a800.*40gb", _device("A800-40GB", 312, 40)),
    ("a800", _device("A800-80GB", 312, 80)),
    ("a10g", _device("A10G", 70, 24)),
    ("a10", _device("A10", 125, 24)),
    ("a30", _device("A30", 165, 24)),
    ("a40", _device("A40", 149.7, 48)),
    ("l40s", _device("L40S", 362, 48)),
    ("l40", _device("L40", 181, 48)),
    ("l4", _device("L4", 121, 24)),
    ("rtx-6000-ada", _device("RTX 6000 Ada", 364, 48)),
    ("(rtx-)?a6000", _device("RTX A6000", 154.8, 48)),
    ("(rtx-)?5090", _device("RTX 5090", 209.5, 32)),
    ("(rtx-)?4090", _device("RTX 4090", 165.2, 24)),
    ("(rtx-)?4080", _device("RTX 4080", 97.5, 16)),
    ("(rtx-)?3090-ti", _device("RTX 3090 Ti", 80, 24)),
    ("(rtx-)?3090", _device("RTX 3090", 71, 24)),
    ("v100.*32gb", _device("V100-32GB", 125, 32, False)),
    ("v100", _device("V100-16GB", 125, 16, False)),
    ("t4", _device("T4", 65, 16, False)),
    ("mi355x", _device("MI355X", 2516, 288)),
    ("mi325x", _device("MI325X", 1307, 256)),
    ("mi300x", _device("MI300X", 1307, 192)),
    ("mi250x", _device("MI250X (one of two dies)", 191.5, 64)),
    ("mi250", _device("MI250 (one of two dies)", 181, 64)),
    ("mi210", _device("MI210", 181, 64)),
)
_OTHER_BUILDS = ("laptop", "max-q", "mobile", "-d-", "4090-d", "5090-d", "4080-super")


def find(name: str) -> Device | None:
    """The device of that name: torch's ("NVIDIA A100-SXM4-80GB") or a short one ("a100", "H100 PCIe"); else None."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    if any(build in f"{plain}-" for build in _OTHER_BUILDS):
        return None
    return next((device for pattern, device in _PATTERNS if re.search(rf"(^|-){pattern}(-|$)", plain)), None)


def peak_flops(name: str) -> float | None:
    """Dense bfloat16 operations per second; None where they are not known."""
    device = find(name)
    return None if device is None else device.flops

"""The peak performance of devices, found by common names and torch's names."""

from __future__ import annotations

import pytest

from promptcot.training.forecast.devices import GIB, find, peak_flops


@pytest.mark.parametrize(
    ("name", "tera", "gib"),
    [
        ("NVIDIA A100-SXM4-80GB", 312, 80),
        ("NVIDIA A100-SXM4-40GB", 312, 40),
        ("NVIDIA A100-PCIE-40GB", 312, 40),
        ("NVIDIA A100 80GB PCIe", 312, 80),
        ("A100-80GB", 312, 80),
        ("a100", 312, 80),
        ("NVIDIA H100 80GB HBM3", 989, 80),
        ("NVIDIA H100 PCIe", 756, 80),
        ("NVIDIA H100 NVL", 835, 94),
        ("H100", 989, 80),
        ("NVIDIA H200", 989, 141),
        ("NVIDIA GH200 480GB", 989, 96),
        ("NVIDIA H20", 148, 96),
        ("NVIDIA B200", 2250, 180),
        ("NVIDIA A10", 125, 24),
        ("NVIDIA A10G", 70, 24),
        ("NVIDIA L4", 121, 24),
        ("NVIDIA L40", 181, 48),
        ("NVIDIA L40S", 362, 48),
        ("NVIDIA GeForce RTX 3090", 71, 24),
        ("NVIDIA GeForce RTX 4090", 165.2, 24),
        ("NVIDIA GeForce RTX 5090", 209.5, 32),
        ("NVIDIA RTX A6000", 154.8, 48),
        ("NVIDIA RTX 6000 Ada Generation", 364, 48),
        ("Tesla V100-SXM2-32GB", 125, 32),
        ("Tesla V100-SXM2-16GB", 125, 16),
        ("AMD Instinct MI300X", 1307, 192),
        ("AMD Instinct MI250X", 191.5, 64),
    ],
)
def test_a_device_is_found_by_its_name(name: str, tera: float, gib: int) -> None:
    device = find(name)
    assert device is not None
    assert peak_flops(name) == device.flops == pytest.approx(tera * 1e12)
    assert device.memory == gib * GIB


@pytest.mark.parametrize(
    "name",
    ["cpu", "", "NVIDIA GeForce RTX 4090 Laptop GPU", "NVIDIA GeForce RTX 4090 D", "A1000", "NVIDIA L400", "B2000"],
)
def test_a_device_that_only_resembles_a_known_one_has_no_peak(name: str) -> None:
    assert find(name) is None
    assert peak_flops(name) is None


def test_a_device_without_units_for_bfloat16_says_so() -> None:
    old, new = find("V100"), find("A100")
    assert old is not None
    assert new is not None
    assert (old.bfloat16, new.bfloat16) == (False, True)

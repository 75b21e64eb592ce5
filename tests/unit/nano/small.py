"""Trainings that take a second: a model of two narrow layers, and few texts in a load."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from nano import models, packing
from nano.packing import Source
from nano.schedule import Training
from nano.texts import example

SOURCE: Source = partial(example, "solver", 1)
TRIAL = Training("trial", "solver", tokens=12_000, early=0.5, checks=0)


def shrink(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes models and loads small."""
    monkeypatch.setattr(models, "WIDTH", 16)
    monkeypatch.setattr(models, "LAYERS", 2)
    monkeypatch.setattr(models, "HEADS", 2)
    monkeypatch.setattr(packing, "LOAD", 16)


def weights(folder: Path) -> dict[str, Any]:
    """The tensors of a model's file, as lists."""
    from safetensors.torch import load_file

    return {name: tensor.float().tolist() for name, tensor in load_file(folder / "model.safetensors").items()}

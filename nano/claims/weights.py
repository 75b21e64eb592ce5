"""Short hashes by which results and pools are known: of trained weights, and of anything with a `repr`."""

from __future__ import annotations

import hashlib
from pathlib import Path

LENGTH = 10


def weights_hash(folder: Path) -> str:
    """The hash of a model's weights. Raises SystemExit where there are none."""
    path = folder / "model.safetensors"
    if not path.exists():
        raise SystemExit(f"{path}: no such weights; `python -m nano.train {folder.parent}` trains all models")
    return hashlib.sha256(path.read_bytes()).hexdigest()[:LENGTH]


def hash_of(*parts: object) -> str:
    """The hash of a few values."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:LENGTH]

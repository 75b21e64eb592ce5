"""Vectors as texts: what a journal keeps of them and a row carries."""

from __future__ import annotations

import base64

import numpy as np
from numpy.typing import NDArray


def as_text(vector: NDArray[np.float32]) -> str:
    """A vector, brought to length 1, in float16 and base64."""
    length = float(np.linalg.norm(vector))
    return base64.b64encode((vector / (length or 1.0)).astype("<f2").tobytes()).decode()


def from_text(text: str) -> NDArray[np.float16]:
    """The vector: array (dimensions,), of length 1. Raises ValueError for what is none."""
    return np.frombuffer(base64.b64decode(text, validate=True), "<f2")

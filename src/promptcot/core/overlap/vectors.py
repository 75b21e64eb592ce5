"""Vectors as text, for journals and rows."""

from __future__ import annotations

import base64

import numpy as np
from numpy.typing import NDArray


def as_text(vector: NDArray[np.float32]) -> str:
    """A vector, normalised to unit length, in float16 and base64."""
    length = float(np.linalg.norm(vector))
    return base64.b64encode((vector / (length or 1.0)).astype("<f2").tobytes()).decode()


def from_text(text: str) -> NDArray[np.float16]:
    """The vector: array (dimensions,), of unit length. Raises ValueError for invalid text."""
    return np.frombuffer(base64.b64decode(text, validate=True), "<f2")

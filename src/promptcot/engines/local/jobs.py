"""The jobs of the embedded engine's worker. Each job carries the future that receives its result."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from promptcot.records import Completion, Request, Score


@dataclass(frozen=True, slots=True)
class CompleteJob:
    request: Request
    answer: Future[Completion] = field(default_factory=Future)


@dataclass(frozen=True, slots=True)
class ScoreJob:
    prompt: str
    continuation: str
    answer: Future[Score] = field(default_factory=Future)


@dataclass(frozen=True, slots=True)
class EmbedJob:
    texts: Sequence[str]
    answer: Future[NDArray[np.float32]] = field(default_factory=Future)


Job = CompleteJob | ScoreJob | EmbedJob

"""Embeds a few problems in one call, for inspection. Nothing is written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from promptcot.engines.opening import EMBEDDER, TEXTS_AT_ONCE, texts_at_once
from promptcot.engines.protocol import Engine
from promptcot.pipeline.execute import open_engines
from promptcot.pipeline.observer import Observer
from promptcot.pipeline.synchronous import wait_for
from promptcot.pipeline.vectors import VectorsOf
from promptcot.recipe.schema import Model
from promptcot.records import Row
from promptcot.runners.retries import Patient


def vectors_by(model: Model, observer: Observer, engine: Engine | None = None) -> VectorsOf:
    """A function that embeds problems with a model, or with a given engine. The function raises EngineError."""

    def vectors(problems: Sequence[Row]) -> NDArray[np.float32]:
        texts = [str(row["problem"]) for row in problems]
        if not texts:
            return np.empty((0, 1), np.float32)
        found = wait_for(_embed(texts, model, observer) if engine is None else Patient(engine).embed(texts))
        usable = np.isfinite(found).all(axis=1) & found.any(axis=1)
        return np.asarray(found[usable], dtype=np.float32)

    return vectors


async def _embed(texts: Sequence[str], model: Model, observer: Observer) -> NDArray[np.float32]:
    with TemporaryDirectory() as folder:
        async with open_engines(Path(folder), observer, None, TEXTS_AT_ONCE) as engines:
            opened = await engines.open(model, EMBEDDER)
            return await Patient(opened, texts_at_once(model, engines.kind_of) or TEXTS_AT_ONCE).embed(texts)

"""Reads the vectors of problems, from rows of the step `embed` or from a file of embeddings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from promptcot.errors import InputError
from promptcot.records import Row
from promptcot.stages.embed import FIELD, vector_of
from promptcot.storage.embeddings import read_embeddings
from promptcot.storage.rows import hash_id, read_rows

VectorsOf = Callable[[Sequence[Row]], NDArray[np.float32]]
"""Returns the vectors of problems (`id`, `problem`), of those that have one in their order: array (n, dimensions)."""


def vectors_by_id(path: Path, problems: Sequence[Row]) -> NDArray[np.float32]:
    """The vectors that a file has for these problems, as `VectorsOf`.

    The file has rows with `id` and `problem_vector`, or embeddings whose names are ids or the problems' texts. Zero
    vectors are left out. Raises InputError for a file with no vector of any problem, or with different lengths.
    """
    wanted = {
        hash_id(str(value)): place for place, row in enumerate(problems) for value in row.values() if value is not None
    }
    found: dict[int, NDArray[np.floating]] = {}
    for name, vector in _named_vectors(path):
        place = wanted.get(hash_id(name))
        if place is not None and np.isfinite(vector).all() and vector.any():
            found.setdefault(place, vector)
    if problems and not found:
        raise InputError(f"{path}: it has no vector of any problem of the set, by its `id` or by its text")
    if len({len(vector) for vector in found.values()}) > 1:
        raise InputError(f"{path}: its vectors have different lengths, so they come from different models")
    return np.array([found[place] for place in sorted(found)], dtype=np.float32)


def _named_vectors(path: Path) -> Iterator[tuple[str, NDArray[np.floating]]]:
    if path.name.endswith(".safetensors") or "embedding" in next(read_rows(path, may_be_empty=True), {}):
        embeddings = read_embeddings(path)
        yield from zip(embeddings.names, embeddings.matrix, strict=True)
        return
    for number, row in enumerate(read_rows(path, may_be_empty=True), 1):
        try:
            vector = vector_of(row)
        except ValueError as error:
            raise InputError(f"{path}, row {number}: its `{FIELD}` is not a vector ({error})") from error
        if vector is not None:
            yield str(row.get("id")), vector

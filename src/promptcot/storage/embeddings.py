"""Embeddings files: a float16 matrix and the names of its rows, in two formats.

`X.safetensors` holds the matrix under `embeddings`, with the names in `X.jsonl` beside it (`sentence`), and is memory
mapped, never loaded. The public format is one `X.jsonl` with `sentence` and `embedding` in each row. The sampler
decides which concepts need a vector.

The header is parsed here because the sampler selects rows by index from a matrix that stays on disk: the safetensors
library only copies contiguous slices or the whole matrix.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from promptcot.errors import InputError
from promptcot.records import Row
from promptcot.storage.atomic import make_parent, removed_on_error, storing, sync
from promptcot.storage.json import loads
from promptcot.storage.paths import PARTIAL, SUFFIXES
from promptcot.storage.rows import read_rows
from promptcot.storage.sources import is_file, on_disk
from promptcot.storage.writer import RowWriter

Matrix = NDArray[np.floating[Any]]

_TENSOR = "embeddings"
_TYPES: dict[Any, np.dtype[Any]] = {"F16": np.dtype("<f2"), "F32": np.dtype("<f4")}
_LONGEST_HEADER = 1 << 20
_BLOCK = 4096
_EXPONENT = {2: (np.uint16, 0x7C00), 4: (np.uint32, 0x7F800000)}


@dataclass(frozen=True)
class Embeddings:
    """`matrix[i]`, (names, dimensions), belongs to `names[i]`."""

    names: Sequence[str]
    matrix: Matrix


def read_embeddings(path: str | Path) -> Embeddings:
    """The embeddings of a file in either format. All values are finite, and all rows have the same length.

    Raises InputError for a file that is missing, empty or malformed, naming the row.
    """
    source = Path(path)
    if source.name.endswith(".safetensors"):
        return _read_safetensors(on_disk(source), source)
    if source.name.endswith(SUFFIXES):
        return _read_public(source)
    raise InputError(f"{source}: embeddings must be a .safetensors file or one of {', '.join(SUFFIXES)}")


def _read_safetensors(mapped: Path, source: Path) -> Embeddings:
    matrix = _map(mapped)
    names_file = source.with_suffix(".jsonl")
    if not is_file(names_file):
        raise InputError(f"{names_file}: no such file; it must hold the names of the rows of {source.name}")
    names = [_name(row, number, names_file) for number, row in enumerate(read_rows(names_file), 1)]
    if len(names) != len(matrix):
        raise InputError(f"{names_file}: {len(names):,} names for the {len(matrix):,} rows of {source.name}")
    _check_finite(matrix, names, source)
    return Embeddings(names, matrix)


def _map(source: Path) -> Matrix:
    """The matrix in a safetensors file: read-only, on disk until it is used."""
    if not source.is_file():
        raise InputError(f"{source}: no such file")
    size = source.stat().st_size
    with source.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = _header(file.read(min(length, _LONGEST_HEADER)), source)
    entry = header.get(_TENSOR)
    if not isinstance(entry, dict):
        raise InputError(f"{source}: holds no tensor `{_TENSOR}` (but {', '.join(sorted(header)) or 'nothing'})")
    kind, shape, (begin, end) = entry.get("dtype"), entry.get("shape", ()), entry.get("data_offsets", (0, 0))
    if kind not in _TYPES or len(shape) != 2:
        raise InputError(f"{source}: `{_TENSOR}` must be a matrix of type F16 or F32, this is {kind} {list(shape)}")
    if math.prod(shape) == 0:
        raise InputError(f"{source}: `{_TENSOR}` is empty")
    if end - begin != math.prod(shape) * _TYPES[kind].itemsize or 8 + length + end > size:
        raise InputError(f"{source}: the file is truncated or its header is wrong; encode the concepts again")
    return np.memmap(source, _TYPES[kind], "r", 8 + length + begin, tuple(shape))


def _header(text: bytes, source: Path) -> dict[str, Any]:
    try:
        header = loads(text)
    except ValueError as error:
        raise InputError(f"{source}: not a safetensors file") from error
    return header if isinstance(header, dict) else {}


def _check_finite(matrix: Matrix, names: Sequence[str], source: Path) -> None:
    """Check all values once, a block at a time. A float is not finite when all bits of its exponent are set."""
    word, exponent = _EXPONENT[matrix.dtype.itemsize]
    for first in range(0, len(matrix), _BLOCK):
        bits = np.asarray(matrix[first : first + _BLOCK]).view(word)
        bad = ((bits & word(exponent)) == exponent).any(axis=1)
        if bad.any():
            row = first + int(bad.argmax())
            raise InputError(f"{source}, row {row + 1} ({names[row]!r}): the embedding has values that are not finite")


def _read_public(source: Path) -> Embeddings:
    names: list[str] = []
    values = bytearray()
    dimensions = 0
    for number, row in enumerate(read_rows(source), 1):
        names.append(_name(row, number, source))
        vector = _vector(row, number, source)
        dimensions = dimensions or len(vector)
        if len(vector) != dimensions:
            raise InputError(f"{source}, row {number}: {len(vector)} dimensions, the rows before have {dimensions}")
        values += vector.tobytes()
    return Embeddings(names, np.frombuffer(values, np.float16).reshape(len(names), dimensions))


def _vector(row: Row, number: int, source: Path) -> NDArray[np.float16]:
    found = row.get("embedding")
    if not isinstance(found, list) or not found:
        raise InputError(f"{source}, row {number}: `embedding` is missing or is not a list of numbers")
    try:
        vector = np.array(found, np.float64)
    except (TypeError, ValueError):
        vector = np.empty(0)
    if vector.shape != (len(found),):
        raise InputError(f"{source}, row {number}: `embedding` is not a list of numbers")
    if not np.isfinite(vector).all():
        raise InputError(f"{source}, row {number}: the embedding has values that are not finite")
    halves: NDArray[np.float16] = to_float16(vector[np.newaxis])[0]
    return halves


def _name(row: Row, number: int, source: Path) -> str:
    name = row.get("sentence")
    if not isinstance(name, str) or not name.strip():
        raise InputError(f"{source}, row {number}: `sentence` is missing or is not a text")
    return name


def to_float16(vectors: Matrix) -> NDArray[np.float16]:
    """The same vectors, (rows, dimensions), in float16; a vector with too large values is scaled down as a whole.

    This keeps its direction, which is all that matters for cosines. The vectors must be finite.
    """
    largest = np.abs(vectors).max(axis=1, keepdims=True)
    limit = float(np.finfo(np.float16).max)
    scaled: Matrix = np.where(largest > limit, vectors / np.maximum(largest, 1.0) * limit, vectors)
    halves: NDArray[np.float16] = scaled.astype(np.float16)
    return halves


def check_output(path: str | Path) -> Path:
    """The path, if embeddings can be written there without replacing another file. Raises InputError.

    The names of `X.safetensors` go to `X.jsonl`, which may be the name of the concepts file itself.
    """
    target = Path(path)
    if not target.name.endswith((".safetensors", ".jsonl", ".jsonl.zst")):
        raise InputError(f"{target}: embeddings are written to .safetensors or .jsonl; choose such an output")
    names = target.with_suffix(".jsonl")
    if target.name.endswith(".safetensors") and names.exists():
        first = next(read_rows(names, may_be_empty=True), {"sentence": ""})
        if first.keys() != {"sentence"}:
            raise InputError(
                f"{names}: it would be replaced by the names of {target.name}; choose another --output_path"
            )
    return target


def write_embeddings(path: str | Path, names: Sequence[str], dimensions: int, blocks: Iterable[Matrix]) -> None:
    """Write `names` and their vectors, given in blocks of rows, in the format of the path's suffix.

    The files appear atomically at the end. Raises InputError for another suffix, and StorageError.
    """
    target = check_output(path)
    if target.name.endswith(".safetensors"):
        _write_safetensors(target, names, dimensions, blocks)
    else:
        _write_rows(target, _public_rows(names, blocks))


def _write_safetensors(target: Path, names: Sequence[str], dimensions: int, blocks: Iterable[Matrix]) -> None:
    partial = target.with_name(target.name + PARTIAL)
    make_parent(target)
    with removed_on_error(partial):
        with storing(partial):
            with partial.open("wb") as file:
                file.write(_safetensors_header(len(names), dimensions))
                for block in blocks:
                    file.write(np.ascontiguousarray(block, "<f2").data)
            sync(partial)
        # The matrix is published last, so that its names are always there.
        _write_rows(target.with_suffix(".jsonl"), ({"sentence": name} for name in names))
        with storing(target):
            os.replace(partial, target)
            sync(target.parent)


def _safetensors_header(rows: int, dimensions: int) -> bytes:
    entry = {"dtype": "F16", "shape": [rows, dimensions], "data_offsets": [0, rows * dimensions * 2]}
    text = json.dumps({_TENSOR: entry}).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _public_rows(names: Sequence[str], blocks: Iterable[Matrix]) -> Iterator[Row]:
    vectors = (vector for block in blocks for vector in block.tolist())
    for name, vector in zip(names, vectors, strict=True):
        yield {"sentence": name, "embedding": vector}


def _write_rows(target: Path, rows: Iterable[Row]) -> None:
    writer = RowWriter(target)
    try:
        for row in rows:
            writer.write(row)
        writer.commit()
    finally:
        writer.discard()

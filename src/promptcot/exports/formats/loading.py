"""Loads files with the library `datasets`, which most trainers use, or line by line.

Libraries are imported on first use, and their output is hidden. Their caches go to a folder given by the caller, so
nothing is left behind.
"""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promptcot.errors import InputError
from promptcot.records import Row


@dataclass(frozen=True, slots=True)
class Loaded:
    """`rows` from the loader, and the loader's name. If it returns only some columns, these are compared."""

    rows: Iterable[Row]
    by: str


def by_datasets(files: Sequence[Path]) -> Loaded:
    """Like nearly all trainers: each file separately, in order."""
    import datasets

    kind = "parquet" if files[0].suffix == ".parquet" else "json"
    parts = [datasets.load_dataset(kind, data_files=str(file), split="train") for file in files]
    return Loaded(datasets.concatenate_datasets(parts), f"datasets {datasets.__version__}")


def by_trl(files: Sequence[Path], *, conversational: bool) -> Loaded:
    """Like TRL's trainers, which then inspect a row to see whether it is a conversation.

    The rows raise InputError if TRL misclassifies one.
    """
    import trl
    from trl.data_utils import is_conversational

    def seen(rows: Iterable[Row]) -> Iterator[Row]:
        for row in rows:
            if is_conversational(row) != conversational:
                raise InputError(f"TRL takes a row for {'texts' if conversational else 'a conversation'}: {row}")
            yield row

    loaded = by_datasets(files)
    return Loaded(seen(loaded.rows), f"{loaded.by} and trl.data_utils {trl.__version__}")


def by_lines(files: Sequence[Path]) -> Loaded:
    """JSON Lines, each line on its own."""
    return Loaded(_lines(files), "json, line by line")


def _lines(files: Sequence[Path]) -> Iterator[Row]:
    for file in files:
        with file.open(encoding="utf-8") as lines:
            yield from map(json.loads, lines)


@contextlib.contextmanager
def quietly(cache: Path) -> Iterator[None]:
    """Suppress the output of loaders, and keep their caches in the folder `cache`."""
    with contextlib.ExitStack() as stack, contextlib.redirect_stdout(io.StringIO()):
        for setting in _of_datasets():
            stack.enter_context(setting(cache))
        yield


def _of_datasets() -> list[Any]:
    try:
        import datasets
    except ImportError:
        return []

    @contextlib.contextmanager
    def cached(cache: Path) -> Iterator[None]:
        before, shown = datasets.config.HF_DATASETS_CACHE, datasets.utils.is_progress_bar_enabled()
        datasets.config.HF_DATASETS_CACHE = cache
        datasets.utils.disable_progress_bar()
        try:
            yield
        finally:
            datasets.config.HF_DATASETS_CACHE = before
            if shown:
                datasets.utils.enable_progress_bar()

    return [cached]

"""Settings that the API's functions share: the engine, the journal, and the progress callback."""

from __future__ import annotations

import asyncio
import tempfile
import time
import warnings
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, TypedDict, TypeVar

from pydantic import BaseModel

from promptcot.core.columns import Columns
from promptcot.core.columns import checked as checked_columns
from promptcot.core.shards import Shard
from promptcot.core.statistics.forecast import Standing
from promptcot.engines.cluster.scale import Scale
from promptcot.engines.own import OwnEngine
from promptcot.engines.protocol import Engine
from promptcot.errors import InputError, UsageError
from promptcot.pipeline.observer import Observer, Silent
from promptcot.recipe.loading import parse_as
from promptcot.recipe.schema import Model
from promptcot.storage.counts import StageCounts
from promptcot.storage.delivery import Delivery
from promptcot.storage.file_rows import FileRows
from promptcot.storage.paths import Kind, beside, url_of

Section = TypeVar("Section", bound=BaseModel)

ModelLike: TypeAlias = "str | Path | Model | Mapping[str, Any] | Engine"
"""A name or folder of a model, its settings, or your own engine."""

_LOOK_EVERY = 0.5


@dataclass(frozen=True)
class Progress:
    """A snapshot of the progress: counts by step, and the number of input rows and the target, if known."""

    counts: Mapping[str, StageCounts]
    total: int | None
    target: int | None
    seconds: float


OnProgress: TypeAlias = Callable[[Progress], object]


class Working(TypedDict, total=False):
    """The settings that every function with a model accepts.

    `journal` is a folder that keeps finished calls, so that the same function call resumes after an interruption;
    without it nothing is kept. `on_progress` is called about twice a second, and at the end. `shard`, such as "1/4",
    uses only the rows of that part; `merge` joins the results of the parts in their journal folders. With a `cluster`,
    the address of a Ray cluster ("auto" for this machine's) or a `promptcot.Scale`, models are served there. With
    `keep_going` all rows are processed even if no reply is usable, to measure a model.
    """

    seed: int
    journal: str | Path | None
    concurrency: int
    max_retries: int
    max_cost: float | None
    keep_going: bool
    cluster: str | Scale | None
    on_progress: OnProgress | None
    shard: str | None


KNOWN = frozenset(Working.__annotations__)


_LEAST = {"seed": 0, "concurrency": 1, "max_retries": 0}


def check_working(working: Mapping[str, Any]) -> None:
    """Raises TypeError for an argument that no function accepts, as Python does, and UsageError for a wrong value."""
    if unknown := [name for name in working if name not in KNOWN]:
        hint = "; it is a setting of promptcot.Model" if unknown[0] in Model.model_fields else ""
        raise TypeError(f"unexpected keyword argument {unknown[0]!r}; known are {', '.join(sorted(KNOWN))}{hint}")
    for name, least in _LEAST.items():
        whole_number(name, working.get(name, least), least)
    cost = working.get("max_cost")
    if cost is not None and not (isinstance(cost, (int, float)) and cost > 0):
        raise UsageError(f"max_cost: {cost!r} is not an amount above 0")
    if not isinstance(working.get("journal"), (str, Path, type(None))):
        raise UsageError(f"journal: {working['journal']!r} is not the path of a folder")
    if (url := url_of(working.get("journal") or "")) is not None:
        raise UsageError(f"journal: {url} is an address; a journal has to be in a folder on this machine")
    shard_in(working)
    scale_of(working.get("cluster"))
    if working.get("on_progress") is not None and not callable(working["on_progress"]):
        raise UsageError(f"on_progress: {working['on_progress']!r} cannot be called")


def shard_in(working: Mapping[str, Any]) -> Shard | None:
    """The requested shard. Raises UsageError."""
    shard_text = working.get("shard")
    return None if shard_text is None else Shard.parse(shard_text)


def scale_of(cluster: str | Scale | None) -> Scale | None:
    """The settings for the requested cluster. Raises UsageError."""
    if isinstance(cluster, str) and cluster:
        return Scale(cluster)
    if cluster is None or isinstance(cluster, Scale):
        return cluster
    raise UsageError(
        f"cluster: {cluster!r} is neither an address of a Ray cluster, such as 'auto', nor a promptcot.Scale"
    )


def columns_of(mapping: Mapping[str, str] | None) -> Columns:
    """How rows are read. Raises UsageError for an unknown field."""
    return Columns(checked_columns(mapping or {}))


def whole_number(name: str, value: object, least: int) -> None:
    """Raises UsageError unless the value is a whole number of at least the minimum."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise UsageError(f"{name}: {value!r} is not a whole number of at least {least}")


def model_of(model: ModelLike, **defaults: Any) -> tuple[Model, Engine | None]:
    """A model's settings, and the engine passed in its place. Raises RecipeError."""
    if isinstance(model, Model):
        return model, None
    if isinstance(model, (str, Path)):
        return checked(Model, {**defaults, "model": str(model)}), None
    if isinstance(model, Mapping):
        return checked(Model, {**defaults, **model}), None
    if callable(getattr(model, "complete", None)) and isinstance(getattr(model, "model", None), str):
        return checked(Model, {**defaults, "model": model.model}), OwnEngine(model, type(model).__name__)
    raise InputError(f"model: {type(model).__name__} is not a model; give a name, a promptcot.Model or an engine")


def checked(section: type[Section], table: Mapping[str, Any]) -> Section:
    """A section of a recipe from a table. Raises RecipeError."""
    return parse_as(section, table, section.__name__)


@contextmanager
def workplace(journal: str | Path | None) -> Iterator[Path]:
    """The folder that a step works in: the journal's, or a temporary one."""
    if journal is not None:
        yield Path(journal)
        return
    with tempfile.TemporaryDirectory(prefix="promptcot-") as folder:
        yield Path(folder)


@asynccontextmanager
async def delivered(output: Path, journal: str | Path | None, kind: Kind) -> AsyncIterator[Path]:
    """The local path of an output; one at an address is copied there when the block succeeds. Raises UsageError."""
    delivery = Delivery.of(output, journal, kind)
    if delivery is None:
        if journal is not None:
            raise UsageError(
                "journal is for an output at an address; an output on this machine has its own journal beside it"
            )
        yield output
        return
    with delivery.held():
        await asyncio.to_thread(delivery.prepare)
        yield delivery.made
        await asyncio.to_thread(delivery.send)


def rows_beside(output: Path, *, lasting: bool) -> tuple[Sequence[Any], Sequence[Any], Sequence[Any]]:
    """Rows, dropped and failed rows of an output; read immediately if its folder is temporary."""
    found = [FileRows(output), *(FileRows(beside(output, f"{kind}.jsonl")) for kind in ("dropped", "failed"))]
    rows, dropped, failed = found if lasting else map(list, found)
    return rows, dropped, failed


def observer_of(on_progress: OnProgress | None) -> Observer:
    """The observer for a progress callback."""
    return Silent() if on_progress is None else _Calling(on_progress)


class _Calling(Silent):
    """Calls a function periodically, on the event loop that does the work."""

    def __init__(self, on_progress: OnProgress) -> None:
        self._on_progress = on_progress
        self._failed = False

    def watch(
        self,
        counts: Mapping[str, StageCounts],
        *,
        total: int | None,
        target: int | None = None,
        note: Callable[[], str] = str,
        standing: Callable[[], Standing] | None = None,
    ) -> AbstractContextManager[object]:
        if "encode" in counts:  # encoding has no rows, and a callback may expect the steps of the run
            return nullcontext()
        return self._calling(counts, total, target)

    @contextmanager
    def _calling(self, counts: Mapping[str, StageCounts], total: int | None, target: int | None) -> Iterator[None]:
        begun = time.monotonic()

        def call() -> None:
            if self._failed:
                return
            try:
                self._on_progress(Progress(counts, total, target, time.monotonic() - begun))
            except Exception as error:  # a callback that fails must not lose finished work
                self._failed = True
                warnings.warn(f"on_progress raised {error!r}; it is not called again", RuntimeWarning, stacklevel=2)

        async def call_again() -> None:
            while True:
                await asyncio.sleep(_LOOK_EVERY)
                call()

        task = asyncio.create_task(call_again())
        try:
            yield
        finally:
            task.cancel()
        call()

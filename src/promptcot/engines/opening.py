"""Opens the engine for a model's description; each distinct model is opened once.

Decides which engine serves a model, and where our own servers run when there are several. The adapters listed in
`recipe.engines` open the engines; they import heavy libraries only then.
"""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol, Self

from promptcot import nano
from promptcot.engines.machine import memory_total, visible_gpus
from promptcot.engines.model_files import folder_on_disk
from promptcot.engines.own import opened
from promptcot.engines.protocol import Engine
from promptcot.engines.vllm.options import Group
from promptcot.engines.vllm.placement import Placement, take, together, together_on_cpu
from promptcot.errors import InputError
from promptcot.recipe import import_path
from promptcot.recipe.engines import AUTO, ENGINES
from promptcot.recipe.schema import Encode, Served
from promptcot.storage.paths import url_of

TEXTS_AT_ONCE = 32
EMBEDDER = "embedder"
"""The role of a model that only embeds problems."""
_KV_SPACE = 2 << 30

EngineOpener = Callable[[Served, str], Awaitable[Engine]]


def unheard(text: str) -> None:
    """Ignores messages."""


@dataclass(frozen=True)
class Listen:
    """How a server for a cluster listens: at the address `host` of its node, on a free one of `ports` (0 is any), for
    calls with the `key` that request `name`. A part of a multi-node server has its rank in the `group`.
    """

    host: str
    key: str = field(repr=False)
    logs: Path
    name: str
    ports: range = range(1)
    group: Group | None = None


class Server(Protocol):
    """A server of one model, on the node where it was created."""

    async def start(self) -> list[str]:
        """Run until it answers; returns its base URLs. Raises EngineUnusable, InputError."""
        ...

    async def ended(self) -> str:
        """Wait until it has ended or is unusable, and return how it ended."""
        ...

    async def stop(self) -> None:
        """Stop it; no process is left when this returns."""
        ...


@dataclass(frozen=True)
class Site:
    """Where an engine works: its logs go to `directory`, its own server to `placement`; `number` distinguishes it.

    `say` receives messages about slow operations: a server starts, a model is loaded. It may be called from any thread.
    """

    directory: Path
    number: int = 0
    placement: Placement | None = None
    say: Callable[[str], None] = unheard


def kind_of(spec: Served) -> str:
    """The name of the engine that serves a model."""
    if spec.engine != AUTO:
        return spec.engine
    if spec.base_url:
        return "openai"
    if not nano.is_nano(spec.model) and importlib.util.find_spec("vllm") is not None and visible_gpus():
        return "vllm"
    return "local"


def texts_at_once(spec: Served, kind: Callable[[Served], str] = kind_of) -> int | None:
    """The number of texts that an engine embeds in one call that may fail; None for engines of this process, which
    choose it.
    """
    return None if kind(spec) == "local" else TEXTS_AT_ONCE


class Engines:
    """The engines of a run; servers write their logs into `directory`. An async context manager that closes them.

    `say` receives messages when models are loaded and servers start.
    """

    def __init__(self, directory: Path, say: Callable[[str], None] = unheard) -> None:
        self._directory = directory
        self._say = say
        self._opened: dict[str, Engine] = {}
        self._placements: dict[str, Placement] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def kind_of(self, spec: Served) -> str:
        """The name of the engine that serves a model here."""
        return kind_of(spec)

    async def open(self, spec: Served, role: str) -> Engine:
        """The engine for a model; `nano` alone is the embedded model of `role`. Raises InputError, EngineUnusable."""
        key = key_of(spec, role)
        if key not in self._opened:
            kind = kind_of(spec)
            site = Site(self._directory, len(self._opened), self._placement(key), self._say)
            open_engine = partial(_open, ENGINES.get(kind, kind), spec, role, site)
            self._opened[key] = await (open_engine() if kind in ENGINES else opened(kind, open_engine))
        return self._opened[key]

    def place(self, specs: Sequence[tuple[Served, str]]) -> bool:
        """Assign GPUs to each vLLM server of a run; False if they do not fit and have to run one after another."""
        from promptcot.engines.vllm.server import need_of

        distinct = {key_of(spec, role): (spec, role) for spec, role in specs if kind_of(spec) == "vllm"}
        if len(distinct) < 2:
            return True
        needs = [need_of(nano.resolve(spec.model, role), spec.model) for spec, role in distinct.values()]
        gpus = take(max(spec.n_gpus for spec, _ in distinct.values()), visible_gpus())
        placements = together(needs, gpus) if gpus else together_on_cpu(needs, _KV_SPACE, memory_total())
        self._placements = dict(zip(distinct, placements, strict=True)) if placements else {}
        return placements is not None

    def weigh(self, work: Mapping[Engine, float]) -> None:
        """Set the amount of work of each model, relative to the others. On one machine this has no effect."""

    @property
    def take_turns(self) -> bool:
        """Whether models alternate while rows are streamed through all of them."""
        return False

    @property
    def note(self) -> str:
        """Notes of the engines for the progress display."""
        notes = (getattr(engine, "note", None) for engine in tuple(self._opened.values()))
        return "; ".join(note for note in notes if note and isinstance(note, str))

    def _placement(self, key: str) -> Placement | None:
        """Where our own server runs, if that is decided."""
        return self._placements.get(key)

    async def close(self) -> None:
        """Release all models."""
        async with AsyncExitStack() as stack:  # closes the others even if closing one fails
            for engine in self._opened.values():
                stack.push_async_callback(engine.close)
            self._opened = {}


async def _open(path: str, spec: Served, role: str, site: Site) -> Engine:
    engine = import_path.load(path)(spec, role, site)
    opened: Engine = await engine if inspect.isawaitable(engine) else engine
    return opened


def key_of(spec: Served, role: str) -> str:
    """The key of an opened model: all settings except those of sampling."""
    purpose = "embed" if gives_vectors(spec, role) and kind_of(spec) == "vllm" else ""
    shared = spec.model_dump_json(include=set(Served.model_fields) - {"price"})
    embedded = role if spec.model == nano.NAME else ""  # not its folder: a server's only model has that name too
    return f"{purpose} {embedded} {shared}"


def gives_vectors(spec: Served, role: str) -> bool:
    """Whether a model is opened only for embedding."""
    return isinstance(spec, Encode) or role == EMBEDDER


def local_folder(model: str, role: str) -> Path:
    """The folder of a model that this process runs: its own, or its snapshot in the local Hub cache.

    Raises InputError.
    """
    if (folder := folder_on_disk(nano.resolve(model, role))) is not None:
        return folder
    if (url := url_of(model)) is not None:
        raise InputError(
            f"{url}: an address, and this process runs models from a folder on this machine. Copy the model here; or "
            "--engine vllm, which loads from some addresses itself"
        )
    raise InputError(
        f"{model}: no such model folder, and no such model in the local Hub cache. `hf download {model}` fetches a "
        "model of the Hub; `nano` is the embedded one; --base-url calls a server"
    )

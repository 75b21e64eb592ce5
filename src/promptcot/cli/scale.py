"""`--runner ray`: the options that say how work is spread over a cluster, and the passes that a command makes there.

Decides what a worker of a model needs, and how many there are by default: one for each node, or for each group of GPUs.
The passes themselves are `runners.ray`'s.
"""

from __future__ import annotations

import hashlib
import importlib
import math
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from promptcot.cli.console import say
from promptcot.engines.opening import Engines
from promptcot.engines.protocol import Engine
from promptcot.errors import InputError, UsageError
from promptcot.pipeline.run import numbered
from promptcot.pipeline.waves import Turns
from promptcot.recipe.schema import Model, Served
from promptcot.runners.streams import items_of
from promptcot.stages.protocol import Stage
from promptcot.storage.counts import StageCounts
from promptcot.storage.journal import Journal
from promptcot.storage.json import dumps
from promptcot.storage.paths import beside, url_of
from promptcot.storage.upload import Published

if TYPE_CHECKING:
    from promptcot.runners.cluster.nodes import Cluster
    from promptcot.runners.cluster.runner import Crew, RayRunner

_BATCHES, _GROWTH = 8, 4
"""Rows that a worker holds for each call at a time, unless it is told otherwise; how many times as many at most."""


Command = TypeVar("Command", bound=Callable[..., Any])
Spec = TypeVar("Spec", bound=Served)


@dataclass(frozen=True)
class Scale:
    """What the options say. Without `is_ray` everything runs on this machine."""

    is_ray: bool = False
    address: str | None = None
    actors: tuple[int, int] | None = None
    gpus_per_actor: float | None = None
    batch_size: int | None = None


def _actors(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int, int] | None:
    found = re.fullmatch(r"(\d+)(?::(\d+))?", value or "")
    if value is None:
        return None
    if found is None or not 1 <= int(found[1]) <= int(found[2] or found[1]):
        raise click.BadParameter("write the number of workers, or MIN:MAX, such as 2:8")
    return int(found[1]), int(found[2] or found[1])


def scale_options(command: Command) -> Command:
    """Where the work is done. The command gets one parameter, `scale`, in their place."""
    options = [
        click.option(
            "--runner",
            type=click.Choice(["local", "ray"]),
            default="local",
            show_default=True,
            help="This machine, or a Ray cluster.",
        ),
        click.option(
            "--ray-address", help="HOST:PORT or auto.  [default: the cluster on this machine, else a new one]"
        ),
        click.option(
            "--actors", callback=_actors, help="Workers, or MIN:MAX.  [default: one per node or group of GPUs]"
        ),
        click.option(
            "--gpus-per-actor", type=click.FloatRange(min=0), help="[default: --n-gpus, else 1 where one helps]"
        ),
        click.option(
            "--batch-size",
            type=click.IntRange(min=1),
            help="Rows that a worker holds, and may have to repeat.  [default: "
            f"{_BATCHES} for each call at a time, up to {_BATCHES * _GROWTH} where there are many]",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def take_scale(options: Mapping[str, Any]) -> tuple[Scale, dict[str, Any]]:
    """The scale, and the options without it: results do not depend on where they are made. Raises UsageError."""
    rest = dict(options)
    runner, address, *how = (rest.pop(name) for name in _OPTIONS)
    scale = Scale(runner == "ray", address, *how)
    if not scale.is_ray and any(value is not None for value in (address, *how)):
        raise UsageError("--ray-address, --actors, --gpus-per-actor and --batch-size need --runner ray")
    if scale.is_ray and rest.get("max_cost") is not None:
        raise UsageError("--max-cost is kept by the local runner only: the workers of a cluster share no purse")
    return scale, rest


_OPTIONS = ("runner", "ray_address", "actors", "gpus_per_actor", "batch_size")


@contextmanager
def joined(scale: Scale) -> Iterator[Cluster | None]:
    """The cluster, until this process leaves it; None for work on this machine. Raises InputError, ClusterUnusable."""
    if not scale.is_ray:
        yield None
        return
    try:
        importlib.import_module("promptcot.runners.cluster.runner")
        from promptcot.runners.cluster.nodes import join
    except ImportError as error:
        raise InputError(f"--runner ray needs Ray ({error}): pip install 'promptcot[ray]'") from error
    cluster = join(scale.address)
    try:
        nodes = len(cluster.nodes)
        say(
            f"ray: {nodes} node{'s' if nodes != 1 else ''} at {cluster.address}, dashboard {cluster.dashboard or 'n/a'}"
        )
        yield cluster
    finally:
        cluster.leave()


def runner_on(
    cluster: Cluster, folder: Path, recipe: Mapping[str, Any], models: Sequence[Served], max_retries: int = 0
) -> RayRunner:
    """A runner on the cluster that works in `folder`, by all that is to be done. Raises InputError, ClusterUnusable."""
    from promptcot.runners.cluster.nodes import hold, look_over
    from promptcot.runners.cluster.runner import RayRunner
    from promptcot.storage.remote import Folder

    work = Folder.at(folder) / hashlib.blake2b(dumps(recipe), digest_size=8).hexdigest()
    work.make()
    if url_of(folder) is not None:
        hold(cluster, work)
    keys = {spec.api_key_env for spec in models if spec.base_url and os.environ.get(spec.api_key_env)}
    look_over(cluster, work, sorted(keys))
    return RayRunner(cluster, work, max_retries)


@dataclass(frozen=True)
class _Opener:
    """Opens the engine of a model on a worker."""

    spec: Model
    role: str

    async def __call__(self, logs: Path) -> Engine:
        return await Engines(logs).open(self.spec, self.role)


def work_folder(output: Path) -> Path:
    """Where the passes for an output do their work."""
    return beside(output, "ray")


def left_calls(work: Path, stages: Sequence[str]) -> Iterator[Path]:
    """Folders of finished calls that killed passes left on this disk; a runner on the cluster finds its own."""
    for name in stages:
        yield from work.glob(f"*/{name}/calls")


def published_at(output: Path, scale: Scale) -> Published:
    """An output at its path or address. Raises UsageError for an address without a cluster."""
    if url_of(output) is not None and not scale.is_ray:
        raise UsageError(f"{output}: --runner ray writes to addresses; on this machine an output is a path")
    return Published(output)


def remove_work(folder: Path) -> None:
    """What passes over a cluster left: it is in the outputs and their journals now."""
    if url_of(folder) is None:
        shutil.rmtree(folder, ignore_errors=True)
        return
    from promptcot.storage.remote import Folder

    Folder.at(folder).remove()


def on_workers(spec: Spec, cluster: Cluster) -> Spec:
    """The model as a worker opens it: by vLLM where the cluster has GPUs, on all those that Ray lets the worker see.

    The driver opens it so, too, though it never asks it: both must know it by the same name.
    """
    decided = spec.engine != "auto" or spec.base_url or _is_nano(spec) or not _has_gpus(cluster)
    return spec.model_copy(update={"n_gpus": 0, **({} if decided else {"engine": "vllm"})})


def crew_of(scale: Scale, runner: RayRunner, spec: Model, role: str, engine: Engine, concurrency: int) -> Crew:
    """Who answers for a model on the cluster. Raises UsageError."""
    from promptcot.runners.cluster.nodes import Need
    from promptcot.runners.cluster.runner import Crew, Spread

    opened = on_workers(spec, runner.cluster)
    gpus = _gpus_of(scale, spec, opened, runner.cluster)
    need = Need(1.0, gpus)
    rooms = runner.cluster.rooms(need)
    every = max(1, sum(rooms) if gpus else len(rooms))
    least, most = scale.actors or (every, every)
    batch, growth = (scale.batch_size, 1) if scale.batch_size else (_BATCHES * concurrency, _GROWTH)
    spread = Spread(least, most, need, concurrency, batch, growth)
    at_once = max(1, min(most, sum(rooms)))
    return Crew(engine, _Opener(_shared(opened, at_once), role), spread)


def _gpus_of(scale: Scale, spec: Model, opened: Model, cluster: Cluster) -> float:
    """GPUs of a worker. Raises UsageError for a part of a GPU where vLLM would take all of it."""
    if spec.base_url:
        return scale.gpus_per_actor or 0.0
    own = _has_gpus(cluster) and not (_is_nano(spec) and spec.engine != "vllm")
    gpus = float(spec.n_gpus or own) if scale.gpus_per_actor is None else scale.gpus_per_actor
    if opened.engine == "vllm" and _has_gpus(cluster) and (gpus < 1 or gpus % 1):
        raise UsageError(f"--gpus-per-actor {gpus:g}: vLLM takes whole GPUs; give each worker one or more")
    return gpus


def _has_gpus(cluster: Cluster) -> bool:
    return any(node["Resources"].get("GPU") for node in cluster.nodes)


def _is_nano(spec: Served) -> bool:
    return spec.model.partition(":")[0] == "nano"


def _shared(spec: Model, workers: int) -> Model:
    """A server's limits hold for all workers together, of which so many are there at once."""
    limits = {name: getattr(spec, name) for name in ("requests_per_minute", "tokens_per_minute")}
    return spec.model_copy(update={name: limit and math.ceil(limit / workers) for name, limit in limits.items()})


@dataclass
class ClusterTurns(Turns):
    """Gives each stage its turn on the whole cluster. `crews` says who answers, by the name of the stage."""

    crews: Mapping[str, Crew] = field(default_factory=dict)

    async def _pass(self, stages: Sequence[Stage], wave: int) -> None:
        """Ask the last of these stages about what the one before it gave, as its parts say."""
        *before, stage = stages
        runner: Any = self.runner
        with ExitStack() as held:
            items = numbered(islice(self.combinations(), wave))
            for earlier in before:
                journal = held.enter_context(Journal(self.directory / f"{earlier.name}.journal"))
                items = items_of(
                    runner.run(earlier, items, self.engines[earlier.name], journal, StageCounts(earlier.name))
                )
            journal = held.enter_context(Journal(self.directory / f"{stage.name}.journal"))
            counts = self._counts_of(stage, is_last=True)
            counts.paid = journal.paid
            await runner.ask(stage, items, self.crews[stage.name], journal, counts)
            counts.rows_out = counts.rows_in

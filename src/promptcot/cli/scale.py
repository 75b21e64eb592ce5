"""`--runner ray`: the options that say how work is spread over a cluster, and the passes that a command makes there.

Decides what a worker of a model needs, and how many there are by default: one for each node, or for each group of GPUs.
The passes themselves are `runners.ray`'s.
"""

from __future__ import annotations

import hashlib
import math
import re
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
from promptcot.files import beside, dumps, url_of
from promptcot.in_turn import Turns
from promptcot.journal import Journal
from promptcot.pipeline import numbered
from promptcot.published import Published
from promptcot.recipe import Model, Served
from promptcot.stages.protocol import Stage
from promptcot.streams import items_of
from promptcot.tally import Tally

if TYPE_CHECKING:
    from promptcot.runners.ray import Crew, RayRunner

_BATCHES = 8
"""Rows that a worker holds for each of its calls at a time, unless it is told otherwise."""


Command = TypeVar("Command", bound=Callable[..., Any])


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
            help=f"Rows that a worker holds, and may have to repeat.  [default: {_BATCHES} for each call at a time]",
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
def on_cluster(scale: Scale, folder: Path, recipe: Mapping[str, Any], max_retries: int = 0) -> Iterator[RayRunner]:
    """A runner on the cluster that works in `folder`, by what is to be done. Raises InputError, ClusterUnusable."""
    try:
        from promptcot.remote import Folder
        from promptcot.runners.ray import RayRunner
        from promptcot.runners.ray_cluster import hold, join, look_over
    except ImportError as error:
        raise InputError(f"--runner ray needs Ray ({error}): pip install 'promptcot[ray]'") from error
    cluster = join(scale.address)
    try:
        nodes = len(cluster.nodes)
        say(
            f"ray: {nodes} node{'s' if nodes != 1 else ''} at {cluster.address}, dashboard {cluster.dashboard or 'n/a'}"
        )
        work = Folder.at(folder) / hashlib.blake2b(dumps(recipe), digest_size=8).hexdigest()
        work.make()
        hold(cluster, work)
        look_over(cluster, work)
        yield RayRunner(cluster, work, max_retries)
    finally:
        cluster.leave()


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


def published_at(output: Path, scale: Scale) -> Published:
    """An output at its path or address. Raises UsageError for an address without a cluster."""
    if url_of(output) is not None and not scale.is_ray:
        raise UsageError(f"{output}: --runner ray writes to addresses; on this machine an output is a path")
    return Published(output)


def remove_work(folder: Path) -> None:
    """What the passes left: it is in the outputs and their journals now."""
    from promptcot.remote import Folder

    Folder.at(folder).remove()


def named(spec: Served) -> Served:
    """The model as the driver opens it, which only wants to know its name: it may have no GPUs."""
    return spec.model_copy(update={"n_gpus": 0})


def crew_of(scale: Scale, runner: RayRunner, spec: Model, role: str, engine: Engine, concurrency: int) -> Crew:
    """Who answers for a model on the cluster."""
    from promptcot.runners.ray import Crew, Spread
    from promptcot.runners.ray_cluster import Need

    nodes = runner.cluster.nodes
    has_gpus = any(node["Resources"].get("GPU") for node in nodes)
    is_nano = spec.model.partition(":")[0] == "nano"
    if spec.engine == "auto" and not spec.base_url and not is_nano and has_gpus:
        spec = spec.model_copy(update={"engine": "vllm"})
    own = has_gpus and not spec.base_url and not (is_nano and spec.engine != "vllm")
    gpus = scale.gpus_per_actor
    gpus = (0.0 if spec.base_url else spec.n_gpus or float(own)) if gpus is None else gpus
    need = Need(1.0, gpus)
    rooms = runner.cluster.rooms(need)
    every = max(1, sum(rooms) if gpus else len(rooms))
    least, most = scale.actors or (every, every)
    spread = Spread(least, most, need, concurrency, scale.batch_size or _BATCHES * concurrency)
    return Crew(engine, _Opener(_shared(spec, most), role), spread)


def _shared(spec: Model, workers: int) -> Model:
    """A server's limits hold for all workers together."""
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
                items = items_of(runner.run(earlier, items, self.engines[earlier.name], journal, Tally(earlier.name)))
            journal = held.enter_context(Journal(self.directory / f"{stage.name}.journal"))
            tally = self._tally(stage, is_last=True)
            tally.paid = journal.paid
            await runner.ask(stage, items, self.crews[stage.name], journal, tally)
            tally.rows_out = tally.rows_in

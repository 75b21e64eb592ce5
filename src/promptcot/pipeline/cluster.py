"""Runs and stages on a Ray cluster: passes of one model after the other, and then the ordinary run over what they said.

Decides what a worker of a model needs, and how many there are by default: one for each node, or for each group of GPUs.
The passes themselves are `runners.cluster`'s. Ray is imported when a cluster is joined.
"""

from __future__ import annotations

import hashlib
import importlib
import math
import os
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from promptcot import nano
from promptcot.engines.exclusive import exclusive
from promptcot.engines.opening import Engines
from promptcot.engines.protocol import Engine
from promptcot.errors import InputError, UsageError
from promptcot.pipeline.execute import begin, begin_job, in_waves, run, take_through
from promptcot.pipeline.flow import Flow
from promptcot.pipeline.inputs import Inputs
from promptcot.pipeline.job import StageJob
from promptcot.pipeline.observer import Observer
from promptcot.pipeline.plan import PlannedStep, asking
from promptcot.pipeline.run import Run
from promptcot.pipeline.waves import SequentialRun
from promptcot.recipe.schema import Model, Served
from promptcot.records import Item
from promptcot.runners.streams import stream_of
from promptcot.storage.counts import StageCounts
from promptcot.storage.journal import Journal
from promptcot.storage.json import dumps
from promptcot.storage.outputs import Output
from promptcot.storage.paths import beside, url_of
from promptcot.storage.upload import Published
from promptcot.storage.work import remove_work, work_folder

if TYPE_CHECKING:
    from promptcot.runners.cluster.nodes import Cluster
    from promptcot.runners.cluster.runner import Crew, RayRunner

BATCHES, GROWTH = 8, 4
"""Rows that a worker holds for each call at a time, unless it is told otherwise; how many times as many at most."""

Spec = TypeVar("Spec", bound=Served)


@dataclass(frozen=True)
class Scale:
    """How work is spread over the cluster at `address`. None is decided by what the cluster has."""

    address: str | None = None
    actors: tuple[int, int] | None = None
    gpus_per_actor: float | None = None
    batch_size: int | None = None


async def run_on_cluster(inputs: Inputs, scale: Scale, observer: Observer) -> Run:
    """The finished run of a recipe, whose models were asked on the cluster. Raises PromptCoTError."""
    recipe, directory = inputs.recipe, inputs.directory
    if inputs.steps[-1].kind == "vectors":  # they are made on this machine
        return await run(inputs, observer)
    if recipe.run.max_cost is not None:
        raise UsageError("run.max_cost is not supported with --runner ray: workers do not share a budget")
    inputs.check()
    async with Engines(directory) as engines:
        vectors = await begin(inputs, engines, observer)
        with _joined(scale, observer) as cluster:
            opened = await inputs.open_models(lambda spec, role: engines.open(_on_workers(spec, cluster), role))
            settled = inputs.manifest(opened)
            settled["recipe"].pop("run")
            stages = asking(inputs.steps)
            runner = _runner_on(cluster, directory / "ray", settled, [step.asked for step in stages])
            one_by_one = _ClusterRun(
                inputs.steps, directory, exclusive(opened), lambda: inputs.sampled(vectors), runner
            )
            for step in stages:
                one_by_one.crews[step.name] = _crew_of(
                    scale, runner, step.asked, step.role, opened[step.name], recipe.run.concurrency
                )
            finished = await in_waves(inputs, one_by_one, observer, runner, lambda: runner.note)
            remove_work(directory / "ray")
            return finished


@dataclass
class _ClusterRun(SequentialRun):
    """Asks each stage in its turn on the whole cluster. `crews` says who answers, by the name of the stage."""

    crews: dict[str, Crew] = field(default_factory=dict)

    async def _ask(
        self, flow: Flow, before: Sequence[PlannedStep], step: PlannedStep, items: AsyncIterator[Item]
    ) -> None:
        """Ask about the rows that the steps before give, as their parts say."""
        assert step.stage is not None
        runner: Any = self.runner
        counts = flow.sinks[step.name].counts
        await runner.ask(
            step.stage, flow.through(before, items), self.crews[step.name], flow.journals[step.name], counts
        )
        counts.rows_out = counts.rows_in


async def run_stages_on_cluster(job: StageJob, scale: Scale, observer: Observer) -> StageCounts:
    """Take rows through the stages of a job, one after the other, and then write what was said. Raises PromptCoTError.

    The output may be at an address. The driver's engines only tell their names.
    """
    total = job.count_items()
    engines = Engines(beside(job.output, "journal"))
    published = Published(job.output)
    try:
        with (
            _joined(scale, observer) as cluster,  # left at the very end: until then nobody else works on this output
            published as target,
            Output(target, job.name) as output,
            Journal(beside(target, "journal")) as journal,
        ):
            begin_job(job, output, journal, observer)
            opened = [await engines.open(_on_workers(ask.model, cluster), ask.role) for ask in job.asks]
            manifest = job.manifest(opened)
            models = [ask.model for ask in job.asks]
            runner = _runner_on(cluster, work_folder(job.output), manifest, models, job.max_retries)
            counts = StageCounts(job.name, price=output.counts.price, paid=journal.paid)
            with observer.watch({job.name: counts}, total=total, note=lambda: runner.note):
                for ask, engine in zip(job.asks, opened, strict=True):
                    crew = _crew_of(scale, runner, ask.model, ask.role, engine, job.concurrency)
                    await runner.ask(ask.stage, stream_of(ask.items()), crew, journal, counts)
            await take_through(job, opened, runner, output, journal)
            output.counts.absorb(counts)
            output.commit(manifest)
            journal.sync()
            published.publish()
            remove_work(work_folder(job.output))
            return output.counts
    finally:
        await engines.close()


@contextmanager
def _joined(scale: Scale, observer: Observer) -> Iterator[Cluster]:
    """The cluster, until this process leaves it. Raises InputError, ClusterUnusable."""
    try:
        importlib.import_module("promptcot.runners.cluster.runner")
        from promptcot.runners.cluster.nodes import join
    except ImportError as error:
        raise InputError(f"--runner ray needs Ray ({error}): pip install 'promptcot[ray]'") from error
    cluster = join(scale.address)
    try:
        nodes = len(cluster.nodes)
        plural = "s" if nodes != 1 else ""
        observer.note(f"ray: {nodes} node{plural} at {cluster.address}, dashboard {cluster.dashboard or 'n/a'}")
        yield cluster
    finally:
        cluster.leave()


def _runner_on(
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


def _on_workers(spec: Spec, cluster: Cluster) -> Spec:
    """The model as a worker opens it: by vLLM where the cluster has GPUs, on all those that Ray lets the worker see.

    The driver opens it so, too, though it never asks it: both must know it by the same name.
    """
    decided = spec.engine != "auto" or spec.base_url or nano.is_nano(spec.model) or not _has_gpus(cluster)
    return spec.model_copy(update={"n_gpus": 0, **({} if decided else {"engine": "vllm"})})


def _crew_of(scale: Scale, runner: RayRunner, spec: Model, role: str, engine: Engine, concurrency: int) -> Crew:
    """Who answers for a model on the cluster. Raises UsageError."""
    from promptcot.runners.cluster.nodes import Need
    from promptcot.runners.cluster.runner import Crew, Spread

    opened = _on_workers(spec, runner.cluster)
    gpus = _gpus_of(scale, spec, opened, runner.cluster)
    need = Need(1.0, gpus)
    rooms = runner.cluster.rooms(need)
    every = max(1, sum(rooms) if gpus else len(rooms))
    least, most = scale.actors or (every, every)
    batch, growth = (scale.batch_size, 1) if scale.batch_size else (BATCHES * concurrency, GROWTH)
    at_once = max(1, min(most, sum(rooms)))
    spread = Spread(least, most, need, concurrency, batch, growth)
    return Crew(engine, _Opener(_shared(opened, at_once), role), spread)


def _gpus_of(scale: Scale, spec: Model, opened: Model, cluster: Cluster) -> float:
    """GPUs of a worker. Raises UsageError for a part of a GPU where vLLM would take all of it."""
    if spec.base_url:
        return scale.gpus_per_actor or 0.0
    own = _has_gpus(cluster) and not (nano.is_nano(spec.model) and spec.engine != "vllm")
    gpus = float(spec.n_gpus or own) if scale.gpus_per_actor is None else scale.gpus_per_actor
    if opened.engine == "vllm" and _has_gpus(cluster) and (gpus < 1 or gpus % 1):
        raise UsageError(f"--gpus-per-actor {gpus:g}: vLLM takes whole GPUs; give each worker one or more")
    return gpus


def _has_gpus(cluster: Cluster) -> bool:
    return any(node["Resources"].get("GPU") for node in cluster.nodes)


def _shared(spec: Model, workers: int) -> Model:
    """A server's limits hold for all workers together, of which so many are there at once."""
    limits = {name: getattr(spec, name) for name in ("requests_per_minute", "tokens_per_minute")}
    return spec.model_copy(update={name: limit and math.ceil(limit / workers) for name, limit in limits.items()})

"""A few rows through the stages of a recipe, with its own engines, in a folder that is thrown away afterwards.

Decides what of a small run is worth telling. Concepts are drawn by co-occurrence alone unless vectors exist: to encode
a whole catalogue for three rows would be waste.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from promptcot.core.units import duration
from promptcot.doctor.estimate import tell_estimate
from promptcot.doctor.findings import Finding, Mark, note, ok, problem, problem_of
from promptcot.doctor.watching import Watch, WatchingRunner
from promptcot.engines.exclusive import turns
from promptcot.engines.opening import Engines, kind_of
from promptcot.engines.protocol import Engine
from promptcot.errors import PromptCoTError
from promptcot.pipeline.inputs import Preparation
from promptcot.pipeline.run import Run, model_of
from promptcot.pipeline.waves import Turns
from promptcot.recipe.schema import Recipe
from promptcot.runners.local import LocalRunner
from promptcot.runners.retries import Retries
from promptcot.storage.budget import Budget
from promptcot.storage.counts import StageCounts
from promptcot.storage.paths import beside
from promptcot.storage.rows import read_rows

_SHOWN = 160


@dataclass
class Trial:
    """A recipe cut down to a few rows. `vectors` are taken if they exist."""

    recipe: Recipe
    rows: int
    directory: Path
    vectors: Path | None

    def __post_init__(self) -> None:
        limits = self.recipe.run.model_copy(update={"max_candidates": self.rows, "target": None})
        self.preparation = Preparation(self.recipe.model_copy(update={"run": limits}), self.directory)
        self.budget = Budget(limits.max_cost)
        asked = self.preparation.asked.items()
        started = [name for name, (spec, _) in asked if kind_of(spec) == "vllm"]
        self.runner = WatchingRunner(LocalRunner(limits.concurrency, Retries(tries=4), budget=self.budget), started)

    async def run(self) -> Run:
        """The finished run. Raises PromptCoTError."""
        engines = Engines(self.directory)
        try:
            in_turn = self._in_turn(engines)
            opened = await self.preparation.open_models(engines.open)
            return await (self._one_by_one(opened) if in_turn else self._together(opened))
        finally:
            await engines.close()

    def _in_turn(self, engines: Engines) -> bool:
        asked = self.recipe.run.models
        return asked == "in turn" or (asked == "auto" and not engines.place(list(self.preparation.asked.values())))

    async def _one_by_one(self, opened: Mapping[str, Engine]) -> Run:
        prepared = self.preparation
        takers = turns(opened)
        table = Turns(
            prepared.recipe,
            self.directory,
            prepared.prompts,
            takers,
            lambda: prepared.sampled(self.vectors),
            self.runner,
            self.budget,
        )
        await table.ask(self.rows)
        return await self._together(takers, table.stage_counts)

    async def _together(self, engines: Mapping[str, Engine], asked: Mapping[str, StageCounts] | None = None) -> Run:
        prepared = self.preparation
        run = Run(
            prepared.recipe,
            self.directory,
            prepared.prompts,
            engines,
            prepared.sampled(self.vectors),
            self.runner,
            asked=asked or {},
            budget=self.budget,
        )
        await run.run(prepared.manifest(engines))
        return run


async def try_rows(recipe: Recipe, rows: int, vectors: Path | None) -> AsyncIterator[Finding]:
    """What a trial tells, stage by stage, and the estimate. The folder is kept where the trial broke off."""
    directory = Path(tempfile.mkdtemp(prefix="promptcot-doctor-"))
    trial = Trial(recipe, rows, directory, vectors)
    try:
        trial.preparation.check()
        run = await trial.run()
    except PromptCoTError as error:
        yield problem_of(error)
        yield note(f"the trial broke off; what it left, such as logs, is in {directory}")
        return
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        raise
    for finding in _tell(run, trial):
        yield finding
    shutil.rmtree(directory, ignore_errors=True)


def _tell(run: Run, trial: Trial) -> Iterator[Finding]:
    sampled, accepted = run.stage_counts["sample"].rows_out, run.stage_counts["filter"].rows_out
    by = "with the vectors that exist" if trial.vectors else "by co-occurrence alone, without vectors"
    yield ok(f"sample: {sampled} combinations, {by}")
    if not sampled:
        return
    watches = trial.runner.watches
    for name, watch in watches.items():
        yield from _stage(run, name, watch)
    yield ok(f"filter: {accepted} of {sampled} accepted")
    yield from tell_estimate(trial.recipe, watches, sampled, accepted)


def _stage(run: Run, name: str, watch: Watch) -> Iterator[Finding]:
    """The line of one stage that asks a model, and what could not be read or asked."""
    counts, path = run.stage_counts[name], run.outputs[name].path
    if not counts.rows_in:
        yield note(f"{name}: no row reached it")
        return
    unread = sum(row["judgement"] == "invalid" for row in read_rows(path, may_be_empty=True)) if _judges(name) else 0
    parsed = counts.rows_out - unread
    mark: Mark = "ok" if parsed == counts.rows_in else "note" if parsed else "problem"
    yield Finding(mark, f"{name}: {_measured(watch)}, {parsed} of {counts.rows_in} parse", _way_out(mark, run, name))
    if watch.start_up is not None:
        yield note(f"{name}: its server took {duration(watch.start_up)} to start, which is not in the rate")
    yield from _lost(path, counts)
    if unread:
        yield from _unread(path)


def _judges(name: str) -> bool:
    return name.startswith("judge-")


def _measured(watch: Watch) -> str:
    return (
        f"{watch.calls} replies, {watch.prompt_tokens:,} tokens in, {watch.completion_tokens:,} out, "
        f"{watch.seconds:.1f} s, {watch.rate:,.0f} tokens/s"
    )


def _way_out(mark: Mark, run: Run, name: str) -> str:
    if mark != "problem":
        return ""
    model = model_of(run.recipe, name)
    other = "chat = false" if model.chat else "chat = true, if it is a chat model"
    return f"look at the reply below: max_tokens ({model.max_tokens:,}) may be too low, or the model wants {other}"


def _lost(path: Path, counts: StageCounts) -> Iterator[Finding]:
    """Failed rows are problems; of those that could not be read the first is shown."""
    failed = beside(path, "failed.jsonl")
    if counts.failed and failed.exists():
        row = next(iter(read_rows(failed)))
        yield problem(f"{counts.failed.total()} failed: {_short(row.get('error', row))}")
    dropped = beside(path, "dropped.jsonl")
    if counts.dropped and dropped.exists():
        row = next(iter(read_rows(dropped)))
        reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(counts.dropped.items()))
        yield note(f"dropped: {reasons}; the first ({row.get('finish_reason')}): {_short(row.get('raw'))}")


def _unread(path: Path) -> Iterator[Finding]:
    row = next(row for row in islice(read_rows(path), None) if row["judgement"] == "invalid")
    reason, words = row.get("invalid_reason"), _short(row["completion"])
    yield note(f"the first that does not parse ({reason}; {row['finish_reason']}): {words}")


def _short(value: object) -> str:
    text = " ".join((value[0] if isinstance(value, list) and value else str(value)).split())
    return f"{text[:_SHOWN]} …" if len(text) > _SHOWN else text or "(nothing)"

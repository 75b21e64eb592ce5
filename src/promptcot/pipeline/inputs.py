"""Reads and checks what a run needs before its first row: concepts, vectors, prompts and models.

A mistake is therefore found before any model is paid for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from promptcot import domains
from promptcot.core.parsing.prompt_like import learn_template
from promptcot.core.prompts import PromptSet
from promptcot.core.sampling.combinations import Exhausted
from promptcot.core.sampling.concepts import ConceptTable
from promptcot.core.sampling.levels import LevelDistribution
from promptcot.core.shards import Part, Shard
from promptcot.engines.opening import EngineOpener, Engines, kind_of, local_folder, texts_at_once
from promptcot.engines.protocol import Engine
from promptcot.errors import InputError, UsageError
from promptcot.grading.verifiers import checked_verifier
from promptcot.pipeline.observer import Observer
from promptcot.pipeline.paid import gone
from promptcot.pipeline.paths import VECTORS, check_run
from promptcot.pipeline.plan import PlannedStep, asking, steps_of, with_review
from promptcot.pipeline.shards import refuse_another_shard
from promptcot.recipe.recipe import Recipe
from promptcot.recipe.schema import Sample, Served
from promptcot.records import Row
from promptcot.runners.retries import Patient
from promptcot.stages.encode import encode
from promptcot.stages.review import REVIEW
from promptcot.stages.sample import RenderPrompt, make_sampler, read_levels, read_table, sampled_rows
from promptcot.storage.counts import StageCounts
from promptcot.storage.embeddings import read_embeddings
from promptcot.storage.manifest import manifest
from promptcot.storage.reviews import REVIEWS, Reviews, reviews_in
from promptcot.storage.rows import read_rows
from promptcot.storage.sources import is_file, shown


class Inputs:
    """Everything that a recipe refers to, for a run into `directory` up to the step `until`, or for a shard of one.

    Each part is read once, on first use. `ended` says why no more combinations came. Raises UsageError for settings
    that a shard does not support.
    """

    def __init__(self, recipe: Recipe, directory: Path, until: str | None = None, shard: Shard | None = None) -> None:
        self.recipe = recipe
        self.directory = directory
        self.until = until
        self.part = Part(shard)
        if shard is not None:
            _check_shard(shard, recipe, directory, until)
        self.ended: Exhausted | None = None
        self.counts: list[StageCounts] = []

    @cached_property
    def steps(self) -> list[PlannedStep]:
        """The steps of the run. Raises UsageError, RecipeError, StorageError."""
        return with_review(steps_of(self.recipe, self.prompts, self.until), self.reviews.rejected)

    @cached_property
    def reviews(self) -> Reviews:
        """The reviews of problems of earlier runs into this directory, as they are now. Raises StorageError."""
        return reviews_in(self.directory)

    @cached_property
    def table(self) -> ConceptTable:
        return read_table(self.recipe.concepts.path)

    @cached_property
    def prompts(self) -> PromptSet:
        """The domain's prompts. Raises InputError, also for an unknown verifier, which the labels of the set need."""
        found = domains.load(self.recipe.prompts)
        try:
            checked_verifier(found.settings.verifier)
        except ValueError as error:
            raise InputError(f"prompts {self.recipe.prompts}: domain.toml: verifier: {error}") from error
        return found

    @cached_property
    def render(self) -> RenderPrompt:
        """The prompt of a combination: the domain's, or a wording learnt from rows."""
        return prompt_renderer(self.prompts, self.recipe.sample.prompt_like, self.recipe.sample.levels)

    def check_paths(self) -> None:
        """Raises UsageError if the run would overwrite its own inputs, before anything is opened."""
        check_run(self.recipe, self.steps, self.directory)

    def check(self, kind: Callable[[Served], str] = kind_of) -> None:
        """Read and check all inputs before a model is loaded; `kind` gives the engine of a model. Raises InputError."""
        self.render(["a concept", "another"], self.recipe.sample.levels[0])
        if max(self.recipe.sample.size) > len(self.table):
            raise InputError(
                f"{self.recipe.concepts.path}: {len(self.table):,} distinct concepts, but "
                "sample.size requires combinations of "
                f"{max(self.recipe.sample.size)}"
            )
        for spec, role in self.models:
            if kind(spec) == "local":
                local_folder(spec.model, role)
        if self.recipe.encode.path is not None:
            read_embeddings(Path(self.recipe.encode.path))

    @property
    def models(self) -> list[tuple[Served, str]]:
        """Every model of the run, with its role, in the order of the steps."""
        return [(step.model, step.role) for step in self.steps if step.model is not None]

    @property
    def asked(self) -> list[tuple[Served, str]]:
        """The models that process rows, with their roles; they may have to share the machine."""
        return [(step.asked, step.role) for step in asking(self.steps)]

    async def open_models(self, open_engine: EngineOpener) -> dict[str, Engine]:
        """The engine of each stage, by its name."""
        return {step.name: await open_engine(step.asked, step.role) for step in asking(self.steps)}

    @property
    def existing_vectors(self) -> Path | None:
        """The concepts' vectors that the recipe names, or else those that an earlier run has made."""
        encoder, made = self.recipe.encode, self.directory / VECTORS
        if encoder.skip:
            return None
        return Path(encoder.path) if encoder.path is not None else made if made.is_file() else None

    async def vectors(self, engines: Engines, observer: Observer) -> Path | None:
        """The path of the concepts' vectors; they are computed first unless the recipe names a file or skips them."""
        encoder, path = self.recipe.encode, self.directory / VECTORS
        if encoder.skip or encoder.path is not None:
            return self.existing_vectors
        self.counts = [counts] = [StageCounts("encode")]
        engine = await engines.open(encoder, "generator")
        patient = Patient(engine, texts_at_once(encoder, engines.kind_of))
        with observer.watch({"encode": counts}, total=len(self.table)):
            await encode(self.table.names, patient, path, counts=counts)
        if engines.kind_of(encoder) == "vllm":
            await engine.close()  # the other models need its GPUs now
        return path

    def sampled(self, vectors: Path | None) -> Iterator[Row]:
        """The sampled rows, with these vectors or by co-occurrence alone; `ended` says why the stream ended."""
        recipe = self.recipe
        fitting = read_levels(recipe.concepts.path, self.table, recipe.sample)
        return drawn_rows(self.table, recipe.sample, recipe.seed, vectors, self.prompts, self._end, fitting)

    def _end(self, reason: Exhausted) -> None:
        self.ended = reason

    def reviewed(self) -> Iterator[str]:
        """Lines about the reviews, before the run begins: rejected problems, and damaged lines if there are any."""
        rejected, damaged = len(self.reviews.rejected), self.reviews.damaged
        if rejected:
            problems = "1 problem is" if rejected == 1 else f"{rejected:,} problems are"
            applies = any(step.name == REVIEW for step in self.steps)
            ignored = "" if applies else ", which a run that ends at this step ignores"
            yield f"reviews: {problems} rejected in {self.directory / REVIEWS}{ignored}"
        if damaged:
            lines = "1 line is not a review and was" if damaged == 1 else f"{damaged:,} lines are not reviews and were"
            yield f"reviews: {lines} skipped in {self.directory / REVIEWS}"

    def gone(self) -> Iterator[str]:
        """A line for each step whose replies an earlier run has paid for and which are now missing."""
        asked = [step.name for step in self.steps if step.kind in ("stage", "vectors")]
        return gone(self.directory / "summary.json", {name: self.directory / f"{name}.journal" for name in asked})

    def manifest(self, engines: Mapping[str, Engine]) -> dict[str, Any]:
        """The manifest written beside the results."""
        models = {name: engine.model for name, engine in engines.items()}
        found = manifest(self.recipe.written_down(), self.prompts.hashes, models)
        return {**found, **({} if self.until is None else {"until": self.until}), **self.part.told()}


def _check_shard(shard: Shard, recipe: Recipe, directory: Path, until: str | None) -> None:
    """Raises UsageError for settings that need all rows, and for a directory that holds another shard."""
    if recipe.run.target is not None:
        raise UsageError(
            f"--shard {shard} with a target of {recipe.run.target:,} (--target, or run.target of the recipe): no shard "
            "sees how many problems the others accept. Set the number of combinations for all shards together, "
            "--max-candidates M, and leave the target out"
        )
    if until == "encode":
        raise UsageError(f"--shard {shard} with --until encode: concepts are encoded once for all; leave --shard out")
    refuse_another_shard(shard, directory)


def drawn_rows(
    table: ConceptTable,
    settings: Sample,
    seed: int,
    vectors: Path | None,
    domain: PromptSet,
    ended: Callable[[Exhausted], None],
    fitting: LevelDistribution | None,
) -> Iterator[Row]:
    """Combinations of concepts as rows for a generator, endless or until `ended` is set. `fitting` is that of
    `read_levels`. Raises InputError.

    The sampler is built at the first row: with many concepts that takes long, and the progress display is open by then.
    """
    render = prompt_renderer(domain, settings.prompt_like, settings.levels)

    def drawn() -> Iterator[Row]:
        sampler = make_sampler(table, vectors, settings)
        yield from sampled_rows(sampler, settings.levels, seed, render, ended, fitting)

    return drawn()


def prompt_renderer(domain: PromptSet, prompt_like: str | None, levels: Sequence[str]) -> RenderPrompt:
    """The renderer of a generator's prompts. Raises InputError if `prompt_like` yields no wording."""
    if prompt_like:
        if not is_file(prompt_like):
            raise InputError(
                f"{shown(prompt_like)}: no such file; it should hold rows with the `prompt` that the generator was "
                "trained on. A generator that accepts any wording needs none (--set sample.prompt_like='')"
            )
        known = tuple(dict.fromkeys((*domain.settings.levels, *levels)))
        return learn_template(lambda: read_rows(prompt_like), known, prompt_like).render

    def render(concepts: Sequence[str], level: str) -> str:
        return domain.render("generate", concepts=list(concepts), level=level)

    return render

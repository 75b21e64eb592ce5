"""What a run needs before its first row: concepts, vectors, prompts and models.

Reads and checks all of it, so that a mistake is found before a model is paid for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from promptcot import prompts
from promptcot.concepts import RenderPrompt, make_sampler, read_table, sampled_rows
from promptcot.core.combinations import Exhausted
from promptcot.core.concepts import ConceptTable
from promptcot.core.prompt_like import LEVELS, learn_template
from promptcot.core.prompts import PromptSet
from promptcot.embeddings import read_embeddings
from promptcot.engines.opening import EngineOpener, judge_role, model_folder
from promptcot.engines.protocol import Engine
from promptcot.errors import InputError
from promptcot.files import read_rows
from promptcot.manifest import manifest
from promptcot.recipe import Encode, Model, Recipe
from promptcot.records import Row
from promptcot.stages.encode import encode
from promptcot.tally import Tally


class Preparation:
    """Everything that a recipe refers to. Each part is read once, when it is first needed."""

    def __init__(self, recipe: Recipe, directory: Path) -> None:
        self.recipe = recipe
        self.directory = directory
        self.ended: Exhausted | None = None
        self.books: list[Tally] = []

    @cached_property
    def table(self) -> ConceptTable:
        return read_table(self.recipe.concepts.path)

    @cached_property
    def prompts(self) -> PromptSet:
        return prompts.load(self.recipe.prompts)

    @cached_property
    def render(self) -> RenderPrompt:
        """The prompt of a combination: the domain's, or one learnt from rows that carry it."""
        return prompt_renderer(self.prompts, self.recipe.sample.prompt_like, self.recipe.sample.levels)

    def check(self) -> None:
        """Read and check all that is named, before a model is loaded. Raises InputError."""
        self.render(["a concept", "another"], self.recipe.sample.levels[0])
        if max(self.recipe.sample.size) > len(self.table):
            raise InputError(
                f"{self.recipe.concepts.path}: {len(self.table):,} distinct concepts, and combinations of "
                f"{max(self.recipe.sample.size)} are asked for (sample.size)"
            )
        for spec, role in self._models():
            if not Path(folder := model_folder(spec.model, role)).is_dir():
                raise InputError(f"{folder}: no such model folder; `nano` is the embedded one")
        if self.recipe.encode.path is not None:
            read_embeddings(Path(self.recipe.encode.path))

    def _models(self) -> list[tuple[Model | Encode, str]]:
        judges = [(judge, judge_role(judge.name)) for judge in self.recipe.judge]
        encoders = [(self.recipe.encode, "generator")] if self.recipe.encode.path is None else []
        return [(self.recipe.generate, "generator"), *judges, *encoders]

    def open_models(self, open_engine: EngineOpener) -> dict[str, Engine]:
        """The engines of the generator and of each judge, by the name of their stage or judge."""
        engines = {"generate": open_engine(self.recipe.generate, "generator")}
        for judge in self.recipe.judge:
            engines[judge.name] = open_engine(judge, judge_role(judge.name))
        return engines

    async def combinations(self, open_engine: EngineOpener) -> Iterator[Row]:
        """The sampled rows; concepts are turned into vectors first, unless the recipe names vectors."""
        vectors = self.recipe.encode.path
        if vectors is None:
            vectors = str(self.directory / "encode.safetensors")
            self.books.append(Tally("encode"))
            engine = open_engine(self.recipe.encode, "generator")
            await encode(self.table.names, engine, Path(vectors), tally=self.books[-1])
        return self.sampled(Path(vectors))

    def sampled(self, vectors: Path | None) -> Iterator[Row]:
        """The sampled rows with these vectors, or by co-occurrence alone; `ended` says why they came to an end."""
        sampler = make_sampler(self.table, vectors, self.recipe.sample)
        return sampled_rows(sampler, self.recipe.sample.levels, self.recipe.seed, self.render, self._end)

    def _end(self, reason: Exhausted) -> None:
        self.ended = reason

    def manifest(self, engines: Mapping[str, Engine]) -> dict[str, Any]:
        """What is written beside the results."""
        models = {role: engine.model for role, engine in engines.items()}
        return manifest(self.recipe.model_dump(mode="json"), self.prompts.hashes, models)


def prompt_renderer(domain: PromptSet, prompt_like: str | None, levels: Sequence[str]) -> RenderPrompt:
    """How a combination is put to the generator. Raises InputError where `prompt_like` teaches no wording."""
    if prompt_like:
        known = tuple(dict.fromkeys((*LEVELS, *levels)))
        return learn_template(lambda: read_rows(prompt_like), known, prompt_like).render

    def render(concepts: Sequence[str], level: str) -> str:
        return domain.render("generate", concepts=list(concepts), level=level)

    return render

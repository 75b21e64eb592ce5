"""The chain recipe: reads TOML into a checked and complete `Distill` or `ColdStart`.

Decides the keys, and which recipes are chains: those with the key `chain`. `promptcot.recipe` reads and checks tables;
the training runs and evaluations in a chain have recipes of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from promptcot import domains, nano
from promptcot.core.sections import FolderName, Positive, Section
from promptcot.errors import RecipeError
from promptcot.recipe.keyless import changes_without_key
from promptcot.recipe.loading import SHIPPED, parse_as, read_table, with_sampling
from promptcot.recipe.schema import Encode, Filter, Generator, Judges, Model, Sample, Sizes

Share = Annotated[float, Field(ge=0, le=1)]
Changes = Annotated[tuple[str, ...], AfterValidator(changes_without_key)]
"""Overrides of another recipe, as with `--set`."""


class Asked(Model):
    """A step's model, with its maximum concurrency and, if it has a price, its maximum cost."""

    concurrency: Positive = 256
    max_cost: Annotated[float, Field(gt=0)] | None = None


class Training(Section):
    """A training run: the name or file of its recipe, the base model, and overrides as in `--set`."""

    recipe: str
    model: str
    set: Changes = ()


class Problems(Section):
    """The problems to learn from: a file of rows with `problem`, or the output of `run` with `recipe` and `target`."""

    path: str | None = None
    recipe: str | None = None
    target: Positive | None = None
    set: Changes = ()

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.path is None) == (self.recipe is None):
            raise ValueError("give path (a file of problems) or recipe (with which `run` makes problems)")
        if self.path is not None and (self.target is not None or self.set):
            raise ValueError("target and set apply to recipe only, not to a file of problems")
        return self


class Teacher(Asked):
    """The model that solves each problem `n` times; `style` is the form of its prompt, see `stages.solve`."""

    n: Positive = 4
    style: str | None = None
    max_retries: Annotated[int, Field(ge=0)] = 0


class Labels(Section):
    """Which problems are kept, by the labels of their traces; `style` is the form of the student's prompt."""

    min_agreement: Share = 0.5
    min_pass_rate: Share = 0.0
    max_pass_rate: Share = 1.0
    style: str | None = None


class Evaluation(Section):
    """How a student is evaluated: an evaluation recipe, with `n` traces of the first `limit_rows` problems of each."""

    recipe: str
    n: Positive | None = None
    limit_rows: Positive | None = None
    set: Changes = ()


class Distill(Section):
    """Problems → teacher's traces → labels → training rows → student, evaluated before and after.

    With `control`, another student is trained for as long on as many rows, in which each problem has the trace of
    another.
    """

    TARGET: ClassVar[str] = "problems.target"

    chain: Literal["distill"] = "distill"
    name: FolderName = "unnamed"
    seed: Annotated[int, Field(ge=0)] = 8000
    prompts: str = domains.DEFAULT
    control: bool = True
    problems: Problems
    teacher: Teacher
    label: Labels = Labels()
    student: Training
    eval: Evaluation


class Seeds(Section):
    """The seed problems: rows with `problem`, and `level` if known; `nano` ships. Only the first `limit`."""

    path: str = nano.NAME
    limit: Positive | None = None


class Annotate(Asked):
    """The models that name the concepts of a problem and explain how its designer arrived at it.

    `annotators` are NAME=MODEL, or `model` alone; each annotates each problem once for every number in `concepts`. A
    problem without a level gets one of `levels`, and must have one if there are none.
    """

    annotators: tuple[str, ...] = ()
    concepts: Sizes = Field(default=[5])
    levels: tuple[str, ...] = ()
    max_retries: Annotated[int, Field(ge=0)] = 2

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.annotators and self.model != nano.NAME:
            raise ValueError("annotators and model cannot be combined: write NAME=MODEL for each of several models")
        return self


class Draws(Sample):
    """How the test prompts of the generator are drawn, and how many."""

    n: Positive = 200


class ColdStart(Section):
    """Seed problems → concepts and rationales → judged training rows → generator, tried before and after."""

    TARGET: ClassVar[str] = "sample.n"

    chain: Literal["cold-start"] = "cold-start"
    name: FolderName = "unnamed"
    seed: Annotated[int, Field(ge=0)] = 8000
    prompts: str = domains.DEFAULT
    seeds: Seeds = Seeds()
    annotate: Annotate = Annotate()
    judge: Judges
    filter: Filter = Filter()
    generator: Training
    encode: Encode = Encode()
    sample: Draws = Draws()
    generate: Generator = Generator()


Chain = Distill | ColdStart
CHAINS: dict[str, type[Distill] | type[ColdStart]] = {"distill": Distill, "cold-start": ColdStart}
"""The schema of a chain's recipe, by the value of its key `chain`."""


def is_chain(name_or_path: str) -> bool:
    """Whether the recipe in that file or with that shipped name is a chain. Raises RecipeError if there is none."""
    return "chain" in read_table(name_or_path, SHIPPED)[1]


def load_chain(
    name_or_path: str, changes: Sequence[str] = (), *, seed: int | None = None, target: int | None = None
) -> Chain:
    """The chain in that file (`….toml`) or with that shipped name, with `a.b=v` overrides and then `seed` and `target`
    applied.

    The target of a distillation is a number of problems, that of a cold start a number of test prompts. Raises
    RecipeError with all mistakes.
    """
    kind = _kind(*read_table(name_or_path, SHIPPED, changes))
    where, table = read_table(name_or_path, SHIPPED, changes, {"seed": seed, kind.TARGET: target})
    chain: Chain = parse_as(kind, with_sampling(table) if "sample" in kind.model_fields else table, where)
    return chain


def _kind(where: str, table: Mapping[str, Any]) -> type[Distill] | type[ColdStart]:
    kind = table.get("chain")
    if not isinstance(kind, str) or kind not in CHAINS:
        raise RecipeError(where, [f"chain: there is no chain {kind!r}; known are {', '.join(CHAINS)}"])
    return CHAINS[kind]

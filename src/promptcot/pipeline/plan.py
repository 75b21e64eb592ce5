"""The steps of a recipe, in order, each with its model or its rule. Only this module lists the steps by name.

Code that runs, displays, counts or plans a run iterates over this list, so a new step automatically gets its files,
counts, progress, cost, dry run and summary. To add a step, write its file in `stages`, its section in the recipe, and
its entry here.
"""

from __future__ import annotations

import difflib
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

from promptcot.core.labelling import Band
from promptcot.core.parsing.blocks import Blocks
from promptcot.core.prompts import PromptSet
from promptcot.core.units import counted
from promptcot.engines.opening import EMBEDDER
from promptcot.errors import RecipeError, UsageError
from promptcot.evaluation.references import References, reference_lines, references
from promptcot.grading.graders import Graders
from promptcot.grading.verifiers import checked_verifier
from promptcot.nano import judge_role
from promptcot.pipeline.observer import Observer
from promptcot.recipe.recipe import Recipe
from promptcot.recipe.schema import Judge as JudgeSection
from promptcot.recipe.schema import Model, OwnStep, Served
from promptcot.recipe.set_sections import Decontaminate as DecontaminateSection
from promptcot.recipe.set_sections import Dedup as DedupSection
from promptcot.recipe.set_sections import Label as LabelSection
from promptcot.recipe.set_sections import Select as SelectSection
from promptcot.recipe.set_sections import Solve as SolveSection
from promptcot.recipe.set_sections import Verify as VerifySection
from promptcot.records import Row
from promptcot.stages.answers import Answers
from promptcot.stages.confirm import Confirm
from promptcot.stages.decontaminate import Decontaminate
from promptcot.stages.dedup import Dedup
from promptcot.stages.defaults import solver_name, verifier_name
from promptcot.stages.embed import Embed
from promptcot.stages.filter import Filter
from promptcot.stages.generate import Generate
from promptcot.stages.judge import Judge, with_verdicts
from promptcot.stages.labelled import Label
from promptcot.stages.protocol import Stage, Step
from promptcot.stages.review import REVIEW, Review
from promptcot.stages.select import Select
from promptcot.stages.solve import Solve
from promptcot.stages.traces import Traces
from promptcot.stages.verify import Validity, Verify, share_votes, with_votes
from promptcot.storage.reviews import REVIEWS

REFERENCES = "decontaminate.references"
"""The folder of a run directory in which the vectors of benchmarks lie."""
_GRADING = 2
"""Processes that compare answers."""

Join = Callable[[Row, Mapping[str, Row]], Row]
"""Combines the outcomes of parallel steps: the row before them, and the row of each step that returned one."""


def _shown_fields(blocks: Blocks) -> dict[str, str]:
    """The fields that a generator adds to a row, for display."""
    texts = {name: f"(the {name.replace('_', ' ')})" for name in blocks.names}
    return {"completion": "(what the generator writes)", **blocks.fields(texts)}


@dataclass(frozen=True)
class PlannedStep:
    """One step. A `stage` calls `model`, which is opened for `role`; `make` creates a step without a model.

    `encode` comes before the first row, and `sample` produces the rows. Consecutive steps with the same `join` see the
    same rows at the same time. `about` and `example` are for display: a description, and the fields that it adds to a
    row.
    """

    name: str
    kind: Literal["vectors", "source", "stage", "step"]
    model: Served | None = None
    role: str = ""
    stage: Stage | None = None
    make: Callable[[Path], Step] | None = None
    join: Join | None = None
    at_end: bool = False
    """Whether the step returns rows only after all rows have arrived: then a target counts the rows before this
    step."""
    in_thread: bool = False
    """The step is slow and runs in a thread, so that models are called meanwhile."""
    begin: Callable[[], Iterable[str]] = tuple
    """Reads the step's additional inputs before any call, and returns messages for the user."""
    prepare: Callable[[Path, Observer], Awaitable[None]] | None = None
    """Creates what the step needs in the run directory, before its first row."""
    about: str = ""
    example: Mapping[str, Any] = field(default_factory=dict)

    @property
    def asked(self) -> Model:
        """The model of a stage, with its sampling."""
        assert isinstance(self.model, Model)
        return self.model


def steps_of(recipe: Recipe, prompts: PromptSet, until: str | None = None) -> list[PlannedStep]:
    """The steps of a run, up to and including `until` (a step, or a verb: all judges) if it is given.

    Raises UsageError for a step that the recipe does not have, RecipeError for an invalid step of the user's own.
    """
    blocks = prompts.settings.written
    planned = [
        *_vectors(recipe),
        PlannedStep("sample", "source", about=f"at most {counted(recipe.run.candidates, 'combination')}"),
        PlannedStep(
            "generate",
            "stage",
            recipe.generate,
            "generator",
            Generate(recipe.generate.sampling, recipe.seed, recipe.generate.chat, blocks=blocks),
            example=_shown_fields(blocks),
        ),
        *(_judge(judge, recipe, prompts) for judge in recipe.judge),
        PlannedStep("filter", "step", make=lambda _: _filter(recipe), about=_filter_rule(recipe)),
        *(_verify(recipe.verify, recipe, prompts) if recipe.verify else ()),
        *(dedup_steps(recipe.dedup) if recipe.dedup else ()),
        *(_decontaminate(recipe.decontaminate, recipe.seed) if recipe.decontaminate else ()),
        *(_solve(recipe.solve, recipe, prompts) if recipe.solve else ()),
        *(_label(recipe.label, recipe, prompts) if recipe.label else ()),
        *(_select(recipe.select, recipe) if recipe.select else ()),
    ]
    for own in recipe.step:
        _insert(own, planned, recipe)
    return planned if until is None else _up_to(until, planned)


def with_review(planned: Sequence[PlannedStep], rejected: Collection[str]) -> list[PlannedStep]:
    """The same steps, with a step that drops rejected problems if there are any. It is placed before the first step
    that chooses among all rows, or else at the end; never after traces, nor after parallel judges, whose rows are still
    undecided. Raises RecipeError if a user's own step has its name.
    """
    last = planned[-1]
    if not rejected or last.kind not in ("stage", "step") or last.join is not None:
        return [*planned]
    if any(step.name == REVIEW for step in planned):
        raise RecipeError(
            "step", [f"{REVIEW}: this is the name of the step that drops rejected problems; choose another"]
        )
    several = [place for place, step in enumerate(planned) if step.at_end or (step is last and step.name == "solve")]
    place = min(several, default=len(planned))
    about = f"drops the problems that reviewers reject ({len(rejected):,})"
    step = PlannedStep(REVIEW, "step", make=lambda _: Review(rejected), about=about)
    return [*planned[:place], step, *planned[place:]]


def sections_of(table: Mapping[str, Any]) -> dict[str, Any]:
    """The section of each stage in a recorded recipe, by the stage's name."""
    judges = {f"judge-{judge['name']}": judge for judge in table.get("judge", [])}
    verify = table.get("verify") or {}
    voters = {f"verify-{voter['name']}": voter for voter in verify.get("voter", [])} or {"verify": verify}
    comparing = {f"embed-{name}": (table.get(name) or {}).get("semantic") for name in ("dedup", "decontaminate")}
    comparing["confirm-decontaminate"] = (table.get("decontaminate") or {}).get("confirm")
    own = {one["name"]: one["model"] for one in table.get("step", [])}
    return {"generate": table.get("generate"), **judges, **voters, **comparing, "solve": table.get("solve"), **own}


def asking(steps: Sequence[PlannedStep]) -> list[PlannedStep]:
    """The steps that call a model for rows."""
    return [step for step in steps if step.kind == "stage"]


def groups_of(steps: Sequence[PlannedStep]) -> Iterator[list[PlannedStep]]:
    """The steps that rows go through, with parallel steps grouped."""
    rows = [step for step in steps if step.kind in ("stage", "step")]
    for _, together in groupby(enumerate(rows), lambda place: place[1].join or place[0]):
        yield [step for _, step in together]


def _vectors(recipe: Recipe) -> list[PlannedStep]:
    encode = recipe.encode
    if encode.skip or encode.path is not None:
        return []
    return [PlannedStep("encode", "vectors", encode, "generator")]


def _judge(judge: JudgeSection, recipe: Recipe, prompts: PromptSet) -> PlannedStep:
    stage = Judge(judge.name, prompts, judge.sampling, recipe.seed, judge.chat)
    return PlannedStep(stage.name, "stage", judge, judge_role(judge.name), stage, join=with_verdicts)


def _filter(recipe: Recipe) -> Filter:
    return Filter([judge.name for judge in recipe.judge], recipe.filter.only_perfect)


def _filter_rule(recipe: Recipe) -> str:
    votes = "that all judges call perfect" if recipe.filter.only_perfect else "with a perfect and no bad verdict"
    return f"keeps problems {votes}"


def _verify(section: VerifySection, recipe: Recipe, prompts: PromptSet) -> Iterator[PlannedStep]:
    """One model casts all votes and decides, or several vote side by side, and a step decides by their votes."""

    def stage(name: str, model: Model, votes: Sequence[int], min_share: float | None = None) -> Verify:
        return Verify(name, prompts, model.sampling, recipe.seed, model.chat, votes, min_share)

    about = f"keeps problems that {section.min_share:.0%} of {counted(section.votes, 'vote')} call valid"
    if not section.voter:
        alone = stage(verifier_name(section), section, range(section.votes), section.min_share)
        yield PlannedStep("verify", "stage", section, "verifier", alone, about=about)
        return
    for voter, votes in zip(section.voter, share_votes(section.votes, len(section.voter)), strict=True):
        one = stage(voter.name, voter, votes)
        yield PlannedStep(one.name, "stage", voter, "verifier", one, join=with_votes)
    decides = partial(Validity, prompts, section.min_share, section.votes)
    yield PlannedStep("verify", "step", make=lambda _: decides(), about=about)


def dedup_steps(section: DedupSection, *, best: bool = False) -> Iterator[PlannedStep]:
    """The step, preceded by the vectors of problems if meanings are compared. With `best`, the best copy is kept, and
    rows come when all have been seen.
    """
    near = section.semantic_near if section.semantic else None
    if section.semantic:
        stage = Embed("embed-dedup")
        yield PlannedStep(stage.name, "stage", section.semantic, EMBEDDER, stage, about="vectors of problems")

    def make(folder: Path) -> Dedup:
        return Dedup(folder, section.near, section.mask_numbers, near, best=best)

    about = f"drops copies: texts with a similarity of at least {section.near:.0%}"
    yield PlannedStep("dedup", "step", make=make, at_end=best, about=about)


def _decontaminate(section: DecontaminateSection, seed: int) -> Iterator[PlannedStep]:
    """The step. If meanings are compared, the vectors of problems come before it, and the confirmation of near matches
    after it. Those of the benchmarks are computed once, before the first row.
    """
    from promptcot.pipeline import decontamination  # imported here, because it runs a stage, and so a plan

    semantic, confirm = section.semantic, section.confirm

    @cache
    def found() -> References:
        return references(section.against)

    def lines() -> Iterator[str]:
        return reference_lines(found(), "decontaminate.against = ['NAME']")

    def make(folder: Path) -> Decontaminate:
        if semantic is None:
            return Decontaminate(found(), section.mask_numbers)
        vectors = decontamination.vectors_in(folder.parent / REFERENCES)
        return Decontaminate(found(), section.mask_numbers, section.semantic_near, vectors, confirm=confirm is not None)

    async def prepare(directory: Path, observer: Observer) -> None:
        if semantic is not None:
            await decontamination.reference_vectors(found(), semantic, directory / REFERENCES, observer)

    if semantic is not None:
        embed = Embed("embed-decontaminate")
        yield PlannedStep(embed.name, "stage", semantic, EMBEDDER, embed, about="vectors of problems")
    about = "drops problems of benchmarks"
    yield PlannedStep("decontaminate", "step", make=make, begin=lines, prepare=prepare, about=about)
    if confirm is not None:
        stage = Confirm(confirm.sampling, seed, confirm.chat, "confirm-decontaminate")
        yield PlannedStep(stage.name, "stage", confirm, "judge-a", stage, about="confirms near matches")


def _select(section: SelectSection, recipe: Recipe) -> Iterator[PlannedStep]:
    """Raises RecipeError for pass rates of a model other than the solver."""
    settings = section.settings(recipe.seed)
    solver = recipe.solve and solver_name(recipe.solve)
    if section.model not in (None, solver):
        raise RecipeError("select", [f"model: {section.model!r} is not the solver of this recipe, which is {solver!r}"])
    size = f"at most {counted(settings.size, 'problem')}" if settings.size else "all problems"
    about = f"{size} with a pass rate of {settings.band}, {settings.order}"
    yield PlannedStep("select", "step", make=lambda folder: Select(folder, settings), at_end=True, about=about)


def _solve(section: SolveSection, recipe: Recipe, prompts: PromptSet) -> Iterator[PlannedStep]:
    solve = Solve(
        prompts, section.sampling, recipe.seed, section.chat, section.style or None, model=solver_name(section)
    )
    about = f"{counted(section.n, 'trace')} of each problem"
    yield PlannedStep("solve", "stage", section, "solver", Traces(solve, section.n), about=about)


def _label(section: LabelSection, recipe: Recipe, prompts: PromptSet) -> Iterator[PlannedStep]:
    """Compares answers in worker processes, so it runs in a thread. Raises RecipeError for an unknown verifier."""
    try:
        checked_verifier(section.verifier or prompts.settings.verifier)
    except ValueError as error:
        raise RecipeError("label", [f"verifier: {error}"]) from error
    min_share = recipe.verify.min_share if recipe.verify else None
    band = Band(section.min_agreement, section.min_pass_rate, section.max_pass_rate, min_share)
    answers = Answers(prompts.settings.refusals, section.unboxed)

    def make(_: Path) -> Label:
        graders = Graders(_GRADING, named=section.verifier or None, default=prompts.settings.verifier)
        return Label(graders, band, answers)

    yield PlannedStep("label", "step", make=make, in_thread=True, about="the answer of most traces")


def _insert(own: OwnStep, planned: list[PlannedStep], recipe: Recipe) -> None:
    """Insert a user's own step after the step that it names, or at the end."""
    names = [step.name for step in planned]
    if own.name in (*names, "encode"):
        raise RecipeError("step", [f"{own.name}: the run has a step of this name already ({', '.join(names)})"])
    if f"{own.name}.jsonl" == REVIEWS:
        raise RecipeError("step", [f"{own.name}: {REVIEWS} holds what reviewers decide; choose another name"])
    if own.after is not None and own.after not in names:
        raise RecipeError("step", [f"{own.name}.after: {_no_such(own.after, names)}"])
    if own.after == "encode":
        raise RecipeError("step", [f"{own.name}.after: there are no rows before `sample`"])
    place = names.index(own.after) + 1 if own.after else len(planned)
    if 0 < place < len(planned) and planned[place].join and planned[place].join is planned[place - 1].join:
        raise RecipeError(
            "step",
            [f"{own.name}.after: {own.after} runs in parallel with {names[place]}; name the last of these steps"],
        )
    planned.insert(place, _own(own, recipe))


def _own(own: OwnStep, recipe: Recipe) -> PlannedStep:
    """Raises RecipeError if the object creates neither a stage nor a step."""
    about = f"{own.used} ({', '.join(f'{key} = {value!r}' for key, value in own.options.items())})"
    if own.model is None:
        return PlannedStep(
            own.name, "step", make=lambda folder: own.made(folder=folder), at_end=own.at_end, about=about
        )
    stage = own.made(sampling=own.model.sampling, seed=recipe.seed)
    return PlannedStep(own.name, "stage", own.model, own.role, stage, about=about)


def _up_to(until: str, planned: Sequence[PlannedStep]) -> list[PlannedStep]:
    names = [step.name for step in planned]
    verbs = [step.name.partition("-")[0] if step.join else step.name for step in planned]
    ends = [place for place, name in enumerate(names if until in names else verbs) if name == until]
    if not ends:
        raise UsageError(f"--until: {_no_such(until, names)}")
    return list(planned[: ends[-1] + 1])


def _no_such(name: str, names: Sequence[str]) -> str:
    near = difflib.get_close_matches(str(name), names, 1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"there is no step {name!r}; the steps are {', '.join(names)}{hint}"

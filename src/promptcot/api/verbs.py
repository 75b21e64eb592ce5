"""A function for each verb, over rows in memory or in a file. Results equal those of the command on the same input.

`rows` is a path, any iterable of mappings, a DataFrame or a `datasets.Dataset`. `Working` describes the arguments that
every function with a model accepts (`seed`, `journal`, `concurrency`, `max_retries`, `max_cost`, `on_progress`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from itertools import islice
from pathlib import Path
from typing import Any, Unpack

from promptcot import domains
from promptcot.api.arguments import checking
from promptcot.api.inputs import Rows, as_file
from promptcot.api.jobs import SEED, Annotators, Job, annotators_of
from promptcot.api.results import FilterResult, GradeResult, LabelResult, StageResult
from promptcot.api.working import (
    ModelLike,
    Working,
    checked,
    columns_of,
    delivered,
    model_of,
    rows_beside,
    whole_number,
    workplace,
)
from promptcot.core.labelling import Band
from promptcot.engines.opening import Engines, texts_at_once
from promptcot.engines.protocol import Engine
from promptcot.errors import UsageError
from promptcot.evaluation.golds import Problems
from promptcot.evaluation.grades import golds_of, grade_file
from promptcot.grading.graders import Graders
from promptcot.nano import judge_role
from promptcot.pipeline.inputs import drawn_rows, prompt_renderer
from promptcot.pipeline.synchronous import wait_for
from promptcot.pipeline.trouble import problem_of
from promptcot.recipe.schema import Encode, Model, Sample, Served
from promptcot.records import Row
from promptcot.runners.retries import Patient
from promptcot.stages import encode as encoding
from promptcot.stages.annotators import for_each, for_its_own, level_giver, problem_rows, problems_file
from promptcot.stages.defaults import common_domain, domain_of, domain_of_concepts, judge_name, sampling_of, solver_name
from promptcot.stages.explain import Explain
from promptcot.stages.extract import Extract
from promptcot.stages.filter import filter_files
from promptcot.stages.generate import Generate
from promptcot.stages.judge import Judge
from promptcot.stages.label import Settings, label_file
from promptcot.stages.protocol import Stage
from promptcot.stages.sample import concepts_file, read_levels, read_table
from promptcot.stages.solve import Solve, problem_samples
from promptcot.storage.counts import StageCounts
from promptcot.storage.file_rows import FileRows
from promptcot.storage.outputs import Output
from promptcot.storage.overlap import Read, Written, check_paths
from promptcot.storage.paths import url_of
from promptcot.storage.sources import fetched


@checking
def ask(
    stage: Stage, rows: Rows, *, model: ModelLike = "nano", role: str = "generator", **working: Unpack[Working]
) -> StageResult:
    """Run your own stage: its requests for each row go to the model, and the rows that it reads from the replies are
    the output.

    A row on which the stage raises, or returns an invalid value, is dropped. Raises StageFault if `ask` fails on each
    of the first 20 rows, and SystematicFailure if the stage fails on more than a tenth of the rows, and more than 20.
    """
    return Job(rows, working).ask(stage, model_of(model), role)


@checking
def generate(
    rows: Rows, *, model: ModelLike = "nano", prompts: str | None = None, **working: Unpack[Working]
) -> StageResult:
    """Write a rationale and a problem for each row with a `prompt`, as returned by `sample`.

    `prompts` names the domain, which may have other blocks.
    """
    spec, engine = model_of(model, temperature=1.0)
    domain = domains.settings(prompts or domain_of(spec))
    stage = Generate(spec.sampling, working.get("seed", SEED), spec.chat, blocks=domain.written)
    return Job(rows, working).ask(stage, (spec, engine), "generator")


@checking
def judge(
    rows: Rows,
    *,
    model: ModelLike = "nano",
    name: str | None = None,
    prompts: str | None = None,
    **working: Unpack[Working],
) -> StageResult:
    """Rate each generated problem with one model, called `name` in the rows (by default as the model)."""
    spec, engine = model_of(model)
    domain, called = domains.load(prompts or domain_of(spec)), name or judge_name(spec.model)
    stage = Judge(called, domain, spec.sampling, working.get("seed", SEED), spec.chat)
    return Job(rows, working, domain).ask(stage, (spec, engine), judge_role(called))


@checking
def solve(
    rows: Rows,
    *,
    model: ModelLike = "nano",
    n: int = 1,
    style: str | None = None,
    prompts: str | None = None,
    columns: Mapping[str, str] | None = None,
    **working: Unpack[Working],
) -> StageResult:
    """Write `n` traces, each with a boxed answer, for every row with a `problem` (or a `prompt`, sent unchanged).

    Also reads rows of known data sets; for others `columns` maps the fields: `{"problem": "question"}`. With
    `max_retries`, a trace with malformed thinking is requested again, which makes a model look better.
    """
    whole_number("n", n, 1)
    spec, engine = model_of(model)
    domain, again = domains.load(prompts or domain_of(spec)), working.get("max_retries", 0)
    seed, named = working.get("seed", SEED), solver_name(spec)
    stage = Solve(domain, spec.sampling, seed, spec.chat, style, resample=again > 0, model=named)
    read = columns_of(columns)
    job = Job(rows, working, domain, read.given)
    return job.ask(stage, (spec, engine), "solver", lambda source: problem_samples(source, n, read))


def _known_to(annotators: Annotators) -> str:
    return common_domain(spec for spec, _ in annotators.values())


@checking
def extract(
    rows: Rows,
    *,
    model: ModelLike | Mapping[str, ModelLike] = "nano",
    n: int | Sequence[int] | None = None,
    levels: Sequence[str] = (),
    prompts: str | None = None,
    columns: Mapping[str, str] | None = None,
    **working: Unpack[Working],
) -> StageResult:
    """Name the concepts that each problem rests on: `n` of them, or one of several numbers; by default the domain's
    number.

    `model` may name several annotators: `{"name": model, …}`. A row without a level gets one of `levels`. `columns` as
    in `solve`.
    """
    found = columns_of(columns)
    annotators = annotators_of(model)
    domain, seed = domains.load(prompts or _known_to(annotators)), working.get("seed", SEED)
    sizes = domain.settings.sizes if n is None else tuple(n) if isinstance(n, Sequence) else (n,)
    for size in sizes or (0,):
        whole_number("n", size, 1)

    def read(source: Path) -> Iterator[Row]:
        give_level = level_giver(levels, seed)
        return for_each(map(give_level, problem_rows(problems_file(str(source)), found)), [*annotators])

    def stage(name: str, spec: Model) -> Stage:
        return Extract(name, domain, spec.sampling, seed, sizes, spec.chat)

    return Job(rows, working, domain, found.given).annotate("extract", annotators, stage, read)


@checking
def explain(
    rows: Rows,
    *,
    model: ModelLike | Mapping[str, ModelLike] = "nano",
    levels: Sequence[str] = (),
    prompt_like: str | Path | None = None,
    prompts: str | None = None,
    columns: Mapping[str, str] | None = None,
    **working: Unpack[Working],
) -> StageResult:
    """Write the rationale that leads from concepts and level to each problem, as rows like those of `generate`.

    A row that names its annotator is sent to that one only. `prompt_like` are rows whose `prompt` has the wording to
    use. `columns` as in `solve`.
    """
    found = columns_of(columns)
    annotators = annotators_of(model)
    domain, seed = domains.load(prompts or _known_to(annotators)), working.get("seed", SEED)
    render = prompt_renderer(domain, None if prompt_like is None else str(prompt_like), levels)

    def read(source: Path) -> Iterator[Row]:
        return for_its_own(map(level_giver(levels, seed), problem_rows(source, found)), [*annotators])

    def stage(name: str, spec: Model) -> Stage:
        return Explain(name, domain, render, spec.sampling, seed, spec.chat)

    return Job(rows, working, domain, found.given).annotate("explain", annotators, stage, read)


@checking
def sample(
    concepts: Rows = "nano",
    n: int = 1000,
    *,
    vectors: str | Path | None = None,
    seed: int = SEED,
    prompts: str | None = None,
    columns: Mapping[str, str] | None = None,
    **settings: Any,
) -> StageResult:
    """Draw `n` combinations of related concepts, as rows for `generate`; fewer if no new ones are left.

    `concepts` are rows with a list `concepts`, `nano` or `contest`; `vectors` is a file written by `encode`. `settings`
    are the keys of a recipe's `[sample]`: size, temperature, counts, levels, fit_levels, prompt_like. `columns` may
    name the column of the concepts: `{"concepts": "topics"}`.
    """
    whole_number("n", n, 1)
    with workplace(None) as folder:
        source = str(as_file(concepts, folder))
        domain = domains.load(prompts or domain_of_concepts(source))
        recipe = checked(Sample, {**sampling_of(domain, source), **settings})
        path = None if vectors is None else Path(vectors)
        with Output(folder / "sample.jsonl", "sample") as output:
            table = read_table(source, columns_of(columns))
            fitting = read_levels(source, table, recipe, columns_of(columns))
            rows = drawn_rows(table, recipe, seed, path, domain, lambda _: None, fitting)
            for index, row in enumerate(islice(rows, n)):
                output.add(index, row, row)
            output.commit()
        return StageResult(*rows_beside(output.path, lasting=False), output.counts)


@checking
def encode(
    concepts: Rows = "nano",
    *,
    model: ModelLike | Encode = "nano",
    output_path: str | Path | None = None,
    journal: str | Path | None = None,
) -> StageResult:
    """Embed each distinct concept: returns rows with `sentence` and `embedding`, or writes a file for `sample`.

    With `output_path` (`….safetensors`, or `….jsonl` in the public form) vectors are written there, an interrupted call
    is resumed, and `rows` is empty. An address needs `journal`, a local folder from which the file is copied.
    """
    settings, engine = (model, None) if isinstance(model, Encode) else model_of(model)
    spec = Encode.model_validate({name: getattr(settings, name) for name in Served.model_fields})
    counts = StageCounts("encode")
    with workplace(None) as folder:
        source = str(as_file(_named(concepts), folder))
        target = folder / "encode.jsonl" if output_path is None else Path(output_path)
        check_paths([Read(concepts_file(source))], [Written.of(target, "file")])
        names = read_table(source).names

        async def work() -> Path:
            async with delivered(target, journal, "file") as made:
                await _encode(list(names), spec, engine, made, counts)
            return made

        made = wait_for(work())
        rows = list(FileRows(made)) if output_path is None else []
        return StageResult(rows, [], [], counts, None if output_path is None else made.parent)


async def _encode(names: list[str], spec: Encode, engine: Engine | None, target: Path, counts: StageCounts) -> None:
    async with Engines(target.parent) as engines:
        asked = engine or await engines.open(spec, "generator")
        await encoding.encode(names, Patient(asked, texts_at_once(spec)), target, counts=counts)


def _named(concepts: Any) -> Any:
    """Concepts given by name only, as rows."""
    if isinstance(concepts, (list, tuple)) and all(isinstance(name, str) for name in concepts):
        return [{"concepts": [name]} for name in concepts]
    return concepts


@checking
def filter(*judged: Rows, only_perfect: bool = True, n_rewards: int | None = None) -> FilterResult:
    """Keep the problems that the judges call perfect; each of `judged` holds the rows of one judge, joined by `id`."""
    if not judged:
        raise UsageError("filter: give the rows of at least one judge")
    with workplace(None) as folder:
        files = [as_file(rows, folder, f"judged-{place}") for place, rows in enumerate(judged)]
        with Output(folder / "filter.jsonl", "filter") as output:
            agreements = filter_files(files, output, only_perfect, n_rewards)
            output.commit()
        found, problem = rows_beside(output.path, lasting=False), problem_of(output.counts, output.path)
        return FilterResult(*found, output.counts, agreement=agreements.summary(), problem=problem)


@checking
def label(
    traces: Rows,
    *,
    prompts: str = domains.DEFAULT,
    style: str | None = None,
    seed: int = SEED,
    unboxed: bool = False,
    workers: int = 2,
    columns: Mapping[str, str] | None = None,
    verifier: str | None = None,
    **band: float,
) -> LabelResult:
    """Label each problem with the answer of most of its traces, and make training rows of the traces.

    `band` bounds what is kept: `min_agreement`, `min_pass_rate`, `max_pass_rate`, and `min_share` of the votes of
    `verify`, where each trace that rejects its problem counts as a vote against it; each between 0 and 1. `style` is
    the form of the prompt in training rows, and `columns` maps the fields, both as in `solve`; with `unboxed`, a final
    line without a box counts as an answer. `verifier` decides which answers are equal, as in `grade`; if it is None,
    the benchmark's verifier is used, and the domain's for other rows.
    """
    domain = domains.load(prompts)
    settings = Settings(_band(band), domain, style, seed, columns=columns_of(columns), unboxed=unboxed)
    default = domain.settings.verifier
    with workplace(None) as folder, Graders(workers, named=verifier, default=default) as graders:
        targets = {name: folder / f"{name}.jsonl" for name in ("label", "sft", "pairs", "rl")}
        source = as_file(traces, folder)
        counts = wait_for(label_file(source, targets, graders, settings, lambda _: None))
        found, problem = rows_beside(targets["label"], lasting=False), problem_of(counts[-1], targets["label"])
        sft, pairs, rl = (list(FileRows(targets[name])) for name in ("sft", "pairs", "rl"))
        return LabelResult(*found, counts[-1], sft=sft, pairs=pairs, rl=rl, problem=problem)


def _band(bounds: Mapping[str, float]) -> Band:
    known = [field.name for field in fields(Band)]
    for name, share in bounds.items():
        if name not in known:
            raise TypeError(f"unexpected keyword argument {name!r}; known are {', '.join(known)}")
        if not (isinstance(share, (int, float)) and 0 <= share <= 1):
            raise UsageError(f"{name}: {share!r} is not between 0 and 1")
    return Band(**bounds)


@checking
def grade(
    predictions: Rows,
    *,
    benchmark: str | None = None,
    unboxed: bool = False,
    ks: Sequence[int] = (),
    limit: float = 5.0,
    workers: int = 2,
    columns: Mapping[str, str] | None = None,
    verifier: str | None = None,
    strict: bool = False,
) -> GradeResult:
    """Grade predictions, source by source, by the equivalence of answers.

    `verifier` decides which answers are correct: "mathematics", "integers", "exact", or your own by import path,
    "module:name" (see `Verifier`). If it is None, the benchmark's verifier is used, and mathematics for other rows.

    `benchmark` has the answers if the rows have none; `ks` are the k of pass@k and majority@k; `limit` is the time
    limit of one comparison in seconds. Grades of a local file are kept beside it, so an interrupted call resumes.
    `columns` as in `solve`. A row that cannot be graded is counted in `unfit`; if it is the first row, InputError is
    raised, unless only its gold is rejected, and with `strict` any such row raises it.
    """
    read = columns_of(columns)
    with workplace(None) as folder, Graders(workers, limit, named=verifier) as graders:
        source, details = as_file(predictions, folder), folder / "details.jsonl"
        if (url := url_of(source)) is not None:
            source = fetched(url, folder)
        check_paths([Read(source)], [Written.of(source, "read")])
        golds = golds_of(benchmark, graders, problems := Problems(graders))
        how: dict[str, Any] = {"unboxed": unboxed, "details": details, "ks": ks, "columns": read, "strict": strict}
        found = wait_for(grade_file(source, graders, golds, problems=problems, **how))
        sources = {one.source: one for one in found.summaries}
        return GradeResult(sources, list(FileRows(details)), found.unfit, found.notes)

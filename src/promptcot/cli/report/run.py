"""The text of `promptcot run`: the steps of a dry run; then the funnel, the judges' agreement and some problems."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby, islice
from pathlib import Path
from typing import Any

from promptcot import nano
from promptcot.cli.report.console import calls, exit_code, percent, replaced
from promptcot.cli.report.forecast import forecast_of
from promptcot.cli.report.layout import hanging
from promptcot.cli.report.measure import end_lines
from promptcot.cli.report.prompts import asked, first_prompt
from promptcot.cli.report.result import RESULT
from promptcot.cli.report.steps import lines_of
from promptcot.cli.report.tables import table
from promptcot.cli.report.truth import worth_lines
from promptcot.core.units import counted
from promptcot.engines.opening import kind_of
from promptcot.pipeline.inputs import Inputs
from promptcot.pipeline.plan import PlannedStep, groups_of
from promptcot.pipeline.run import Run
from promptcot.pipeline.set_file import SET, has_set
from promptcot.pipeline.trouble import Trouble, worst_trouble
from promptcot.recipe.recipe import Recipe, step_of
from promptcot.storage.counts import BEYOND_TARGET, StageCounts
from promptcot.storage.paths import beside
from promptcot.storage.rows import read_rows

_SHOWN = 3
_FUNNEL = {
    "judge": "judged",
    "filter": "accepted",
    "verify": "valid",
    "embed": "vectors",
    "confirm": "confirmed",
    "dedup": "new",
    "decontaminate": "clean",
    "solve": "solved",
    "label": "labelled",
    "review": "reviewed",
    "select": "selected",
}
"""The funnel's names for the rows that passed a step; other steps keep their own name."""
_NEXT = (
    ("promptcot doctor", "looks at what this machine can run"),
    ("promptcot run endpoint --base-url URL", "runs everything on one hosted model"),
    ("promptcot run MY.toml --dry-run", "shows a run with your own models and concepts (docs/recipes.md)"),
)
_ROWS_OF = {
    "filter": "accepted problems",
    "verify": "valid problems",
    "dedup": "problems without copies",
    "decontaminate": "problems outside benchmarks",
    "solve": "traces",
    "label": "labelled problems",
    "review": "problems that no reviewer rejects",
    "select": "selected problems",
}


def preview(inputs: Inputs) -> Iterator[str]:
    """The first prompt of each stage, and the counts. No model is called; vectors are used if they exist."""
    recipe = inputs.recipe
    existing = inputs.existing_vectors
    row = next(inputs.sampled(existing))
    yield f"recipe {recipe.name}, seed {recipe.seed}: dry run, no model is called and nothing is written"
    yield f"concepts: {len(inputs.table):,} distinct in {recipe.concepts.path}"
    if recipe.encode.skip:
        yield "encode: skipped; concepts are drawn by co-occurrence alone"
    else:
        yield f"encode: {counted(len(inputs.table), 'concept')}, by {existing or asked(recipe.encode)}"
    sizes = " or ".join(map(str, recipe.sample.size))
    own = f"; shard {inputs.part.shard} takes its share" if inputs.part.shard else ""
    yield f"sample: at most {counted(recipe.run.candidates, 'combination')} of {sizes} concepts{own}"
    if recipe.run.target:
        yield f"target: stops at {recipe.run.target:,} {target_of(recipe)}"
    yield from forecast_of(recipe, inputs.steps)
    yield from (*inputs.reviewed(), *inputs.gone())
    if existing is None and not recipe.encode.skip:
        yield "the vectors do not exist yet, so the first combination is only an example:"
    for step in inputs.steps:
        if step.stage is not None:
            yield ""
            yield from first_prompt(step.name, step.stage, step.asked, step.role, row)
        elif step.make:
            yield f"{step.name}: {step.about}"
            yield from (f"{step.name}: {line}" for line in step.begin())
        row = {**row, **step.example}


def preview_numbers(inputs: Inputs) -> dict[str, Any]:
    """The counts of a preview, for --json."""
    recipe = inputs.recipe
    return {
        "recipe": recipe.name,
        "seed": recipe.seed,
        "concepts": len(inputs.table),
        "candidates": recipe.run.candidates,
        "target": recipe.run.target,
        "steps": [step.name for step in inputs.steps],
    }


def numbers(run: Run, inputs: Inputs) -> dict[str, Any]:
    """The keys for --json in addition to summary.json: `came` is the number of rows that count for the target."""
    counts = {"came": run.came, "target": run.limits.target} if run.counts else {}
    return {"directory": run.directory, "recipe": inputs.recipe.name, "seed": inputs.recipe.seed, **counts}


def files_of(run: Run) -> list[Path]:
    """The files of a run: its set, and the output of each step with the files beside it."""
    outputs = [output.path for output in run.outputs.values()]
    others = [beside(path, kind) for path in outputs for kind in ("dropped.jsonl", "failed.jsonl")]
    return [path for path in (run.directory / SET, run.directory / "recipe.json", *outputs, *others) if path.exists()]


def target_of(recipe: Recipe) -> str:
    """The rows that a target counts: those of the last step, or of the step before `select`."""
    last = next((name for name in reversed(recipe.set_steps) if name != "select"), "filter")
    return _ROWS_OF[last]


def caution(recipe: Recipe) -> Iterator[str]:
    """A warning if a server would get prompts that only the embedded models understand."""
    served = [model for model in recipe.models.values() if model.base_url]
    others = [asked(model) for model in served if model.unnamed or not nano.is_nano(model.model)]
    if nano.is_world(recipe.prompts) and others:
        names = ", ".join(dict.fromkeys(others))
        yield (
            f"note: {names} gets nano's prompts, which only models trained on them understand; "
            "for other models: promptcot run endpoint --base-url URL --model NAME"
        )


def summary(run: Run, inputs: Inputs) -> Iterator[str]:
    """The funnel, the agreement, some accepted problems, and the files."""
    counts = run.counts
    if not counts:
        yield f"{counted(len(inputs.table), 'concept')}: {inputs.directory / 'encode.safetensors'}"
        return
    for step in counts.values():
        if line := calls(step):
            yield line
    for line in filter(None, map(replaced, counts.values())):
        RESULT.warn(line)
        yield line
    asked = [counts[step.name] for step in run.steps if step.stage]
    yield from whole_cost(asked)
    yield from _beyond(asked)
    if inputs.ended is not None:
        yield f"sample: {inputs.ended}"
    yield ""
    yield from _funnel(run)
    if lines := list(worth_lines(run.truth, inputs.directory)):
        yield from ("", *lines)
    for name, output in run.outputs.items():
        if name in run.made and (lines := list(lines_of(run.made[name], output))):
            yield from ("", *lines)
    if lines := list(end_lines(run.measure)):
        yield from ("", *lines)
    trouble = _trouble(run)
    if trouble is not None:
        RESULT.warn(str(trouble))
        yield from ("", *trouble.lines)
    yield from _problems(run)
    yield from _files(run, inputs)


def report_lines(report: Path | str) -> Iterator[str]:
    """The path of the report of the run, or why there is none."""
    yield f"report: {report}" if isinstance(report, Path) else f"note: {report}"


def next_lines(run: Run, inputs: Inputs) -> Iterator[str]:
    """What to do after the run."""
    if inputs.part.shard is not None and run.counts:
        yield f"this is shard {inputs.part.shard}; when all shards are finished: promptcot merge OUT {run.directory} …"
    elif run.counts and run.last.counts.rows_written and _is_embedded(inputs.recipe):
        yield ""
        yield from table([("next, with a real model", "what it does"), *_NEXT])


def code_of(run: Run) -> int:
    """The exit code of a run that was not stopped."""
    drawn = run.counts["sample"].rows_out if run.counts else 0
    nothing = drawn > 0 and run.last.counts.rows_out == 0
    return exit_code(nothing=nothing, failed=any(counts.failed for counts in run.counts.values()))


def _trouble(run: Run) -> Trouble | None:
    """The problem of the step that lost most rows: all of them, or most of them to unusable replies."""
    return worst_trouble((output.counts, output.path) for output in run.outputs.values())


def whole_cost(asked: Sequence[StageCounts]) -> Iterator[str]:
    """The cost of all steps together, for comparison with the forecast; steps without a price are named."""
    costs = [stage.cost for stage in asked if stage.cost is not None]
    if len(costs) < 2:
        return
    free = ", ".join(stage.name for stage in asked if stage.cost is None and stage.paid)
    yield f"in all: cost {sum(costs):,.4f}{f', without {free}: no price' if free else ''}"


def _beyond(asked: Sequence[StageCounts]) -> Iterator[str]:
    """The calls beyond the target, if there is a target."""
    rows = max((stage.dropped[BEYOND_TARGET] for stage in asked), default=0)
    if not rows:
        return
    beyond = sum(stage.calls_beyond for stage in asked)
    share = percent(beyond, sum(stage.calls + stage.reused for stage in asked))
    prices = [stage.calls_beyond * stage.cost_a_call for stage in asked if stage.cost_a_call is not None]
    cost = f", cost about {sum(prices):,.4f}" if prices else ""
    yield (
        f"beyond the target: {counted(beyond, 'call')} ({share} of all){cost}, for about "
        f"{counted(rows, 'combination')} that were started before it was reached; the journal keeps the replies"
        " for a larger target"
    )


def _funnel(run: Run) -> Iterator[str]:
    sampled = run.counts["sample"].rows_out
    lines = [("sampled", sampled, "")]
    for together in groups_of(run.steps):
        lines += _lines(together, [run.counts[step.name] for step in together])
    rows = [(name, f"{count:,}", percent(count, sampled), lost) for name, count, lost in lines]
    yield from table([("step", "rows", "share", "left out"), *rows], indent=2)


def _lines(together: list[PlannedStep], counts: list[StageCounts]) -> Iterator[tuple[str, int, str]]:
    """The funnel's lines for steps that run in parallel; a generator has two, for written and parsed problems."""
    first = counts[0]
    name = together[0].name
    verb = name.partition("-")[0] if together[0].join or step_of(name) else name
    if verb == "generate":
        written = first.rows_in - first.failed.total() - first.dropped[BEYOND_TARGET]
        yield "generated", written, _lost(first, "failed")
        yield "parsed", first.rows_out, _lost(first, "dropped")
    elif together[0].stage is None:
        yield _FUNNEL.get(verb, verb), first.rows_out, _lost(first, "dropped")
    else:
        lost = (words for one in counts for words in (_lost(one, "failed"), _lost(one, "dropped")))
        votes = verb == "verify" and together[0].join is not None
        rows = min(one.rows_out for one in counts)
        yield "voted" if votes else _FUNNEL.get(verb, verb), rows, "; ".join(filter(None, lost))


def _lost(counts: StageCounts, kind: str) -> str:
    reasons = counts.failed if kind == "failed" else counts.dropped
    shown = {reason: count for reason, count in sorted(reasons.items()) if reason != BEYOND_TARGET}
    prefix = "failed " if kind == "failed" and shown else ""
    return prefix + ", ".join(f"{count:,} {reason}" for reason, count in shown.items())


def _problems(run: Run) -> Iterator[str]:
    rows = (
        next(of_one) for _, of_one in groupby(read_rows(run.last.path, may_be_empty=True), lambda row: row.get("id"))
    )
    for number, row in enumerate(islice(rows, _SHOWN), 1):
        yield f"\nproblem {number}, {row.get('level', 'n/a')}: {'; '.join(row.get('foundational_concepts', ()))}"
        if "label" in run.counts and run.steps[-1].name != "solve":
            yield _indented(
                f"Answer: {row.get('answer')}, given by {_share(row.get('pass_rate'))} of {_traces(row.get('n'))}"
            )
            yield ""
        for place, text in enumerate(filter(None, (row.get("rationale"), row.get("problem")))):
            yield from [""] * place
            yield _indented(str(text))


def _traces(n: object) -> str:
    return counted(n, "trace") if isinstance(n, int) else f"{n} traces"


def _share(value: object) -> str:
    return f"{value:.0%}" if isinstance(value, float) else "n/a"


def _indented(text: str) -> str:
    return "\n".join(hanging("    ", line) for line in text.splitlines())


def _files(run: Run, inputs: Inputs) -> Iterator[str]:
    came, target = run.last.counts.rows_written, run.limits.target
    last = run.steps[-1].name
    what = _ROWS_OF.get(last, f"rows of {last}")
    if target and run.came < target:
        yield f"\n{run.came:,} of the target of {counted(target, 'problem')}: {_used_up(run, inputs)}"
    yield f"\n{came:,} {what}: {run.directory / SET if has_set(run.steps) else run.last.path}"
    yield f"rows of every step, and why rows were dropped: {run.directory}/*.jsonl, {run.directory / 'summary.json'}"


def _used_up(run: Run, inputs: Inputs) -> str:
    """Why a target was not reached. A larger bound is advised only if there are more combinations and some became
    problems.
    """
    if inputs.ended is not None:
        return "no more combinations can be drawn; add concepts or other sizes (sample.size)"
    more = "; run the same command with a larger --max-candidates to continue" if run.came else ""
    return f"all combinations ({run.limits.candidates:,}) are used{more}"


def _is_embedded(recipe: Recipe) -> bool:
    """Whether all models are embedded ones; a model on a server may be called nano, too."""
    models = recipe.models.values()
    return all(nano.is_nano(model.model) and kind_of(model) in ("local", "vllm") for model in models)

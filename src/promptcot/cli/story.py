"""What `promptcot run` tells: beforehand the plan, afterwards the funnel, the judges' agreement and some problems."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from promptcot.cli.console import calls, percent
from promptcot.core.sampling.combinations import Exhausted
from promptcot.core.statistics.agreement import Agreements
from promptcot.pipeline.inputs import Preparation
from promptcot.pipeline.run import Run, asking_stages
from promptcot.recipe.schema import Model, Served
from promptcot.records import Row
from promptcot.stages.protocol import Stage
from promptcot.storage.counts import BEYOND_TARGET, StageCounts
from promptcot.storage.rows import read_rows

_SHOWN = 3


def plan(preparation: Preparation) -> Iterator[str]:
    """The first prompt of each stage, and the counts. No model is called; vectors are used if they exist."""
    recipe = preparation.recipe
    existing = recipe.encode.path or next(map(str, preparation.directory.glob("encode.safetensors")), None)
    row = next(preparation.sampled(None if existing is None else Path(existing)))
    yield f"recipe {recipe.name}, seed {recipe.seed}: nothing is asked, nothing is written"
    yield f"concepts: {len(preparation.table):,} distinct ones in {preparation.recipe.concepts.path}"
    if recipe.encode.skip:
        yield "encode: skipped, concepts are drawn by how often they occur together"
    else:
        yield f"encode: {len(preparation.table):,} concepts, by {existing or _asked(recipe.encode)}"
    yield f"sample: at most {recipe.run.candidates:,} combinations of {_sizes(recipe.sample.size)} concepts"
    if recipe.run.target:
        yield f"target: stops at {recipe.run.target:,} accepted problems"
    if existing is None and not recipe.encode.skip:
        yield "without vectors, which are not made yet, the first combination is only an example:"
    written: Row = {**row, "completion": "(what the generator writes)"}
    generate, *judges = asking_stages(recipe, preparation.prompts)
    yield from _first(generate, recipe.generate, row)
    for stage, judge in zip(judges, recipe.judge, strict=True):
        yield from _first(stage, judge, written)
    kept = "what all judges call perfect" if recipe.filter.only_perfect else "one perfect and no bad verdict"
    yield f"filter: keeps {kept}"


def _sizes(sizes: list[int]) -> str:
    return " or ".join(map(str, sizes))


def _asked(model: Served) -> str:
    """Which model, and where."""
    if not model.base_url:
        return model.model
    name = "the only model" if model.model == Served().model else model.model
    return f"{name} at {', '.join(model.base_url)}"


def _first(stage: Stage, model: Model, row: Row) -> Iterator[str]:
    [request] = stage.ask(row)
    sampling = f"temperature {model.temperature}, top_p {model.top_p}, at most {model.max_tokens:,} tokens"
    yield f"\n{stage.name}: {_asked(model)}, {sampling}; its first prompt:"
    turns = [f"[{turn.role}]\n{turn.content}" for turn in request.messages] or [request.prompt]
    yield textwrap.indent("\n".join(turns).rstrip("\n"), "    | ", lambda line: True)


def tell(run: Run, ended: Exhausted | None) -> Iterator[str]:
    """The funnel, the agreement, some accepted problems, the files, and what to do next."""
    for counts in run.stage_counts.values():
        if line := calls(counts):
            yield line
    if run.recipe.run.target and (more := run.stage_counts["generate"].dropped[BEYOND_TARGET]):
        yield f"{more:,} more combinations were begun before the target was reached; their calls stay in the journal"
    if ended is not None:
        yield f"sample: {ended}"
    yield ""
    yield from _funnel(run)
    if len(run.recipe.judge) > 1:
        yield ""
    yield from agreement_lines(run.agreements)
    yield from _problems(run)
    yield from _files(run)


def _funnel(run: Run) -> Iterator[str]:
    stage_counts = run.stage_counts
    sampled, generated, accepted = stage_counts["sample"], stage_counts["generate"], stage_counts["filter"]
    judges = [stage_counts[f"judge-{judge.name}"] for judge in run.recipe.judge]
    beyond = generated.dropped[BEYOND_TARGET]
    steps = [
        ("sampled", sampled.rows_out, ""),
        ("generated", generated.rows_in - generated.failed.total() - beyond, _lost(generated, "failed")),
        ("parsed", generated.rows_out, _lost(generated, "dropped")),
        (
            "judged",
            min(judge.rows_out for judge in judges),
            "; ".join(filter(None, (_lost(j, "failed") for j in judges))),
        ),
        ("accepted", accepted.rows_out, _lost(accepted, "dropped")),
    ]
    for name, count, lost in steps:
        yield f"  {name:<10} {count:>8,}  {percent(count, sampled.rows_out):>5}{'   ' + lost if lost else ''}"


def _lost(counts: StageCounts, kind: str) -> str:
    reasons = counts.failed if kind == "failed" else counts.dropped
    shown = {reason: count for reason, count in sorted(reasons.items()) if reason != BEYOND_TARGET}
    prefix = "failed " if kind == "failed" and shown else ""
    return prefix + ", ".join(f"{count:,} {reason}" for reason, count in shown.items())


def agreement_lines(agreements: Agreements) -> Iterator[str]:
    """How far each two judges agree, a line each."""
    for (one, other), pair in agreements:
        if pair.share is None or pair.interval is None:
            yield f"judges {one} and {other}: agreement n/a, no problem has a readable verdict of both"
            continue
        low, high = pair.interval
        kappa = "n/a" if pair.kappa is None else f"{pair.kappa:.2f}"
        yield (
            f"judges {one} and {other} agree on {pair.share:.0%} of {pair.n:,} problems "
            f"(95 % interval {low:.0%} to {high:.0%}), Cohen's kappa {kappa}"
        )


def _problems(run: Run) -> Iterator[str]:
    accepted = run.outputs["filter"].path
    for number, row in enumerate(islice(read_rows(accepted, may_be_empty=True), _SHOWN), 1):
        yield f"\nproblem {number}, {row['level']}: {'; '.join(row['foundational_concepts'])}"
        yield _indented(row["rationale"])
        yield ""
        yield _indented(row["problem"])


def _indented(text: str) -> str:
    return "\n".join(
        textwrap.fill(line, 100, initial_indent="    ", subsequent_indent="    ") for line in text.splitlines()
    )


def _files(run: Run) -> Iterator[str]:
    accepted, target = run.stage_counts["filter"].rows_out, run.recipe.run.target
    if target and accepted < target:
        yield (
            f"\n{accepted:,} of the {target:,} problems aimed for: the {run.recipe.run.candidates:,} combinations are "
            "used up; the same command with a larger --max-candidates goes on"
        )
    yield f"\n{accepted:,} accepted problems: {run.outputs['filter'].path}"
    yield f"every stage, with what was dropped and why: {run.directory}/*.jsonl, {run.directory / 'summary.json'}"
    if run.recipe.generate.model.startswith("nano"):
        yield "next, with a real model:"
        yield "  promptcot doctor                              what this machine can run"
        yield "  promptcot run endpoint --base-url URL         everything on one hosted model"
        yield "  promptcot run MY.toml --dry-run               your own models and concepts, see docs/recipes.md"

"""`promptcot train-rows`: what a generator learns from, and the concepts to sample from afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from promptcot import prompts
from promptcot.cli.console import close_books, refuse_own_output
from promptcot.cli.options import output_path, prompt_like
from promptcot.core.training_rows import concept_row, generator_row
from promptcot.errors import InputError, UsageError
from promptcot.pipeline.inputs import prompt_renderer
from promptcot.records import Drop, Item, Outcome, Row, content_id
from promptcot.stages.annotators import level_giver
from promptcot.storage.manifest import manifest
from promptcot.storage.outputs import Output
from promptcot.storage.rows import hash_id, read_rows, with_ids

Learn = Callable[[Row], Row | str]


@click.command("train-rows")
@click.option(
    "--data-path",
    "sources",
    type=click.Path(path_type=Path),
    multiple=True,
    required=True,
    help="Rows as `filter` or `explain` writes them, or with `concepts`, `rationale` and `problem`; may be repeated.",
)
@output_path("Training rows: `prompt` and `completion`, with concepts, level and annotator.")
@click.option(
    "--concepts-path",
    type=click.Path(path_type=Path),
    help="Write the concepts of each problem here, for `sample`.",
)
@click.option(
    "--level", "levels", multiple=True, help="Of rows without one; given several times, drawn for each problem."
)
@click.option(
    "--prompts", "domain", default="math", show_default=True, help="The wording of prompts that rows do not bring."
)
@prompt_like
@click.option("--seed", type=click.IntRange(min=0), default=8000, show_default=True, help="Of drawn levels.")
def command(output_path: Path, concepts_path: Path | None, **options: Any) -> int:
    """Make the training rows of a generator from annotated problems.

    Rows that `explain` or `filter` wrote bring their prompt; others get one from their concepts and level. Rows
    that lack something, and repeated ones, are dropped with the reason. Give judged rows to `filter` first.
    """
    sources, targets = options["sources"], [path for path in (output_path, concepts_path) if path]
    for target in targets:
        refuse_own_output(sources, target)
    if len({target.resolve() for target in targets}) < len(targets):
        raise UsageError("two outputs have the same name; give each a file of its own")
    loaded = prompts.load(options["domain"])
    like = options["prompt_like"] and str(options["prompt_like"])
    give_level = level_giver(options["levels"], options["seed"])
    render = prompt_renderer(loaded, like, options["levels"])
    told = {**options, "output_path": output_path, "concepts_path": concepts_path, "sources": list(map(str, sources))}

    def learn(row: Row) -> Row | str:
        return generator_row(give_level(row), render)

    return _write(_rows(sources), learn, targets, manifest(told, loaded.hashes, {}))


def _rows(sources: Sequence[Path]) -> Iterator[Row]:
    return with_ids(row for source in sources for row in _unjudged(source))


def _unjudged(source: Path) -> Iterator[Row]:
    for number, row in enumerate(read_rows(source), 1):
        if "judgement" in row:
            raise InputError(
                f"{source}, row {number}: a judged row; give the judged files to `filter`, and its output here"
            )
        yield row


def _write(rows: Iterator[Row], learn: Learn, targets: Sequence[Path], recipe: Mapping[str, Any]) -> int:
    """Write the training rows and, where a second target is named, the concepts; returns the exit code."""
    with ExitStack() as held:
        outputs = [
            held.enter_context(Output(path, name))
            for path, name in zip(targets, ("train-rows", "concepts"), strict=False)
        ]
        _take_all(rows, learn, outputs)
        for output in outputs[1:]:
            output.commit()
        outputs[0].commit(dict(recipe))
        for output in outputs[1:]:
            close_books(output.path, [output.counts])
        return close_books(outputs[0].path, [outputs[0].counts])


def _take_all(rows: Iterator[Row], learn: Learn, outputs: Sequence[Output]) -> None:
    learned: set[int] = set()
    known: set[int] = set()
    for index, row in enumerate(rows):
        found = learn(row)
        if not isinstance(found, str):
            found = _new(found, learned, "prompt", "completion")
        _take(outputs[0], index, row, found)
        if isinstance(found, str):
            continue
        for output in outputs[1:]:
            concepts = concept_row(found)
            _take(output, index, concepts, _new(concepts, known, "concepts", "problem"))


def _new(row: Row, seen: set[int], *fields: str) -> Row | str:
    """The row, or `duplicate` where one with the same fields was seen."""
    short = hash_id(content_id(*(row[field] for field in fields)))
    if short in seen:
        return "duplicate"
    seen.add(short)
    return row


def _take(output: Output, index: int, row: Row, result: Row | str) -> None:
    output.counts.rows_in += 1
    output.take(Outcome(Item(index, row), Drop(result) if isinstance(result, str) else [result]))

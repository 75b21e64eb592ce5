"""The names of annotators, and the rows that each annotator gets.

Every annotator gets every problem; a row that names an annotator goes only to that one. Each pair of a problem and an
annotator is a separate row. Its id consists of the problem's id and the annotator's name, so that it does not depend on
the other annotators.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from promptcot import nano
from promptcot.core.columns import Columns
from promptcot.core.problems import problem_of, with_problem_ids
from promptcot.core.training_rows import level_of
from promptcot.errors import InputError, UnfitRow, UsageError
from promptcot.recipe.loading import parse_as
from promptcot.recipe.schema import Served
from promptcot.records import Row, derive_seed
from promptcot.stages.defaults import annotator_name
from promptcot.storage.rows import read_rows, with_ids

_NAME = re.compile(r"[A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class Annotator:
    """A model that annotates, and its name as an annotator."""

    name: str
    model: str


def annotators_of(given: Sequence[str], model: str) -> list[Annotator]:
    """The annotators in `given`, each `NAME=MODEL` or a model alone; or `model`. Raises UsageError."""
    annotators = [_annotator(one) for one in given or [model]]
    names = [one.name for one in annotators]
    for name in names:
        if not _NAME.fullmatch(name):
            raise UsageError(
                f"--annotator: {name!r} is not a valid name; use letters, digits, dots, dashes and underscores"
            )
    if len(set(names)) < len(names):
        raise UsageError(
            f"--annotator: two annotators have the same name ({', '.join(names)}); name each as NAME=MODEL"
        )
    return annotators


def _annotator(given: str) -> Annotator:
    name, named, model = given.partition("=")
    if named:
        return Annotator(name, model)
    return Annotator(annotator_name(parse_as(Served, {"model": given}, "options")), given)


def problems_file(path: str) -> Path:
    """The file of problems at a path; `nano` stands for the shipped seed problems."""
    return nano.seeds_path() if nano.is_world(path) else Path(path)


def problem_rows(source: Path, columns: Columns | None = None) -> Iterator[Row]:
    """The rows of a file, each with the id of its problem. Raises InputError for a first row without a problem."""
    rows = (columns or Columns()).problems(read_rows(source, may_be_empty=True))
    return with_ids(with_problem_ids(rows, str(source)))


def rows_of_problems(source: Path, columns: Columns | None = None) -> Iterator[Row]:
    """Like `problem_rows`, for rows that are not traces. Raises InputError for a trace."""
    for number, row in enumerate(problem_rows(source, columns), 1):
        if "sample" in row and "completion" in row:
            raise InputError(
                f"{source}, row {number}: this is a trace (it has `sample`), and traces of one problem would be "
                "dropped as copies; remove copies before `solve`, or after `label`"
            )
        yield row


def for_each(rows: Iterable[Row], names: Sequence[str]) -> Iterator[Row]:
    """Each row once for each annotator, named by `annotator`."""
    for row in rows:
        for name in names:
            yield {**row, "id": f"{row['id']}-{name}", "annotator": name}


def for_its_own(rows: Iterable[Row], names: Sequence[str]) -> Iterator[Row]:
    """Each row for the annotator that it names, with its id unchanged; rows that name none, for all annotators.

    Raises InputError for an annotator that is not among `names`.
    """
    for row in rows:
        name = row.get("annotator")
        if name is None:
            yield from for_each([row], names)
        elif name in names:
            yield row
        else:
            raise InputError(
                f"row {row['id']} names the annotator {name!r}, but the annotators are {', '.join(names)}: "
                f"give its model with --annotator {name}=MODEL, or remove the field `annotator` from the rows"
            )


def level_giver(levels: Sequence[str], seed: int) -> Callable[[Row], Row]:
    """Gives a level to a row without one: one of `levels`, if any, drawn uniformly with the problem as seed."""

    def give(row: Row) -> Row:
        if not levels or level_of(row) is not None:
            return row
        try:
            problem = problem_of(row, f"row {row['id']}")
        except UnfitRow:  # `ask` raises for it later
            return row
        return {**row, "level": levels[derive_seed(seed, "level", problem) % len(levels)]}

    return give

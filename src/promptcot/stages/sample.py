"""The step `sample`: turns a concepts file into input rows for the generator.

Reads seed combinations and vectors, passes them to the sampler in `core`, and gives each combination a prompt and an
id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from promptcot import catalogue, nano
from promptcot.core.columns import Columns, fields_of
from promptcot.core.sampling.combinations import Combination, Exhausted, combinations
from promptcot.core.sampling.concepts import ConceptTable, align_embeddings
from promptcot.core.sampling.levels import LevelDistribution
from promptcot.core.sampling.sampler import Sampler
from promptcot.errors import InputError
from promptcot.recipe.schema import Sample
from promptcot.records import Row, content_id
from promptcot.storage.embeddings import read_embeddings
from promptcot.storage.rows import read_rows
from promptcot.storage.sources import shown

RenderPrompt = Callable[[Sequence[str], str], str]


def concepts_file(path: str) -> Path:
    """The concepts file at a path; `contest` and `nano` stand for the shipped catalogues."""
    if path == catalogue.NAME:
        return catalogue.path()
    return nano.concepts_path() if nano.is_world(path) else Path(path)


Unfit = Callable[[Row, str], None]
"""Called with a skipped row and the reason."""


def read_table(path: str, columns: Columns | None = None, unfit: Unfit | None = None) -> ConceptTable:
    """The seed combinations of a file, as a table.

    Raises InputError naming the first row without `concepts`; if `unfit` is given, only if this is the first row of the
    file.
    """
    return ConceptTable.from_rows(names for names, _ in _seeds(concepts_file(path), columns or Columns(), unfit))


def read_levels(
    path: str, table: ConceptTable, recipe: Sample, columns: Columns | None = None
) -> LevelDistribution | None:
    """How levels fit the concepts of a file whose table has been read; None if the recipe draws them uniformly.

    Raises InputError if no seed combination has one of the levels.
    """
    if not recipe.fit_levels:
        return None
    return LevelDistribution(
        table, _seeds(concepts_file(path), columns or Columns(), lambda row, why: None), recipe.levels
    )


def _seeds(path: Path, columns: Columns, unfit: Unfit | None) -> Iterator[tuple[list[str], object]]:
    """The concepts of each seed combination, and its level, if it has one."""
    for number, row in columns.concepts(read_rows(path)):
        concepts = row.get("concepts", row.get("foundational_concepts"))
        if not (
            isinstance(concepts, list) and concepts and all(isinstance(name, str) and name.strip() for name in concepts)
        ):
            why = f"{shown(path)}, row {number}: `concepts` is missing or is not a list of texts; {fields_of(row)}"
            if unfit is None or number == 1:
                raise InputError(why)
            unfit(row, why)
        else:
            yield concepts, row.get("level")


def make_sampler(table: ConceptTable, vectors: Path | None, recipe: Sample) -> Sampler:
    """A sampler over the table; without `vectors` only co-occurrence counts. Raises InputError."""
    if vectors is None:
        return Sampler(table, size=recipe.size, temperature=recipe.temperature, damping=recipe.counts)
    embeddings = read_embeddings(vectors)
    row_of = align_embeddings(table, embeddings.names, len(embeddings.matrix))
    return Sampler(
        table, embeddings.matrix, row_of, size=recipe.size, temperature=recipe.temperature, damping=recipe.counts
    )


def sampled_rows(
    sampler: Sampler,
    levels: Sequence[str],
    seed: int,
    render: RenderPrompt,
    ended: Callable[[Exhausted], None],
    fitting: LevelDistribution | None = None,
) -> Iterator[Row]:
    """Rows for the generator, endless unless no new combination is found; then `ended` is called with the reason."""
    try:
        for combination in combinations(sampler, levels, seed, fitting):
            yield _row(combination, render)
    except Exhausted as end:
        ended(end)


def _row(combination: Combination, render: RenderPrompt) -> Row:
    concepts, level = list(combination.concepts), combination.level
    prompt = render(concepts, level)
    return {
        "id": content_id(concepts, level, prompt),
        "foundational_concepts": concepts,
        "level": level,
        "prompt": prompt,
    }

"""The function `select`: picks a set of a given difficulty, size and balance from labelled problems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing

from promptcot import domains
from promptcot.api.arguments import checking
from promptcot.api.inputs import Rows, as_file
from promptcot.api.jobs import SEED
from promptcot.api.results import SelectResult
from promptcot.api.working import columns_of, rows_beside, workplace
from promptcot.core.columns import Columns
from promptcot.core.selection.settings import Settings
from promptcot.errors import UsageError
from promptcot.grading.graders import Graders
from promptcot.pipeline.trouble import problem_of
from promptcot.stages.select import Select, refuse_repeated, same_by, select_files
from promptcot.storage.outputs import Output


@checking
def select(
    *labelled: Rows,
    pass_rate: str = "0:1",
    model: str | None = None,
    difficulty: str | Mapping[str, float] | None = None,
    levels: str | Mapping[str, float] | None = None,
    size: int | None = None,
    balance: str | Sequence[str] = (),
    order: str = "as-is",
    seed: int = SEED,
    min_agreement: float | None = None,
    min_n: int = 1,
    prompts: str = domains.DEFAULT,
    verifier: str | None = None,
    columns: Mapping[str, str] | None = None,
) -> SelectResult:
    """Choose problems by their pass rates, levels and concepts, and order them.

    Each of `labelled` holds rows from `label`; rows with the same `id` are one problem, whose traces are added up.
    `pass_rate` is LOW:HIGH, both inclusive; `model` uses the pass rates of one model only. `difficulty` and `levels`
    are shares of the set, by range of pass rates ({"0-0.5": 0.7, "0.5-1": 0.3}) and by level; `size` is the maximum
    number of problems, and `balance` is "level" or "concepts". `order` is "easy-first", "mixed" or "as-is". The answer
    needs an agreement of at least `min_agreement`, by default of more than a half, and the pass rate needs at least
    `min_n` traces. `verifier`, or that of the domain `prompts`, decides which labels are equal; `columns` as in
    `solve`.
    """
    if not labelled:
        raise UsageError("select: give the labelled rows of at least one file")
    settings = Settings.of(
        pass_rate=pass_rate,
        model=model,
        difficulty=difficulty,
        levels=levels,
        size=size,
        balance=balance,
        order=order,
        seed=seed,
        min_agreement=min_agreement,
        min_n=min_n,
    )
    with Graders(named=verifier, default=domains.settings(prompts).verifier) as graders:
        return _selected(labelled, settings, graders, columns_of(columns))


def _selected(labelled: Sequence[Rows], settings: Settings, graders: Graders, columns: Columns) -> SelectResult:
    """The selection from these rows, in a folder that lasts as long as the call."""
    with workplace(None) as folder:
        paths = [as_file(rows, folder, f"labelled-{place}") for place, rows in enumerate(labelled)]
        refuse_repeated(paths)
        with (
            Output(folder / "select.jsonl", "select") as output,
            closing(Select(folder / "select.state", settings, same_by(graders.of()))) as step,
        ):
            select_files(paths, output, step, columns)
            output.commit()
        found, problem = rows_beside(output.path, lasting=False), problem_of(output.counts, output.path)
        return SelectResult(*found, output.counts, problem=problem, selection=step.summary().get("select", {}))

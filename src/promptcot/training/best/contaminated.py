"""Refuses a training run whose rows contain problems of the benchmark that selects its checkpoint.

`core.overlap` compares problems. The prompt of a row is compared, whatever the method.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from promptcot import nano
from promptcot.core.overlap.contamination import Contamination
from promptcot.core.remedies import shown
from promptcot.errors import InputError
from promptcot.evaluation.recipe import EvalRecipe
from promptcot.evaluation.references import references
from promptcot.storage.rows import hash_id

_NAMED = 5
_SHOWN = 100


def refuse_benchmark_rows(prompts: Iterable[tuple[str, str]], recipe: EvalRecipe) -> None:
    """Raises InputError if a prompt, given as (id of the row, text), contains a problem of the benchmarks.

    Problems of the nano world come from few templates, so problems with different numbers count as different there.
    """
    known = references(recipe.benchmarks)
    index = Contamination(known.problems, not nano.is_world(recipe.prompts), known.phrases)
    hits = ((row, hit) for row, text in _once(prompts) if (hit := index.hit(text)) is not None)
    if not (found := list(islice(hits, _NAMED + 1))):
        return
    named = "\n".join(
        f"  - row {row}: {hit.rule}, {hit.reference.benchmark}, row {hit.reference.row}: "
        f"{shown(hit.reference.problem, _SHOWN)}"
        for row, hit in found[:_NAMED]
    )
    more = "\n  - and more" if len(found) > _NAMED else ""
    numbers = " --mask-numbers false" if nano.is_world(recipe.prompts) else ""
    raise InputError(
        f"watch.eval: training rows contain problems of the benchmark, so pass@1 would be meaningless:\n"
        f"{named}{more}\nTo leave them out: promptcot decontaminate --data_path ROWS --output_path CLEAN --against "
        f"{' '.join(recipe.benchmarks)}{numbers}; or choose another benchmark.\n"
        "`decontaminate` compares the question of a row. If it keeps such a row, the problem is elsewhere in the "
        "prompt, such as in an example: remove that row by its id"
    )


def _once(prompts: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Each text once: several traces of a problem share a prompt."""
    seen: set[int] = set()
    for row, text in prompts:
        if (key := hash_id(text)) not in seen:
            seen.add(key)
            yield row, text

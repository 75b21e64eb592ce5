"""Operations on rows between the commands of a chain: removing benchmark problems, and assigning incorrect traces.

Pure functions over rows; the command line decides which files they are read from.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from itertools import chain

from promptcot.core.overlap.contamination import Contamination
from promptcot.errors import InputError
from promptcot.evaluation.references import References
from promptcot.records import Row, content_id
from promptcot.storage.rows import hash_id

IN_BENCHMARK, REPEATED = "in a benchmark", "repeated"


def same_words(problem: str) -> str:
    """A key that is equal for texts that differ in capitals and white space only."""
    return content_id(" ".join(problem.casefold().split()))


def freshness(held_out: References) -> Callable[[str], str | None]:
    """A function that returns for each problem the reason for dropping it, or None.

    The reason is `in a benchmark` as in `decontaminate`, except that problems with other numbers count as different: a
    student may learn from these. Or it is `repeated`, for identical texts.
    """
    index = Contamination(held_out.problems, mask_numbers=False, phrases=held_out.phrases)
    seen: set[int] = set()

    def why_not(problem: str) -> str | None:
        if index.hit(problem) is not None:
            return IN_BENCHMARK
        words = hash_id(same_words(problem))
        if words in seen:
            return REPEATED
        seen.add(words)
        return None

    return why_not


def derangement(keys: Sequence[Hashable], rng: random.Random) -> list[int]:
    """A permutation that gives no place an item with its own key; in particular, it has no fixed point.

    The items are shuffled, and then each place with its own key is swapped with a random place for which both become
    valid. Such a place always exists if no key belongs to more than half of the items. Raises ValueError otherwise.
    """
    if keys and 2 * max(Counter(keys).values()) > len(keys):
        raise ValueError("more than half of the items have the same key")
    order = list(range(len(keys)))
    rng.shuffle(order)
    for place, key in enumerate(keys):
        if keys[order[place]] == key:
            first = rng.randrange(len(keys))
            places = chain(range(first, len(keys)), range(first))  # every place once, starting at a random one
            other = next(found for found in places if key not in (keys[found], keys[order[found]]))
            order[place], order[other] = order[other], order[place]
    return order


def mismatched(rows: Sequence[Row], rng: random.Random) -> list[Row]:
    """The training rows, each with the trace of another problem with another label; all traces are used once.

    Rows, tokens and format stay the same, and no training target is correct. `trace_of` names the problem of the trace,
    `label` is the trace's answer. Raises InputError if more than half of the rows share a label, and for a row without
    a trace.
    """
    keys = [_key_of(row, number) for number, row in enumerate(rows, 1)]
    try:
        order = derangement(keys, rng)
    except ValueError as error:
        [(label, count)] = Counter(keys).most_common(1)
        raise InputError(
            f"{count} of {len(rows)} training rows have the label {label!r}, so there are too few traces with "
            "other labels to give each of them one; take more problems, or leave the control out (control = false)"
        ) from error
    return [_with_trace(row, rows[place]) for row, place in zip(rows, order, strict=True)]


def _key_of(row: Row, number: int) -> str:
    """A key shared by rows with the same label. Raises InputError."""
    turns = row.get("messages", [{}])
    if "completion" not in row or not (isinstance(turns, list) and turns):
        raise InputError(
            f"training row {number}: it has no trace (a `completion`, and `messages` with at least one turn); "
            "`promptcot label` writes such rows"
        )
    key = row.get("label") or row.get("id")
    return key if isinstance(key, str) else repr(key)


def _with_trace(row: Row, other: Row) -> Row:
    taken = {"completion": other["completion"], "label": other.get("label"), "trace_of": other.get("id")}
    if "messages" in row:
        spoken = {"role": "assistant", "content": other["completion"]}
        taken["messages"] = [*row["messages"][:-1], other["messages"][-1] if "messages" in other else spoken]
    return {**row, **taken}

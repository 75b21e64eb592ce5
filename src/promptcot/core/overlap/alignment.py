"""Aligns two lists of tokens: their longest common run, and their similarity up to renaming.

Does not decide what a copy is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rapidfuzz.distance import Levenshtein

_MOST = 2000
_RUN = 8


def longest_common_run(one: Sequence[str], other: Sequence[str]) -> tuple[int, int]:
    """The start in `one` and the length of the longest run of tokens that both lists have.

    Of several equally long runs, the first. In longer lists only 2,000 tokens are compared, from the first common run
    of eight on.
    """
    one_start, other_start = _where_to_look(one, other)
    here, there = one[one_start : one_start + _MOST], other[other_start : other_start + _MOST]
    places: dict[str, list[int]] = {}
    for place, token in enumerate(there):
        places.setdefault(token, []).append(place)
    start = length = 0
    ending: dict[int, int] = {}
    for end, token in enumerate(here):
        ending = {place: ending.get(place - 1, 0) + 1 for place in places.get(token, ())}
        best = max(ending.values(), default=0)
        if best > length:
            start, length = end - best + 1, best
    return one_start + start, length


def _where_to_look(one: Sequence[str], other: Sequence[str]) -> tuple[int, int]:
    """The start of the first common run of eight in each list, if a list is long; 0 if there is none."""
    if len(one) <= _MOST and len(other) <= _MOST:
        return 0, 0
    begins = {tuple(other[start : start + _RUN]): start for start in range(len(other) - _RUN, -1, -1)}
    for start in range(len(one) - _RUN + 1):
        start_in_one = begins.get(tuple(one[start : start + _RUN]))
        if start_in_one is not None:
            return start, start_in_one
    return 0, 0


def alike_but_for_names(one: Sequence[str], other: Sequence[str]) -> float:
    """The share of tokens of the longer list that are the same or consistently renamed.

    It is 0 if half of them differ, and for lists of more than 2,000 tokens. A token is renamed if it occurs at least
    twice in `one`, and is always aligned with the same token of `other`, and vice versa: x for n, Ann for Mary.
    """
    longer = max(len(one), len(other))
    if not 0 < longer <= _MOST or 2 * min(len(one), len(other)) < longer:
        return 0.0
    pairs: Counter[tuple[str, str]] = Counter()
    kept = 0
    for step in Levenshtein.opcodes(one, other):
        if step.tag == "equal":
            kept += step.src_end - step.src_start
        elif step.tag == "replace":
            here, there = one[step.src_start : step.src_end], other[step.dest_start : step.dest_end]
            pairs.update(zip(here, there, strict=True))
    if 2 * kept < longer:
        return 0.0
    total, into = Counter(one), Counter(there for _, there in pairs)
    renamed = sum(count for (here, there), count in pairs.items() if count == total[here] >= 2 and into[there] == 1)
    return (kept + renamed) / longer

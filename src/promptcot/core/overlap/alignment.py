"""Two lists of tokens side by side: the longest run that both have, and how alike they are but for names.

Decides nothing about what is a copy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rapidfuzz.distance import Levenshtein


def longest_common_run(one: Sequence[str], other: Sequence[str]) -> tuple[int, int]:
    """Where the longest run of tokens that the other list has too begins in `one`, and how long it is.

    Of several that are as long, the first. Takes time that grows with the product of the lengths for texts of one and
    the same token only.
    """
    places: dict[str, list[int]] = {}
    for place, token in enumerate(other):
        places.setdefault(token, []).append(place)
    start = length = 0
    ending: dict[int, int] = {}
    for here, token in enumerate(one):
        ending = {place: ending.get(place - 1, 0) + 1 for place in places.get(token, ())}
        best = max(ending.values(), default=0)
        if best > length:
            start, length = here - best + 1, best
    return start, length


def alike_but_for_names(one: Sequence[str], other: Sequence[str]) -> float:
    """The share of tokens that are the same or renamed throughout, of the longer list; 0 where half of them differ.

    A token is renamed if it comes twice or more in `one` and always stands against the same token of `other`, against
    which no other one stands: x for n, Ann for Mary.
    """
    longer = max(len(one), len(other))
    if not longer or 2 * min(len(one), len(other)) < longer:
        return 0.0
    pairs: Counter[tuple[str, str]] = Counter()
    same: Counter[str] = Counter()
    for step in Levenshtein.opcodes(one, other):
        if step.tag == "equal":
            same.update(one[step.src_start : step.src_end])
        elif step.tag == "replace":
            here, there = one[step.src_start : step.src_end], other[step.dest_start : step.dest_end]
            pairs.update(zip(here, there, strict=True))
    kept = same.total()
    if 2 * kept < longer:
        return 0.0
    into = Counter(there for _, there in pairs)
    total = Counter(one)
    renamed = sum(count for (here, there), count in pairs.items() if count == total[here] >= 2 and into[there] == 1)
    return (kept + renamed) / longer

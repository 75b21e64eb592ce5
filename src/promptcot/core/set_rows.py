"""A row of `set.jsonl`: flat, complete and of the same fields for all rows, so that tables take it as it is.

Decides the fields and their order: what is short comes first, long texts last, and what there is of several judges is a
list of objects. Where the parts come from is for the caller.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from promptcot.core.criteria import RATINGS
from promptcot.core.filtering import verdict_of
from promptcot.records import Row

_WORST_FIRST = ("invalid", *reversed(RATINGS))
_SHARES = ("agreement", "margin", "pass_rate", "mean_tokens")
_COUNTS = ("n", "answered", "refused")


@dataclass(frozen=True)
class Shape:
    """What the rows of a set have from the recipe: the `judges` in order, the keys of their `criteria`, and the
    `blocks` that the generator writes.
    """

    judges: tuple[str, ...]
    criteria: tuple[str, ...]
    blocks: tuple[str, ...]


def set_row(row: Row, judged: Mapping[str, Row], shape: Shape) -> Row:
    """The row of a problem, with what its judges wrote of it, by judge. What is not known is None."""
    validity = row.get("validity")
    checked: Mapping[str, Any] = validity if isinstance(validity, Mapping) else {}
    texts = dict.fromkeys(("problem", *shape.blocks, "trace"))
    return {
        "id": str(row.get("id")),
        "level": _text(row.get("level")),
        "answer": _text(row.get("answer")),
        **{name: _number(row.get(name)) for name in _SHARES},
        **{name: _whole(row.get(name)) for name in _COUNTS},
        "model": _text(row.get("model")),
        "validity": _text(checked.get("verdict")),
        "validity_share": _number(checked.get("share")),
        "judgement": _worst([verdict_of(one) for one in judged.values()]),
        "foundational_concepts": _texts(row.get("foundational_concepts")),
        "ratings": [_ratings(name, judged.get(name, {}), shape) for name in shape.judges],
        "critiques": [
            {"judge": name, "critique": _text(judged.get(name, {}).get("completion"))} for name in shape.judges
        ],
        **{name: _text(row.get(name)) for name in texts},
    }


def _ratings(judge: str, row: Row, shape: Shape) -> Row:
    given = row.get("ratings")
    known: Mapping[str, Any] = given if isinstance(given, Mapping) else {}
    rated = {key: _text(known.get(key)) for key in shape.criteria}
    return {"judge": judge, "judgement": _text(row.get("judgement")), **rated}


def _worst(verdicts: Sequence[str]) -> str | None:
    """What the judges say together: no better than the one who likes it least."""
    return min(verdicts, key=_WORST_FIRST.index, default=None)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None if value is None else str(value)


def _texts(value: Any) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None

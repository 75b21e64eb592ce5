"""The rows of `set.jsonl`: flat and complete, with the same fields in all rows, so that they load as a table.

Decides the fields and their order: short fields come first and long texts last; the results of several judges are a
list of objects. The caller provides the parts.
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
    """The parts of a set's fields that depend on the recipe: the `judges` in order, the keys of their `criteria`, and
    the `blocks` that the generator writes.
    """

    judges: tuple[str, ...]
    criteria: tuple[str, ...]
    blocks: tuple[str, ...]


def set_row(row: Row, judged: Mapping[str, Row], shape: Shape) -> Row:
    """The row of a problem, with its judges' rows by judge. Unknown values are None."""
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
    ratings = row.get("ratings")
    known: Mapping[str, Any] = ratings if isinstance(ratings, Mapping) else {}
    rated = {key: _text(known.get(key)) for key in shape.criteria}
    return {"judge": judge, "judgement": _text(row.get("judgement")), **rated}


def _worst(verdicts: Sequence[str]) -> str | None:
    """The joint verdict of the judges: the worst one."""
    return min(verdicts, key=_WORST_FIRST.index, default=None)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None if value is None else str(value)


def _texts(value: Any) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None

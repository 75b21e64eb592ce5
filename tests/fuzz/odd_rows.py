"""Random rows with values that formats handle differently, written and read again: equal, or replaced and counted.

Pure but for the files in the folder that is passed. A trial is known by its seed alone.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

from promptcot.records import Row
from promptcot.storage.json import dumps
from promptcot.storage.rows import read_rows
from promptcot.storage.writer import RowWriter

SUFFIXES = (".jsonl", ".jsonl.zst", ".parquet")

TEXTS = ["", "x", "é😀", "\ud800", "a\udfffb", "\u2028", "\x00", "\r\n", "\\ud800", "NaN", "null", "1e999", "{" * 300]
NUMBERS: list[Any] = [0, -1, 2**53 + 1, 2**63 - 1, 2**63, 2**64, -(2**70), 10**700, 10**5000, -0.0, 0.1, 1e300, 5e-324]
NUMBERS += [math.inf, -math.inf, math.nan, True, False, None, 123456789012345678901234567890.5]
NAMES = ["a", "b", "", "id ", "a.b", "\ud800", "\x00", "n" * 2000, "é"]


def rows(draws: random.Random) -> list[Row]:
    """Some rows, each with an id; a field may have values of one kind, or of any."""
    makers = {name: draws.choice([_any, _any, _number, _text, _object]) for name in draws.sample(NAMES, 3)}
    return [
        {"id": str(number)} | {name: make(draws) for name, make in makers.items() if draws.random() < 0.8}
        for number in range(draws.choice([1, 2, 5, 1030]) if draws.random() < 0.05 else draws.randint(1, 6))
    ]


def _any(draws: random.Random) -> Any:
    return draws.choice([_number, _text, _object, _list, _nest])(draws)


def _number(draws: random.Random) -> Any:
    return draws.choice(NUMBERS)


def _text(draws: random.Random) -> Any:
    return draws.choice(TEXTS)


def _object(draws: random.Random) -> Any:
    return {name: _any(draws) for name in draws.sample(NAMES, draws.randint(0, 2))}


def _list(draws: random.Random) -> Any:
    return [_any(draws) for _ in range(draws.randint(0, 3))]


def _nest(draws: random.Random) -> Any:
    value: Any = draws.choice([0, "x", {}, []])
    for _ in range(draws.choice([1, 3, 40, 60, 150])):
        value = [value] if draws.random() < 0.5 else {"a": value}
    return value


def trial(seed: int, folder: Path) -> str | None:
    """What is wrong with the way of some rows through one format; None where nothing is."""
    draws = random.Random(seed)
    given, path = rows(draws), folder / f"rows{draws.choice(SUFFIXES)}"
    writer = RowWriter(path)
    try:
        for row in given:
            writer.write(row)
        writer.commit()
        found = list(read_rows(path))
    except Exception as error:
        return f"{path.name}: {type(error).__name__}: {error}"
    finally:
        writer.discard()
    if len(found) != len(given):
        return f"{path.name}: {len(given)} rows became {len(found)}"
    as_parquet = path.suffix == ".parquet"
    return _uncounted(given, found, writer.replaced, as_parquet)


def _uncounted(given: list[Row], found: list[Row], replaced: Counter[str], as_parquet: bool) -> str | None:
    """A field that differs in more rows than were counted; of JSON only NaN is replaced, and counted one by one."""
    if as_parquet:
        said = " ".join(replaced)
        lost = {
            name
            for before, after in zip(given, found, strict=True)
            for name, value in before.items()
            if _plain(value, True) != _plain(after.get(name), True)
            and f"`{name}`" not in said
            and not ("half a surrogate" in said and b"\\ud" in dumps({name: value}))
        }
        return f"the fields {lost} differ, and counted are {replaced}" if lost else None
    differ = sum(map(_nans, given))
    if differ != replaced.total():
        return f"{differ} values are NaN, and counted are {replaced}"
    same = all(_plain(before, False) == _plain(after, False) for before, after in zip(given, found, strict=True))
    return None if same else "another value than NaN was changed"


def _nans(value: Any) -> int:
    if isinstance(value, dict):
        return sum(map(_nans, value.values()))
    return sum(map(_nans, value)) if isinstance(value, list) else isinstance(value, float) and math.isnan(value)


def _plain(value: Any, as_parquet: bool) -> Any:
    """A value as it is compared: NaN is null, and in Parquet a field that is null is none."""
    if isinstance(value, dict):
        inner = {name: _plain(one, as_parquet) for name, one in value.items()}
        return {name: one for name, one in inner.items() if not (as_parquet and one is None)}
    if isinstance(value, list):
        return [_plain(one, as_parquet) for one in value]
    if isinstance(value, float) and math.isnan(value):
        return None
    return int(value) if isinstance(value, Decimal) else value

"""Reads the source, the problem and the gold from a row of a benchmark or of predictions.

Supports the public format (chat markup around the problem in `prompt`, the gold after `####` in `reference_solution`)
and ours (`problem`, `answer`). Every error names the place of the row, which the caller passes as `where`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from promptcot.core.columns import fields_of
from promptcot.core.golds import gold_text
from promptcot.errors import InputError, UnfitRow
from promptcot.records import Row, content_id

_CHAT = re.compile(r"(?:<｜User｜>|<\|im_start\|>user\n)(?P<asked>.*?)(?=<｜Assistant｜>|<\|im_end\|>|\Z)", re.DOTALL)
_INSTRUCTION = re.compile(r"Please reason step by step, and put your final answer within \\boxed\{+\}+\.")
NO_TEXT = "no problem text"
"""The reason for dropping a row without a problem."""
_WHOLE = re.compile(r"[+-]?\d+")
_DEGREES = re.compile(r"\^\{?\\circ\}?|°")


def source_of(row: Row, where: str) -> str:
    """The benchmark that a row belongs to. Raises InputError if the row does not name it."""
    source = row.get("source")
    if not isinstance(source, str) or not source.strip():
        raise InputError(
            f"{where}: the field `source` is missing; it names the benchmark, such as 'gsm8k'; {fields_of(row)}"
        )
    return source


def problem_of(row: Row, where: str) -> str:
    """The problem's own words: `problem`, or `prompt` without the chat markup and the request to reason step by step.

    Raises UnfitRow if there is neither.
    """
    text = row.get("problem") or row.get("prompt")
    if not isinstance(text, str) or not text.strip():
        raise UnfitRow(
            f"{where}: neither `problem` nor `prompt` has a text; name the column with --columns problem=COLUMN; "
            f"{fields_of(row)}"
        )
    chat = None if row.get("problem") else _CHAT.search(text)
    asked = chat["asked"] if chat else text
    return (asked if row.get("problem") else _INSTRUCTION.sub("", asked)).strip()


def asked_in_markup(row: Row) -> str | None:
    """The problem within the markup of a raw `prompt`, if the row has neither `problem` nor `messages`; else None."""
    prompt = row.get("prompt")
    if row.get("problem") or row.get("messages") or not isinstance(prompt, str) or not _CHAT.search(prompt):
        return None
    return problem_of(row, "")


def problem_or_nothing(row: Row) -> str:
    """The text of a row's problem, empty if it has none; `prompt` is used only if the field is missing."""
    text = row.get("problem")
    if isinstance(text, str):
        return text
    try:
        return problem_of(row, f"row {row.get('id')}")
    except UnfitRow:
        return ""


def problem_id(row: Row, where: str) -> str:
    """The row's `id`, or a hash of its problem, so that one problem in two prompt styles has one id."""
    own_id = row.get("id")
    return str(own_id) if own_id not in (None, "") else content_id(problem_of(row, where))


def with_problem_ids(numbered: Iterable[tuple[int, Row]], file: str) -> Iterator[Row]:
    """Rows with their numbers in a file, each with the id of its problem.

    Raises UnfitRow if the first row has no problem, because the file is then the wrong one. Any other such row is
    passed on unchanged, and will be a failed row.
    """
    for number, row in numbered:
        try:
            yield {**row, "id": problem_id(row, f"{file}, row {number}")}
        except UnfitRow:
            if number == 1:
                raise
            yield row


def gold_of(row: Row, where: str) -> str:
    """The correct answer: `answer`, or what follows the last `####` of `reference_solution`. Raises InputError.

    A list in `answer` has all answers of the problem, see `golds`.
    """
    if row.get("answer") is not None:
        gold = _after_mark(gold_text(row["answer"], f"{where}: the gold in `answer`"))
    else:
        gold = _reference(row, where)
    if not gold:
        raise InputError(f"{where}: the gold is empty")
    return gold


def gold_if_any(row: Row, where: str) -> str | None:
    """The gold, or None if the row has no readable one."""
    try:
        return gold_of(row, where)
    except InputError:
        return None


def two_golds(row: Row) -> tuple[str, str] | None:
    """The golds in `answer` and `reference_solution`, if a row has both and their texts differ."""
    solution = row.get("reference_solution")
    if row.get("answer") is None or not isinstance(solution, str) or "####" not in solution:
        return None
    answer, reference = gold_if_any(row, ""), _after_mark(solution)
    return (answer, reference) if answer and reference and answer != reference else None


def _reference(row: Row, where: str) -> str:
    solution = row.get("reference_solution")
    if not isinstance(solution, str):
        raise InputError(
            f"{where}: no gold: the row has neither `answer` nor `reference_solution`; name the column with "
            f"--columns answer=COLUMN; {fields_of(row)}"
        )
    if "####" not in solution:
        raise InputError(f"{where}: no gold: `reference_solution` has no '####' before its answer")
    return _after_mark(solution)


def _after_mark(text: str) -> str:
    return text.rpartition("####")[2].strip()


def plain_integer(gold: str) -> str:
    """A whole number without leading zeros, thousands separators, dollar and degree signs. Raises InputError."""
    bare = _DEGREES.sub("", gold).replace(",", "").replace("$", "").strip()
    if not _WHOLE.fullmatch(bare) or len(bare) > 1000:
        raise InputError(
            f"the gold {gold[:80]!r} is not a whole number, but the verifier `integers` compares only whole numbers"
        )
    return str(int(bare))

"""Accepts or drops judged rows, and moves the generator's text to other fields and back.

`completion` is always the latest model's text. Therefore the judge's stage moves the generator's text to another field,
and the filter restores it; token counts and finish reason move with their text, so that each count stays with the right
text. `judging` parses a judge's reply; the caller joins rows by id.
"""

from __future__ import annotations

from collections.abc import Sequence

from promptcot.core.criteria import RATINGS
from promptcot.core.parsing.judging import read_word
from promptcot.errors import UnfitRow
from promptcot.records import Row

_ASIDE = {
    "completion": "rationale_and_problem",
    "finish_reason": "generator_finish_reason",
    "prompt_tokens": "generator_prompt_tokens",
    "completion_tokens": "generator_completion_tokens",
}
_JUDGES_OWN = {*_ASIDE, "judge", "ratings", "judgement", "invalid_reason"}


def decide(verdicts: Sequence[str], only_perfect: bool, n_rewards: int = 1) -> str | None:
    """Why a row with these verdicts is dropped, or None if it is accepted.

    Rows are accepted that all judges rate perfect; without `only_perfect`, rows that at least one judge rates perfect
    and none bad. An invalid verdict drops the row in either case.

    Reasons, the first that applies: `missing verdict` (fewer than `n_rewards`, or none at all), `invalid verdict`,
    `bad`, and `not all perfect` or `none perfect`.
    """
    if len(verdicts) < max(n_rewards, 1):
        return "missing verdict"
    if any(verdict not in RATINGS for verdict in verdicts):
        return "invalid verdict"
    if "bad" in verdicts:
        return "bad"
    perfect = sum(verdict == "perfect" for verdict in verdicts)
    if only_perfect:
        return None if perfect == len(verdicts) else "not all perfect"
    return None if perfect else "none perfect"


def verdict_of(row: Row) -> str:
    """The verdict of a judged row, our own or a public one; `invalid` if its `judgement` is not one clear word."""
    return read_word(row.get("judgement"))


def generator_text(row: Row) -> str:
    """The generator's text in a generated or judged row. Raises UnfitRow if the row has none."""
    text = row.get("rationale_and_problem", row.get("completion"))
    if not isinstance(text, str):
        raise UnfitRow(f"row {row.get('id')}: it has no text in `completion` or `rationale_and_problem`")
    return text


def set_aside(row: Row) -> Row:
    """A copy of a row for a judge's reply: `completion` and its counts under their second names, no verdict.

    If another judge has rated the row before, that judge's reply is removed, and the generator's text stays.
    """
    if "rationale_and_problem" in row:
        return {key: value for key, value in row.items() if key not in _JUDGES_OWN}
    return {_ASIDE.get(key, key): value for key, value in row.items() if key not in _JUDGES_OWN - set(_ASIDE)}


def bring_back(row: Row) -> Row:
    """The generator's row, without the judge's fields: the inverse of `set_aside`."""
    original = {aside: name for name, aside in _ASIDE.items()}
    kept = {key: value for key, value in row.items() if key not in _JUDGES_OWN}
    return {original.get(key, key): value for key, value in kept.items()} | {"completion": generator_text(row)}


def training_row(row: Row) -> Row:
    """The training row of a generator: the `prompt` and `completion` of an accepted row, judged or restored."""
    prompt = row.get("prompt")
    if not isinstance(prompt, str):
        raise UnfitRow(f"row {row.get('id')}: it has no text in `prompt`")
    return {"prompt": prompt, "completion": generator_text(row)}

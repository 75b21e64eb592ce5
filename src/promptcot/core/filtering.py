"""From judged rows to accepted ones: the decision, and where the generator's text is kept meanwhile.

`completion` is always the latest model's text. So the judge's stage sets the generator's aside, and the filter brings
it back; token counts and finish reason move along with their text, so that nothing is lost and no count is attached to
the wrong text. How a judge's reply is read is in `judging`; which rows belong together is for the caller, who joins
them by row id.
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

    Accepted are rows that all judges call perfect; without `only_perfect`, rows that at least one judge calls perfect
    and none bad. Whoever could not be read never helps: an invalid verdict drops the row in either case.

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
    """What the generator wrote, in a generated or a judged row. Raises UnfitRow if the row holds neither."""
    text = row.get("rationale_and_problem", row.get("completion"))
    if not isinstance(text, str):
        raise UnfitRow(f"row {row.get('id')}: it has no text in `completion` or `rationale_and_problem`")
    return text


def set_aside(row: Row) -> Row:
    """A copy of a row for a judge's words: `completion` and its counts under their second names, no verdict.

    Of a row that another judge has rated before, that judge's words give way; the generator's stay where they are.
    """
    if "rationale_and_problem" in row:
        return {key: value for key, value in row.items() if key not in _JUDGES_OWN}
    return {_ASIDE.get(key, key): value for key, value in row.items() if key not in _JUDGES_OWN - set(_ASIDE)}


def bring_back(row: Row) -> Row:
    """The generator's row again, without what the judge added: the inverse of `set_aside`."""
    original = {aside: name for name, aside in _ASIDE.items()}
    kept = {key: value for key, value in row.items() if key not in _JUDGES_OWN}
    return {original.get(key, key): value for key, value in kept.items()} | {"completion": generator_text(row)}


def training_row(row: Row) -> Row:
    """What a generator learns from: the `prompt` and `completion` of an accepted row, judged or brought back."""
    prompt = row.get("prompt")
    if not isinstance(prompt, str):
        raise UnfitRow(f"row {row.get('id')}: it has no text in `prompt`")
    return {"prompt": prompt, "completion": generator_text(row)}

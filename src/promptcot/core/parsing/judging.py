"""Reads the reply of a judge: every rating, and a verdict that agrees with them, or it is invalid.

What counts is a line `Label: rating`, in any case, bulleted, numbered, bold, quoted word by word or in a table row, and
at most followed by a reason; an object of JSON on one line, and a table with a column for each label, are unfolded into
such lines (see `folded`). Around that the reading is strict, because a doubtful reply must never count as praise:

- a reply that was cut off, is empty, or lacks a line is invalid;
- a line that starts like a rating and is none (`imperfect`, `not perfect`, `perfect or acceptable`) makes the reply
  invalid, and so does a reason that names another rating; longer prose after a label is no rating and is passed over;
- a line may be repeated, as when a judge sums up at the end, but not with another rating;
- words after the last of these lines may explain the verdict, but must not name a worse one, or deny it;
- quoted and fenced lines are not the judge's words (see `replies`), nor is a line in quotation marks as a whole. But a
  fence that ends the reply is, where the material that was rated nowhere names a verdict and so cannot be its source;
- a verdict that the material says of itself (`Final Judgement: perfect`) may be repeated from it, and does not count.

The rule from ratings to verdict, and the names of the lines, come from the domain's `criteria`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

from promptcot.core.criteria import RATINGS, Criteria, Rating, Verdict, recompute, spelling
from promptcot.core.parsing.end_tokens import without_end_tokens
from promptcot.core.parsing.folded import unfolded
from promptcot.core.parsing.replies import fence_at_end, own_lines, split_thinking, stopped_early
from promptcot.records import FinishReason

_Reading = Rating | Literal["unclear", "repeated"]

_QUOTES = "\"'“”‘’`"
_CLOSING = {"": "", **dict(zip("\"'“‘`«「[(<", "\"'”’`»」])>", strict=True))}

# Possessive quantifiers, because a model that writes ten thousand asterisks must not make a search quadratic.
_SET_ASIDE = re.compile(r"[✅✔✓☑\ufe0f]|</?(?:b|strong|i|em|u)>|<br ?/?>|\\(?=\s*+$)|^[\ufeff\u200b\u2060]++")
_SET_IN = re.compile(r"\$?\\(?:boxed|text|textbf|textit|mathbf|mathrm)\{([^{}\\]*+)\}\$?")
_BEFORE = (
    r"^[\s*_#|│┃+•·▪▫◦‣●○■□►▶–—-]*+(?:\[[xX]\]\s*+)?"
    r"(?:\(?(?:\d{1,2}\s*+[.):|]|(?:[a-z]|[ivx]{1,4})[.)])\s*+)?[\s*_\[【]*+"
)
_AFTER = r"[*_\]】]*+\s*+[*_]*+\s*+(?:[-=]>|[:：=|│┃→]|(?<=\s)[-–—]++(?=\s))"
_CLEAN = re.compile(
    r"""^[\s*_]*+(?P<open>["'“‘`«「\[(<]?)[*_]*+
        (?P<word>perfect|acceptable|bad)
        (?:\.(?=[*_"'”’`»」\])>]))?[*_]*+(?P<close>["'”’`»」\])>]?)(?:\s*+[*_]++)*+
        (?P<rest>\s*+$|\s*+[.,;:!|│┃(\[—–。，；（].*|\s++-++\s.*|\s++(?:because|since)\b.*)""",
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
_MARKUP = re.compile(r"</?\w{1,10} ?/?>|\\(?:u([0-9a-fA-F]{4})|[A-Za-z]++)|&\w{1,8};")
_COLUMNS = "|│┃"
_CELLS = re.compile(f"[{_COLUMNS}]")
_WORD = re.compile(r"[^\W_]+")
_DENIED = re.compile(
    r"(?:\b(?:not|never|hardly|nearly|almost|near|far from|less than|short of|no longer)|n['’]t)\b"
    r"\W+(?:\w+\W+){0,2}?(perfect|acceptable|bad)\b",
    re.IGNORECASE,
)
_DOUBTED = re.compile(
    r"\W*(?:or|but|though|although|except|however|unless|if|almost|nearly|mostly|maybe|perhaps|probably"
    r"|not (?:really|quite|entirely|fully|exactly))\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a judge said. `ratings` are by key, in the order of the criteria; an invalid judgement holds what was read.

    `reason` says why it is invalid, and is None otherwise.
    """

    verdict: Verdict
    ratings: Mapping[str, Rating] = field(default_factory=dict)
    reason: str | None = None


def read_reply(text: str, finish_reason: FinishReason, criteria: Criteria, material: str | None = None) -> Judgement:
    """The judgement in a judge's reply about `material`, where that is known. Never raises, whatever the text.

    Reasons: `cut off`, `stopped: WORD` (the server ended it), `empty`, `unclear thinking`, `unclosed fence`, `no
    ratings` (a refusal, say), `missing: LABEL`, `unclear: LABEL`, `repeated: LABEL` (from the material),
    `contradiction: LABEL`, `taken back`, and `the verdict does not follow from the ratings`.
    """
    if why := stopped_early(finish_reason):
        return _invalid(why)
    if not without_end_tokens(text).strip():
        return _invalid("empty")
    answer = split_thinking(text)
    if answer is None:
        return _invalid("unclear thinking")
    lines = own_lines(answer.text)
    if lines is None:
        return _invalid("unclosed fence")
    said = "" if material is None else _said(material)
    fence = [] if material is None else _own_fence(answer.text, said, criteria)
    drafts = [] if answer.opened else answer.thinking.splitlines()
    return _judge(_unfolded(lines, criteria) + fence, _unfolded(drafts, criteria), criteria, said)


def _own_fence(text: str, said: str, criteria: Criteria) -> list[str]:
    """The lines of the fence that ends a text, where they rate, and where the material cannot be their source."""
    fence = _unfolded(fence_at_end(text), criteria)
    return fence if _readings(fence, criteria)[0] and not _speaks(said, criteria) else []


def _speaks(said: str, criteria: Criteria) -> bool:
    """Whether a material may hold a verdict for the judge to repeat: whether it names one, in whatever letters."""
    return any(_letters(label) in said for label in (criteria.verdict.label, *criteria.verdict.aliases))


def _said(material: str) -> str:
    """The letters of a material, with those of its markup, and without, since markup may part a label."""
    return f"{_letters(material)} {_letters(_MARKUP.sub(_unmarked, material))}"


def _unmarked(mark: re.Match[str]) -> str:
    """The character that an escape of JSON stands for; nothing for other markup."""
    return chr(int(mark[1], 16)) if mark[1] else ""


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", text).casefold()))


def read_word(text: object) -> Verdict:
    """The verdict of a row that holds no ratings: the word itself, but for case, quotes, asterisks and a final dot."""
    if not isinstance(text, str):
        return "invalid"
    around = _QUOTES + "* \t\r\n"
    return _as_rating(text.strip(around).removesuffix(".").strip(around)) or "invalid"


def _invalid(reason: str, ratings: Mapping[str, Rating] | None = None) -> Judgement:
    return Judgement("invalid", ratings or {}, reason)


def _judge(lines: Sequence[str], drafts: Sequence[str], criteria: Criteria, said: str) -> Judgement:
    found, last = _readings(lines, criteria, said)
    if not found:
        return _invalid("no ratings")
    stated: dict[str, Rating] = {}
    reasons: list[str] = []
    for line in (*criteria.ratings, criteria.verdict):
        reading = _agreed(found.get(line.key, []))
        if rating := _as_rating(reading):
            stated[line.key] = rating
        else:
            reasons.append(f"{reading}: {line.label}")
    verdict = stated.pop(criteria.verdict.key, None)
    if verdict is None or reasons:
        return _invalid(reasons[0], stated)
    if reason := _objection(stated, verdict, lines[last + 1 :], drafts, criteria):
        return _invalid(reason, stated)
    return Judgement(verdict, stated)


def _objection(
    ratings: Mapping[str, Rating], verdict: Rating, after: Sequence[str], drafts: Sequence[str], criteria: Criteria
) -> str | None:
    """Why a complete set of lines does not count after all."""
    if recompute(ratings, criteria) != verdict:
        return "the verdict does not follow from the ratings"
    if _takes_back("\n".join(after), verdict):
        return "taken back"
    drafted, _ = _readings(drafts, criteria)
    if not set(drafted.get(criteria.verdict.key, [])) <= {verdict, "unclear"}:
        return f"contradiction: {criteria.verdict.label}"
    return None


def _unfolded(lines: Sequence[str], criteria: Criteria) -> list[str]:
    _, keys = _labels(criteria)
    return unfolded(lines, keys)


def _readings(lines: Sequence[str], criteria: Criteria, said: str = "") -> tuple[dict[str, list[_Reading]], int]:
    """What the labelled lines say, by key, and the index of the last one that says anything (-1 if none does).

    A verdict that the material says of itself (`said`, its letters) is taken to be repeated from there.
    """
    pattern, keys = _labels(criteria)
    found: dict[str, list[_Reading]] = {}
    last = -1
    for i, line in enumerate(map(_bare, lines)):
        match = pattern.match(line)
        key = match and keys.get(spelling(match["quoted"] or match["plain"]))
        if match and key and (reading := _rating(line[match.end() :], in_table=match[0][-1] in _COLUMNS)):
            label = _letters(match["quoted"] or match["plain"])
            repeated = key == criteria.verdict.key and f"{label}{reading}" in said
            found.setdefault(key, []).append("repeated" if repeated else reading)
            last = i
    return found, last


def _bare(line: str) -> str:
    """A line without marks that only set it off: ticks, tags of HTML, boxes and letters of LaTeX (two deep)."""
    line = _SET_ASIDE.sub(" ", line)
    return _SET_IN.sub(r" \1 ", _SET_IN.sub(r"\1", line)) if "\\" in line else line


@lru_cache(maxsize=32)
def _labels(criteria: Criteria) -> tuple[re.Pattern[str], dict[str, str]]:
    """A pattern for the start of a labelled line, up to its rating, and the key of each label."""
    lines = (*criteria.ratings, criteria.verdict)
    keys = {spelling(label): line.key for line in lines for label in (line.label, *line.aliases)}
    labels = sorted(keys, key=len, reverse=True)
    label = "|".join(r"[\s_-]+".join(re.escape(word) for word in label.split()) for label in labels)
    pattern = rf"{_BEFORE}(?:[\"'“‘`](?P<quoted>{label})[\"'”’`]|(?P<plain>{label})){_AFTER}"
    return re.compile(pattern, re.IGNORECASE), keys


def _rating(value: str, *, in_table: bool) -> _Reading | None:
    """What stands after a label: a rating, something that only looks like one, or None for prose and for nothing."""
    if rating := _clean(value) or (_in_cell(value) if in_table else None):
        return rating
    start = _WORD.findall(value[:100])[:3]
    return "unclear" if _named(" ".join(start)) else None


def _clean(value: str) -> Rating | None:
    match = _CLEAN.match(value)
    if match and _CLOSING[match["open"]] == match["close"] and not _doubts(match["rest"], match["word"].lower()):
        return _as_rating(match["word"])
    return None


def _in_cell(row: str) -> Rating | None:
    """The rating in the one cell of a table's row that holds nothing else, where reasons stand before it."""
    cells = _CELLS.split(row)
    rated = [(place, rating) for place, cell in enumerate(cells) if (rating := _as_rating(cell.strip(" \t*_`.")))]
    if len(rated) != 1:
        return None
    [(place, rating)] = rated
    reasons = " ".join(cells[:place] + cells[place + 1 :])
    return None if _doubts(reasons, rating) or _denies(row, rating) else rating


def _doubts(rest: str, word: str) -> bool:
    """Whether what follows a rating on its line makes it less than certain."""
    return not _named(rest) <= {word} or _denies(rest, word) or bool(_DOUBTED.match(rest))


def _agreed(readings: Sequence[_Reading]) -> _Reading | Literal["missing", "contradiction"]:
    if not readings:
        return "missing"
    if "unclear" in readings:
        return "unclear"
    if "repeated" in readings:
        return "repeated"
    return readings[0] if len(set(readings)) == 1 else "contradiction"


def _takes_back(text: str, verdict: Rating) -> bool:
    """Whether words after a verdict deny it or name a worse one."""
    worse = RATINGS[RATINGS.index(verdict) + 1 :]
    return _denies(text, verdict) or not _named(text).isdisjoint(worse)


def _denies(text: str, word: str) -> bool:
    negated = {match[1].lower() for match in _DENIED.finditer(text)}
    return word in negated or not _named(text).isdisjoint({f"im{word}", f"un{word}"})


def _named(text: str) -> set[str]:
    """All words of a text that are ratings or contain one, in lower case."""
    return {word for word in _WORD.findall(text.lower()) if any(rating in word for rating in RATINGS)}


def _as_rating(word: str) -> Rating | None:
    return next((rating for rating in RATINGS if rating == word.lower()), None)

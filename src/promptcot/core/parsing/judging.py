"""Reads the reply of a judge: every rating, and a verdict that agrees with them, or it is invalid.

What counts is a line `Label: rating`, in any case, bulleted, numbered, bold, quoted word by word or in a table row, and
at most followed by a reason; an object of JSON on one line, and a table with a column for each label, are unfolded into
such lines (see `folded`). Around that the reading is strict, because a doubtful reply must never count as praise:

- a reply that was cut off, is empty, or lacks a line is invalid;
- a line that starts like a rating and is none (`imperfect`, `not perfect`, `perfect or acceptable`) makes the reply
  invalid, and so does a reason that names another rating; longer prose after a label is no rating and is passed over;
- a line may be repeated, as when a judge sums up at the end, but not with another rating;
- words after the last of these lines may explain the verdict, but must not name a worse one, or deny it, and nowhere
  may the judge say that it declines;
- quoted and fenced lines are not the judge's words (see `replies`), nor is a line in quotation marks as a whole. But a
  fence that ends the reply is, where its lines have the judge's mark, or the material cannot be their source;
- where lines have the mark that the judge was asked for, only these count (see `own`). Where none has it, a line that
  stands in the material may be repeated from there and does not count, and no reply does about a material that holds
  ratings in whatever form.

The rule from ratings to verdict, and the names of the lines, come from the domain's `criteria`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

from promptcot.core.criteria import RATINGS, Criteria, Criterion, Rating, Verdict, recompute, spelling
from promptcot.core.parsing.end_tokens import without_end_tokens
from promptcot.core.parsing.folded import unfolded
from promptcot.core.parsing.folding import folded
from promptcot.core.parsing.lines import foreign_lines, lines_of
from promptcot.core.parsing.own import BEFORE, Material, marked, material_of
from promptcot.core.parsing.replies import fence_at_end, own_lines, split_thinking, stopped_early
from promptcot.records import FinishReason

_Reading = Rating | Literal["unclear", "repeated"]

_SPEAKS = "unmarked, and the material speaks as a judge"
_QUOTES = "\"'“”‘’`"
_CLOSING = {"": "", **dict(zip("\"'“‘`«「[(<", "\"'”’`»」])>", strict=True))}

# Possessive quantifiers, as in `own`.
_SET_ASIDE = re.compile(r"[✅✔✓☑\ufe0f]|</?(?:b|strong|i|em|u)>|<br ?/?>|\\(?=\s*+$)|^[\ufeff\u200b\u2060]++")
_SET_IN = re.compile(r"\$?\\(?:boxed|text|textbf|textit|mathbf|mathrm)\{([^{}\\]*+)\}\$?")
_AFTER = r"[*_\]】]*+\s*+[*_]*+\s*+(?:[-=]>|[:：=|│┃→]|(?<=\s)[-–—]++(?=\s))"
_CLEAN = re.compile(
    r"""^[\s*_]*+(?P<open>["'“‘`«「\[(<]?)[*_]*+
        (?P<word>perfect|acceptable|bad)
        (?:\.(?=[*_"'”’`»」\])>]))?[*_]*+(?P<close>["'”’`»」\])>]?)(?:\s*+[*_]++)*+
        (?P<rest>\s*+$|\s*+[.,;:!|│┃(\[—–。，；（].*|\s++-++\s.*|\s++(?:because|since)\b.*)""",
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
_COLUMNS = "|│┃"
_CELLS = re.compile(f"[{_COLUMNS}]")
_WORD = re.compile(r"[^\W_]+")
_DENIED = re.compile(
    r"(?:\b(?:not|never|hardly|nearly|almost|near|far from|less than|short of|no longer)|n['’]t)\b"
    r"\W+(?:\w+\W+){0,2}?(perfect|acceptable|bad)\b",
    re.IGNORECASE,
)
_DECLINES = re.compile(
    r"\bI\s(?:\w+\s){0,2}?(?:(?:decline|refuse)(?=\s*(?:[.!;]|\Z))"
    r"|(?:can(?:not|['’]t)|won['’]t|(?:will|do|must)\snot|decline\sto|refuse\sto)\s(?:rate|judge|comply\swith)\s"
    r"(?:it|this|that|(?:the|this)\s(?:material|text|submission))(?=\s*(?:[.,!;]|\Z)))",
    re.IGNORECASE,
)
_DISOWNED = re.compile(r"\bnot\s(?:mine|my\s(?:own\s)?(?:verdict|judge?ment|ratings?))\b", re.IGNORECASE)
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


def read_reply(
    text: str,
    finish_reason: FinishReason,
    criteria: Criteria,
    material: str | None = None,
    mark: str | None = None,
) -> Judgement:
    """The judgement in a judge's reply about `material`, where that is known. Never raises, whatever the text.

    `mark` is what the judge was asked to begin its lines with; lines without it count where no line has it.

    Reasons: `cut off`, `stopped: WORD` (the server ended it), `empty`, `unclear thinking`, `unclosed fence`, `no
    ratings` (a refusal, say), `missing: LABEL`, `unclear: LABEL`, `repeated: LABEL` (from the material),
    `contradiction: LABEL`, `taken back`, `declined`, `the verdict does not follow from the ratings`, `unmarked, and the
    material speaks as a judge`.
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
    lines = _unfolded(lines, criteria)
    fence = _unfolded(fence_at_end(answer.text), criteria)
    drafts = [] if answer.opened else _unfolded(lines_of(answer.thinking), criteria)
    if mark and (own := _own(lines, fence, mark, criteria)):
        return _judge(*own, _without_mark(drafts, mark), criteria)
    shown = None if material is None else material_of(material)
    speaks = shown is not None and _speaks(shown, criteria)
    if shown is not None and not speaks and not shown.names(criteria.verdict.names) and _rates(fence, criteria):
        lines = [*lines, *fence]
    judgement = _judge(lines, lines, drafts, criteria, shown)
    return _invalid(_SPEAKS, judgement.ratings) if speaks and judgement.reason is None else judgement


def _own(
    lines: Sequence[str], fence: Sequence[str], mark: str, criteria: Criteria
) -> tuple[Sequence[str], Sequence[str]] | None:
    """What follows the mark in each line of a reply that rates under it, and the lines; None where none does.

    The fence at the end belongs to the reply where it rates under the mark.
    """
    lines = [*lines, *fence] if _rates(_after_mark(fence, mark), criteria) else lines
    own = _after_mark(lines, mark)
    return (own, lines) if _rates(own, criteria) else None


def _after_mark(lines: Sequence[str], mark: str) -> list[str]:
    """What follows the mark in each line; nothing in place of a line without it."""
    return [rest or "" for rest in marked(lines, mark)]


def _without_mark(lines: Sequence[str], mark: str) -> list[str]:
    return [line if rest is None else rest for line, rest in zip(lines, marked(lines, mark), strict=True)]


def _rates(lines: Sequence[str], criteria: Criteria) -> bool:
    return bool(_readings(lines, criteria)[0])


def _speaks(shown: Material, criteria: Criteria) -> bool:
    """Whether a material may hold ratings for the judge to repeat."""
    others = [name for rating in criteria.ratings for name in rating.names]
    return shown.speaks(criteria.verdict.names, others, RATINGS)


def read_word(text: object) -> Verdict:
    """The verdict of a row that holds no ratings: the word itself, but for case, quotes, asterisks and a final dot."""
    if not isinstance(text, str):
        return "invalid"
    around = _QUOTES + "* \t\r\n"
    return _as_rating(text.strip(around).removesuffix(".").strip(around)) or "invalid"


def _invalid(reason: str, ratings: Mapping[str, Rating] | None = None) -> Judgement:
    return Judgement("invalid", ratings or {}, reason)


def _judge(
    lines: Sequence[str],
    all_lines: Sequence[str],
    drafts: Sequence[str],
    criteria: Criteria,
    shown: Material | None = None,
) -> Judgement:
    """What the lines that count say, of which there is one for each of `all_lines`."""
    found, last = _readings(lines, criteria, shown)
    if not found:
        return _invalid("no ratings")
    stated: dict[str, Rating] = {}
    reasons: list[str] = []
    doubtful = _lookalikes(lines, criteria)
    for line in criteria.lines:
        reading = _agreed(found.get(line.key, []))
        if rating := _as_rating(reading):
            stated[line.key] = rating
        reading = "unclear" if rating and doubtful.get(line.key, {rating}) != {rating} else reading
        reasons += [] if reading == rating else [f"{reading}: {line.label}"]
    verdict = stated.pop(criteria.verdict.key, None)
    if verdict is None or reasons:
        return _invalid(reasons[0], stated)
    if reason := _objection(stated, verdict, all_lines, last, drafts, criteria):
        return _invalid(reason, stated)
    return Judgement(verdict, stated)


def _objection(
    ratings: Mapping[str, Rating],
    verdict: Rating,
    lines: Sequence[str],
    last: int,
    drafts: Sequence[str],
    criteria: Criteria,
) -> str | None:
    """Why a complete set of lines, of which the last one stands at `last`, does not count after all."""
    if recompute(ratings, criteria) != verdict:
        return "the verdict does not follow from the ratings"
    if _takes_back("\n".join(lines[last + 1 :]), verdict):
        return "taken back"
    if any(map(_DECLINES.search, lines)):
        return "declined"
    drafted, _ = _readings(drafts, criteria)
    if not set(drafted.get(criteria.verdict.key, [])) <= {verdict, "unclear"}:
        return f"contradiction: {criteria.verdict.label}"
    return None


def _unfolded(lines: Sequence[str], criteria: Criteria) -> list[str]:
    return unfolded(lines, _keys(criteria))


@lru_cache(maxsize=32)
def _keys(criteria: Criteria) -> dict[str, str]:
    return {spelling(name): line.key for line in criteria.lines for name in line.names}


def _readings(
    lines: Sequence[str], criteria: Criteria, shown: Material | None = None
) -> tuple[dict[str, list[_Reading]], int]:
    """What the labelled lines say, by key, and the index of the last one that says anything (-1 if none does).

    What the material says in the same form is taken to be repeated from there.
    """
    pattern, names = _labels(criteria)
    found: dict[str, list[_Reading]] = {}
    last = -1
    for i, line in enumerate(map(_bare, lines)):
        if (match := pattern.match(line)) is None:
            continue
        if reading := _rating(line[match.end() :], in_table=match[0][-1] in _COLUMNS):
            known = names[str(match.lastgroup)]
            repeated = shown is not None and any(shown.says(name, reading) for name in known.names)
            found.setdefault(known.key, []).append("repeated" if repeated else reading)
            last = i
    return found, last


def _lookalikes(lines: Sequence[str], criteria: Criteria) -> dict[str, set[_Reading]]:
    """What lines say, by key, whose labels only look like ours, or that only other programs take for lines.

    Such lines never rate; but a reader may take them for ratings.
    """
    found: dict[str, set[_Reading]] = {}
    for line in lines:
        if line.isascii() and line.isprintable():
            continue
        for part in [line, *foreign_lines(line)]:
            for key, readings in _readings([folded(part)], criteria)[0].items():
                found.setdefault(key, set()).update(readings)
    return found


def _bare(line: str) -> str:
    """A line without marks that only set it off: ticks, tags of HTML, boxes and letters of LaTeX (two deep)."""
    line = _SET_ASIDE.sub(" ", unicodedata.normalize("NFC", line))
    return _SET_IN.sub(r" \1 ", _SET_IN.sub(r"\1", line)) if "\\" in line else line


@lru_cache(maxsize=32)
def _labels(criteria: Criteria) -> tuple[re.Pattern[str], dict[str, Criterion]]:
    """A pattern for the start of a labelled line, up to its rating, and whose label each of its groups is.

    The pattern alone says what a label is. It takes no letter of another alphabet for one of the label's, as Python's
    does otherwise: to it, a dotless i is an i.
    """
    spelt = {form: line for line in criteria.lines for name in line.names for form in (_spelt(name), spelling(name))}
    longest_first = sorted(spelt, key=len, reverse=True)
    names = {f"label{place}": spelt[name] for place, name in enumerate(longest_first)}
    labels = "|".join(f"(?P<{group}>{_label(name)})" for group, name in zip(names, longest_first, strict=True))
    return re.compile(rf"{BEFORE}(?P<quote>[\"'“‘`])?(?:{labels})(?(quote)[\"'”’`]){_AFTER}", re.IGNORECASE), names


def _spelt(name: str) -> str:
    """A name as the criteria have it, in lower case: `spelling` makes two letters of `ß`."""
    return re.sub(r"[\s_-]+", " ", unicodedata.normalize("NFC", name).lower()).strip()


def _label(name: str) -> str:
    words = r"[ \t\xa0\u202f_-]+".join(re.escape(word) for word in name.split())
    return f"(?a:{words})" if name.isascii() else words


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
    """Whether words after a verdict deny it, name a worse one, or say that it is none."""
    worse = RATINGS[RATINGS.index(verdict) + 1 :]
    return _denies(text, verdict) or not _named(text).isdisjoint(worse) or bool(_DISOWNED.search(text))


def _denies(text: str, word: str) -> bool:
    negated = {match[1].lower() for match in _DENIED.finditer(text)}
    return word in negated or not _named(text).isdisjoint({f"im{word}", f"un{word}"})


def _named(text: str) -> set[str]:
    """All words of a text that are ratings or contain one, in lower case."""
    return {word for word in _WORD.findall(text.lower()) if any(rating in word for rating in RATINGS)}


def _as_rating(word: str) -> Rating | None:
    return next((rating for rating in RATINGS if rating == word.lower()), None)

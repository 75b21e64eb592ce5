"""Parses a reply that ends in labelled lines: an answer in each, and a verdict that must follow from them.

Judges and verifiers reply in this form. What counts is a line `Label: word`, in any case, bulleted, numbered, bold,
quoted word by word or in a table row, and at most followed by a reason; an object of JSON on one line, and a table with
a column for each label, are unfolded into such lines (see `folded`). Otherwise the parser is strict, because a
doubtful reply must never count as praise:

- a reply that was cut off, is empty, or lacks a line is invalid;
- a line that only resembles an answer (`imperfect`, `not perfect`, `perfect or acceptable`) makes the reply
  invalid, and so does a reason that names another answer; longer prose after a label is not an answer and is skipped;
- a line may be repeated, as when a judge sums up at the end, but not with another answer;
- text after the last of these lines may explain the verdict, but must not name a worse one or deny it; the model must
  not say that it declines; and the text before the lines must not introduce them as a quotation (see `disowned`);
- quoted and fenced lines are not the model's words (see `replies`), nor is a line entirely in quotation marks. But a
  fence at the end of the reply counts if its lines have the model's mark, or the material cannot be their source;
- if lines have the mark that the model was asked for, only these count (see `own`). If none has it, a line that is in
  the material may be repeated from there and does not count; and if the material contains answers in any form, the
  whole reply does not count.

The caller's `Form` has the labels, the words of their scales, and the rule from answers to verdict.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property

from promptcot.core.criteria import Criterion, spelling
from promptcot.core.parsing.disowned import leads_elsewhere, takes_back
from promptcot.core.parsing.end_tokens import without_end_tokens
from promptcot.core.parsing.folded import unfolded
from promptcot.core.parsing.folding import folded
from promptcot.core.parsing.lines import foreign_lines, lines_of
from promptcot.core.parsing.own import BEFORE, Material, marked, material_of
from promptcot.core.parsing.replies import fence_at_end, own_lines, split_thinking, stopped_early
from promptcot.core.parsing.scale import Scale
from promptcot.records import FinishReason

# Possessive quantifiers, as in `own`.
_SET_ASIDE = re.compile(r"[✅✔✓☑\ufe0f]|</?(?:b|strong|i|em|u)>|<br ?/?>|\\(?=\s*+$)|^[\ufeff\u200b\u2060]++")
_SET_IN = re.compile(r"\$?\\(?:boxed|text|textbf|textit|mathbf|mathrm)\{([^{}\\]*+)\}\$?")
_AFTER = r"[*_\]】]*+\s*+[*_]*+\s*+(?:[-=]>|[:：=|│┃→]|(?<=\s)[-–—]++(?=\s))"
_COLUMNS = "|│┃"
_IS_MARKUP = re.compile(r"\s*(?:```|~~~|<[a-z]+>\s*\Z|\\begin\s?\{\w+\*?\}\s*\Z|\W*\Z)")


class Fault(Enum):
    """Why a line, or all lines with one label, have no answer."""

    UNCLEAR = "unclear"
    REPEATED = "repeated"
    MISSING = "missing"
    CONTRADICTION = "contradiction"


_Reading = str | Fault


@dataclass(frozen=True)
class Form:
    """The required form of a reply: `lines` with words of `answers`, the last of them with one of `verdicts`.

    `follows` gives the verdict for all answers by key. `speaker` and `called` are the names, in reasons, of the model
    and of the lines; `declines` decides whether lines say that the model gives no answers.
    """

    lines: tuple[Criterion, ...]
    answers: Scale
    verdicts: Scale
    follows: Callable[[Mapping[str, str]], str]
    speaker: str
    called: str
    declines: Callable[[Sequence[str]], bool]

    @property
    def verdict(self) -> Criterion:
        """The line of the verdict."""
        return self.lines[-1]

    def scale(self, line: Criterion) -> Scale:
        """The scale of a line."""
        return self.verdicts if line.key == self.verdict.key else self.answers

    def speaks(self, shown: Material) -> bool:
        """Whether the material may contain answers that the model could repeat."""
        others = [name for line in self.lines[:-1] for name in line.names]
        return shown.speaks(
            self.verdict.names, others, tuple(dict.fromkeys((*self.answers.words, *self.verdicts.words)))
        )

    @cached_property
    def keys(self) -> Mapping[str, str]:
        """The key of each label, by its spelling."""
        return {spelling(name): line.key for line in self.lines for name in line.names}

    @cached_property
    def labels(self) -> tuple[re.Pattern[str], Mapping[str, Criterion]]:
        """A pattern for the start of a labelled line, up to its answer, and the key for each of its groups.

        Only the pattern decides what a label is. It does not match letters of other alphabets, unlike Python's
        default matching without case, where a dotless i is an i.
        """
        spelt = {form: line for line in self.lines for name in line.names for form in (_spelt(name), spelling(name))}
        longest_first = sorted(spelt, key=len, reverse=True)
        names = {f"label{place}": spelt[name] for place, name in enumerate(longest_first)}
        labels = "|".join(f"(?P<{group}>{_label(name)})" for group, name in zip(names, longest_first, strict=True))
        return re.compile(rf"{BEFORE}(?P<quote>[\"'“‘`])?(?:{labels})(?(quote)[\"'”’`]){_AFTER}", re.IGNORECASE), names


@dataclass(frozen=True, slots=True)
class Stated:
    """A parsed reply: a verdict with all answers by key; or None, the answers that were found, and a `reason`."""

    verdict: str | None
    answers: Mapping[str, str] = field(default_factory=dict)
    reason: str | None = None


def read_labelled(
    text: str,
    finish_reason: FinishReason,
    form: Form,
    material: str | None = None,
    mark: str | None = None,
) -> Stated:
    """Parses a reply about `material`, if that is known. Never raises.

    `mark` is the token that the model was asked to begin its lines with; lines without it count if no line has it.

    Reasons: `cut off`, `stopped: WORD` (the server stopped it), `empty`, `unclear thinking`, `unclosed fence`, `no
    ratings` (a refusal, say), `missing: LABEL`, `unclear: LABEL`, `repeated: LABEL` (from the material),
    `contradiction: LABEL`, `taken back`, `declined`, `not its own words` (introduced as what it would write, say), `the
    verdict does not follow from the ratings`, `unmarked, and the material speaks as a judge`.
    """
    if why := stopped_early(finish_reason):
        return Stated(None, reason=why)
    if not without_end_tokens(text).strip():
        return Stated(None, reason="empty")
    answer = split_thinking(text)
    if answer is None:
        return Stated(None, reason="unclear thinking")
    lines = own_lines(answer.text)
    if lines is None:
        return Stated(None, reason="unclosed fence")
    lines = unfolded(lines, form.keys)
    fence = unfolded(fence_at_end(answer.text), form.keys)
    drafts = [] if answer.opened else unfolded(lines_of(answer.thinking), form.keys)
    if mark and (own := _own(lines, fence, mark, form)):
        return _unless_led_into(_read(*own, _without_mark(drafts, mark), form), answer.text, form, mark)
    shown = None if material is None else material_of(material)
    speaks = shown is not None and form.speaks(shown)
    if shown is not None and not speaks and not shown.names(form.verdict.names) and _answers(fence, form):
        lines = [*lines, *fence]
    stated = _read(lines, lines, drafts, form, shown)
    if speaks and stated.reason is None:
        return Stated(None, stated.answers, f"unmarked, and the material speaks as a {form.speaker}")
    return _unless_led_into(stated, answer.text, form)


def _unless_led_into(stated: Stated, text: str, form: Form, mark: str | None = None) -> Stated:
    """The same, unless the line before the answers introduces them as a quotation."""
    if stated.reason is None and leads_elsewhere(_before_answers(text, form, mark)):
        return Stated(None, stated.answers, "not its own words")
    return stated


def _before_answers(text: str, form: Form, mark: str | None) -> str:
    """The last line before the block of answers, with this mark, at the end of a text; empty if there is none.

    The block may be in a fence or an environment: lines that are only markup belong to it.
    """

    def answers(line: str) -> bool:
        return _answers(unfolded([line] if mark is None else _after_mark([line], mark), form.keys), form)

    lines = (line for line in reversed(lines_of(text)) if line.strip())
    found = next(filter(answers, lines), "")
    while found and (answers(found) or _IS_MARKUP.match(found)):
        found = next(lines, "")
    return found


def _own(
    lines: Sequence[str], fence: Sequence[str], mark: str, form: Form
) -> tuple[Sequence[str], Sequence[str]] | None:
    """The text after the mark in each line of a reply that answers with it, and the lines; None if no line does.

    The fence at the end belongs to the reply if it answers with the mark.
    """
    lines = [*lines, *fence] if _answers(_after_mark(fence, mark), form) else lines
    own = _after_mark(lines, mark)
    return (own, lines) if _answers(own, form) else None


def _after_mark(lines: Sequence[str], mark: str) -> list[str]:
    """The text after the mark in each line; empty for a line without it."""
    return [rest or "" for rest in marked(lines, mark)]


def _without_mark(lines: Sequence[str], mark: str) -> list[str]:
    return [line if rest is None else rest for line, rest in zip(lines, marked(lines, mark), strict=True)]


def _answers(lines: Sequence[str], form: Form) -> bool:
    return bool(_readings(lines, form)[0])


def _read(
    lines: Sequence[str],
    all_lines: Sequence[str],
    drafts: Sequence[str],
    form: Form,
    shown: Material | None = None,
) -> Stated:
    """Parses the lines that count, one for each of `all_lines`."""
    found, last = _readings(lines, form, shown)
    if not found:
        return Stated(None, reason=f"no {form.called}")
    stated: dict[str, str] = {}
    reasons: list[str] = []
    doubtful = _lookalikes(lines, form)
    for line in form.lines:
        reading = _agreed(found.get(line.key, []))
        if isinstance(reading, str):
            stated[line.key] = reading
            reading = reading if doubtful.get(line.key, {reading}) == {reading} else Fault.UNCLEAR
        reasons += [f"{reading.value}: {line.label}"] if isinstance(reading, Fault) else []
    verdict = stated.pop(form.verdict.key, None)
    if verdict is None or reasons:
        return Stated(None, stated, reasons[0])
    if reason := _objection(stated, verdict, all_lines, last, drafts, form):
        return Stated(None, stated, reason)
    return Stated(verdict, stated)


def _objection(
    answers: Mapping[str, str],
    verdict: str,
    lines: Sequence[str],
    last: int,
    drafts: Sequence[str],
    form: Form,
) -> str | None:
    """Why a complete set of lines, whose last one is at `last`, does not count after all."""
    if form.follows(answers) != verdict:
        return f"the verdict does not follow from the {form.called}"
    if _takes_back("\n".join(lines[last + 1 :]), verdict, form.verdicts):
        return "taken back"
    if form.declines(lines):
        return "declined"
    drafted, _ = _readings(drafts, form)
    if not set(drafted.get(form.verdict.key, [])) <= {verdict, Fault.UNCLEAR}:
        return f"contradiction: {form.verdict.label}"
    return None


def _readings(lines: Sequence[str], form: Form, shown: Material | None = None) -> tuple[dict[str, list[_Reading]], int]:
    """The answers of the labelled lines, by key, and the index of the last one with an answer (-1 if none).

    Answers that the material contains in the same form are taken to be repeated from there.
    """
    pattern, names = form.labels
    readings: dict[str, list[_Reading]] = {}
    last = -1
    for i, line in enumerate(map(_bare, lines)):
        if (match := pattern.match(line)) is None:
            continue
        known = names[str(match.lastgroup)]
        if reading := _reading(line[match.end() :], form.scale(known), in_table=match[0][-1] in _COLUMNS):
            word = reading.value if isinstance(reading, Fault) else reading
            repeated = shown is not None and any(shown.says(name, word) for name in known.names)
            readings.setdefault(known.key, []).append(Fault.REPEATED if repeated else reading)
            last = i
    return readings, last


def _lookalikes(lines: Sequence[str], form: Form) -> dict[str, set[_Reading]]:
    """The answers, by key, of lines whose labels only look like ours, or that are lines only in other programs.

    Such lines are never answers, but a reader may take them for answers.
    """
    found: dict[str, set[_Reading]] = {}
    for line in lines:
        if line.isascii() and line.isprintable():
            continue
        for part in [line, *foreign_lines(line)]:
            for key, readings in _readings([folded(part)], form)[0].items():
                found.setdefault(key, set()).update(readings)
    return found


def _bare(line: str) -> str:
    """A line without emphasis: ticks, HTML tags, LaTeX boxes and fonts (nested up to two deep)."""
    line = _SET_ASIDE.sub(" ", unicodedata.normalize("NFC", line))
    return _SET_IN.sub(r" \1 ", _SET_IN.sub(r"\1", line)) if "\\" in line else line


def _spelt(name: str) -> str:
    """A name as in the criteria, in lower case: `spelling` would turn `ß` into two letters."""
    return re.sub(r"[\s_-]+", " ", unicodedata.normalize("NFC", name).lower()).strip()


def _label(name: str) -> str:
    words = r"[ \t\xa0\u202f_-]+".join(re.escape(word) for word in name.split())
    return f"(?a:{words})" if name.isascii() else words


def _reading(value: str, scale: Scale, *, in_table: bool) -> _Reading | None:
    """Parses the text after a label: an answer, a Fault if it only looks like one, or None for prose and no text."""
    if answer := scale.clean(value) or (scale.in_cell(value) if in_table else None):
        return answer
    return Fault.UNCLEAR if scale.begins(value) else None


def _agreed(readings: Sequence[_Reading]) -> _Reading:
    if not readings:
        return Fault.MISSING
    if Fault.UNCLEAR in readings:
        return Fault.UNCLEAR
    if Fault.REPEATED in readings:
        return Fault.REPEATED
    return readings[0] if len(set(readings)) == 1 else Fault.CONTRADICTION


def _takes_back(text: str, verdict: str, verdicts: Scale) -> bool:
    """Whether the text after a verdict denies it, names a worse one, or says that it is not a verdict."""
    worse = verdicts.worse(verdict)
    return verdicts.denies(text, verdict) or not verdicts.named(text).isdisjoint(worse) or takes_back(text)

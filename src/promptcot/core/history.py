"""The history of one problem: what each step of a run made of it, and where it ended.

Rows come from files that an earlier version, or a step of the user's own, may have written, so a field that is missing
or of another type is left out and never an error. Which files have the rows is decided in `inspection`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from promptcot.core import fields
from promptcot.core.answers.exact import mutual
from promptcot.core.answers.extraction import extract
from promptcot.records import Row

SET = "set"
"""The `step` of a `Found` for a row of the run's set."""

Kind = Literal["in the set", "dropped", "failed", "under way"]
Outcome = Literal["out", "dropped", "failed"]

_LONGEST_ANSWER = 1000
"""Longer answers are compared as strings, because a comparison of their values takes too long."""


@dataclass(frozen=True, slots=True)
class Found:
    """One line of one file of a run: the step that wrote it, and what became of the row there."""

    step: str
    outcome: Outcome
    row: Row


@dataclass(frozen=True, slots=True)
class Judged:
    """What one judge says: its verdict, a rating for each criterion, and all that it wrote."""

    judge: str
    verdict: str
    ratings: Mapping[str, str]
    critique: str | None


@dataclass(frozen=True, slots=True)
class Trace:
    """One trace of a solver. `correct` says whether its answer is the problem's; None where there is nothing to compare
    with, or only computer algebra could tell.
    """

    sample: int | None
    text: str
    answer: str | None
    correct: bool | None
    truncated: bool
    tokens: int | None
    model: str | None


@dataclass(frozen=True, slots=True)
class Copy:
    """Of which row a problem is a copy, by which rule, and how alike they are (0 to 1)."""

    of: str
    rule: str
    similarity: float | None


@dataclass(frozen=True, slots=True)
class Contamination:
    """The benchmark's problem that a problem has in common with it, by which rule, and which part of it (0 to 1)."""

    benchmark: str
    row: int | None
    id: str | None
    problem: str
    rule: str
    share: float | None
    overlap: str


@dataclass(frozen=True, slots=True)
class Fate:
    """Where a problem ended: in the set, left out or failed in `step` for a `reason`, or still under way behind it."""

    kind: Kind
    step: str | None = None
    reason: str | None = None


@dataclass(frozen=True)
class History:
    """All that a run knows of one problem; what it does not say is None or empty.

    `n` is how many traces there are, `votes` counts the verifiers' votes by word, `voted` their answers by criterion,
    and `findings` are the words of a vote against the problem. `events` are in the order of the steps.
    """

    id: str
    level: str | None
    concepts: tuple[str, ...]
    rationale: str | None
    problem: str | None
    answer: str | None
    agreement: float | None
    pass_rate: float | None
    n: int | None
    validity: str | None
    votes: Mapping[str, int]
    voted: Mapping[str, Mapping[str, int]]
    findings: str | None
    judged: tuple[Judged, ...]
    traces: tuple[Trace, ...]
    copy: Copy | None
    contamination: Contamination | None
    events: tuple[Found, ...]
    fate: Fate

    @cached_property
    def steps(self) -> tuple[Found, ...]:
        """One event for each step: of several rows of a step, such as traces, the first."""
        first: dict[tuple[str, str], Found] = {}
        for event in self.events:
            first.setdefault((event.step, event.outcome), event)
        return tuple(first.values())

    def as_json(self) -> dict[str, Any]:
        """The history as a JSON object, without the rows it was read from."""
        return {
            "id": self.id,
            "fate": _fields(self.fate),
            **{name: getattr(self, name) for name in ("level", "answer", "agreement", "pass_rate", "n", "validity")},
            "concepts": [*self.concepts],
            "rationale": self.rationale,
            "problem": self.problem,
            "votes": dict(self.votes),
            "voted": {key: dict(words) for key, words in self.voted.items()},
            "findings": self.findings,
            "judged": [{**_fields(one), "ratings": dict(one.ratings)} for one in self.judged],
            "traces": [_fields(one) for one in self.traces],
            "copy": self.copy and _fields(self.copy),
            "contamination": self.contamination and _fields(self.contamination),
            "steps": [
                {"step": one.step, "outcome": one.outcome, "reason": reason_of(one)}
                for one in self.steps
                if one.step != SET
            ],
        }


def assemble(row_id: str, found: Sequence[Found]) -> History:
    """The history of the row with this id, of all its lines in the order of the steps; there may be none."""
    said = _Said(found)
    validity = said.mapping("validity")
    answer = said.text("answer") or said.text("label")
    traces = tuple(_traces(found, answer))
    return History(
        id=row_id,
        level=said.text("level"),
        concepts=said.texts("foundational_concepts") or said.texts("concepts"),
        rationale=said.text("rationale"),
        problem=said.text("problem"),
        answer=answer,
        agreement=said.number("agreement"),
        pass_rate=said.number("pass_rate"),
        n=said.whole("n") if said.whole("n") is not None else len(traces) or None,
        validity=fields.text(validity.get("verdict")) or said.text("validity"),
        votes=fields.counts(validity.get("votes")),
        voted={str(key): fields.counts(words) for key, words in fields.mapping(validity.get("criteria")).items()},
        findings=said.text("findings"),
        judged=tuple(_judged(found)),
        traces=traces,
        copy=_copy(said),
        contamination=_contamination(said),
        events=tuple(found),
        fate=_fate(found),
    )


def reason_of(found: Found) -> str | None:
    """Why a row was left out or failed; None for one that came through."""
    if found.outcome == "out":
        return None
    return fields.text(found.row.get("reason" if found.outcome == "dropped" else "cause"))


def _fate(found: Sequence[Found]) -> Fate:
    """By the last step that says something; a row in the set stays there, whatever else is told of its id."""
    if not found:
        return Fate("under way")
    if any(one.step == SET for one in found):
        return Fate("in the set")
    last = found[-1]
    together = [one for one in found if one.step == last.step]
    last = next((one for one in together if one.outcome == "out"), last)
    if last.outcome == "out":
        return Fate("under way", last.step)
    return Fate(last.outcome, last.step, reason_of(last))


def _judged(found: Sequence[Found]) -> Iterator[Judged]:
    """What each judge wrote; where its file is gone, the verdict that a later row has of it, or the set."""
    rows = {str(one.row["judge"]): one.row for one in found if one.step != SET and fields.text(one.row.get("judge"))}
    for judge, row in rows.items():
        yield Judged(
            judge,
            fields.text(row.get("judgement")) or "",
            fields.texts(row.get("ratings")),
            fields.text(row.get("completion")),
        )
    said = _Said(found)
    of_set = {fields.text(one.get("judge")): one for one in said.objects("ratings")}
    critiques = {fields.text(one.get("judge")): fields.text(one.get("critique")) for one in said.objects("critiques")}
    for judge, verdict in fields.texts(said.mapping("judgements")).items():
        if judge not in rows and judge not in of_set:
            yield Judged(judge, verdict, {}, None)
    for name, one in of_set.items():
        if name is not None and name not in rows:
            words = fields.texts({key: word for key, word in one.items() if key not in ("judge", "judgement")})
            yield Judged(name, fields.text(one.get("judgement")) or "", words, critiques.get(name))


def _traces(found: Sequence[Found], answer: str | None) -> Iterator[Trace]:
    """The rows of `solve`; where its file is gone, the one trace that a labelled row keeps."""
    rows = [one.row for one in found if "sample" in one.row and isinstance(one.row.get("completion"), str)]
    if not rows and (kept := _Said(found).text("trace")) is not None:
        rows = [{"completion": kept}]
    for row in rows:
        completion = str(row["completion"])
        given = extract(completion).answer
        yield Trace(
            fields.whole(row.get("sample")),
            completion,
            given,
            None if answer is None else _is_correct(answer, given),
            row.get("truncated") is True,
            fields.whole(row.get("completion_tokens")),
            fields.text(row.get("model")),
        )


def _is_correct(answer: str, given: str | None) -> bool | None:
    if given is None or given == answer:
        return given is not None
    return mutual(answer, given) if max(len(answer), len(given)) <= _LONGEST_ANSWER else None


def _copy(said: _Said) -> Copy | None:
    of = said.text("copy_of")
    return None if of is None else Copy(of, said.text("rule") or "", said.number("similarity"))


def _contamination(said: _Said) -> Contamination | None:
    """Of a row that was left out, or of one about whose meaning a model was asked."""
    hit = said.mapping("contamination") or fields.mapping(said.mapping("suspected").get("contamination"))
    if not hit:
        return None
    texts = {name: fields.text(hit.get(name)) for name in ("benchmark", "id", "problem", "rule", "overlap")}
    return Contamination(
        texts["benchmark"] or "",
        fields.whole(hit.get("row")),
        texts["id"],
        texts["problem"] or "",
        texts["rule"] or "",
        fields.number(hit.get("share")),
        texts["overlap"] or "",
    )


class _Said:
    """The fields of all rows of a problem: of each, the last value of the type that is asked for."""

    def __init__(self, found: Sequence[Found]) -> None:
        self._rows = [one.row for one in reversed(found)]

    def text(self, name: str) -> str | None:
        return next((found for row in self._rows if (found := fields.text(row.get(name)))), None)

    def texts(self, name: str) -> tuple[str, ...]:
        lists = (row[name] for row in self._rows if isinstance(row.get(name), list))
        return tuple(found for one in next(lists, []) if (found := fields.text(one)) is not None)

    def number(self, name: str) -> float | None:
        return next((found for row in self._rows if (found := fields.number(row.get(name))) is not None), None)

    def whole(self, name: str) -> int | None:
        return next((found for row in self._rows if (found := fields.whole(row.get(name))) is not None), None)

    def mapping(self, name: str) -> Mapping[str, Any]:
        return next((row[name] for row in self._rows if isinstance(row.get(name), dict) and row[name]), {})

    def objects(self, name: str) -> list[Mapping[str, Any]]:
        """A list of objects."""
        lists = (row[name] for row in self._rows if isinstance(row.get(name), list))
        return [one for one in next(lists, []) if isinstance(one, dict)]


def _fields(value: Any) -> dict[str, Any]:
    """The fields of a small frozen class."""
    return {name: getattr(value, name) for name in value.__slots__}

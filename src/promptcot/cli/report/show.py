"""What `promptcot show` prints: the history of one problem, or an overview of a run.

Names, reasons and other short texts of the run are put on one line, so that none of them can imitate another line.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from promptcot.cli.report.formulas import readable
from promptcot.cli.report.layout import percent
from promptcot.core.history import SET, Contamination, Copy, Found, History, Judged, Trace, reason_of
from promptcot.core.units import counted
from promptcot.inspection.files import RunFiles, packed_files
from promptcot.inspection.overview import Left, Overview
from promptcot.printable import quoted
from promptcot.storage.reviews import Review

_LONGEST = 2000
"""Characters of a critique or a trace that are printed without --full."""
_LONGEST_NAME, _MOST_FILES = 200, 10
_LONGEST_FORMULAS = 200_000
"""Longer texts are printed with their formulas as source."""
UNFINISHED = "this run has not finished; the same `promptcot run` command continues it"
_WORDS = {True: ["right"], False: ["wrong"], None: []}
_STATES = {
    "finished": "finished",
    "being written": "a process is writing this run; the output below is incomplete",
    "interrupted": UNFINISHED,
    "incomplete": "files of this run are missing; the output below is incomplete",
}


def state_line(files: RunFiles) -> str:
    """The state of the run, and which of its files are missing."""
    names = ", ".join(map(_name, files.missing[:_MOST_FILES])) if files.state == "incomplete" else ""
    more = f" and {len(files.missing) - _MOST_FILES:,} more" if names and len(files.missing) > _MOST_FILES else ""
    return f"{files.directory}: {_STATES[files.state]}{f' (missing: {names}{more})' if names else ''}"


def overview_lines(files: RunFiles, found: Overview, reviews: Mapping[str, Review]) -> Iterator[str]:
    """The overview of a run, with some ids and the command that shows one problem."""
    yield state_line(files)
    if packed := packed_files(files.directory):
        yield f"{', '.join(packed)}: not shown, because only plain .jsonl files of a run are read"
    if files.recipe is not None:
        yield f"recipe {_name(files.recipe.get('name'))}, seed {_name(files.recipe.get('seed'))}"
    yield ""
    steps = [(_name(name), count) for name, count in found.out.items()]
    width = max((len(name) for name, _ in steps), default=0)
    yield from (f"  {name:<{width}} {count:>9,}" for name, count in steps)
    yield ""
    if found.came is not None:
        yield f"in the set: {found.came:,}{_ids(found.ids, found.came)}"
    yield from (_left(one) for one in found.left)
    rejected = [name for name, one in reviews.items() if one.decision == "reject"]
    if rejected:
        yield f"rejected by reviewers: {len(rejected):,}{_ids(rejected[:3], len(rejected))}"
    example = next((name for name in (*found.ids, *(name for one in found.left for name in one.ids))), None)
    if example is not None:
        yield f"one problem: promptcot show {shlex.quote(str(files.directory))} {shlex.quote(_name(example))}"


def _left(one: Left) -> str:
    words = f"{one.outcome} by {one.step}" if one.outcome == "dropped" else f"failed in {one.step}"
    return f"{words} ({quoted(one.reason)}): {one.count:,}{_ids(one.ids, one.count)}"


def _ids(ids: Sequence[str], count: int) -> str:
    return f"   {', '.join(map(_name, ids))}{', …' if count > len(ids) else ''}" if ids else ""


def _name(value: object) -> str:
    return quoted(str(value), _LONGEST_NAME)


def history_lines(history: History, review: Review | None, *, full: bool) -> Iterator[str]:
    """The history of one problem: its text, then answer, votes, ratings and traces, then its steps."""
    about = [_name(history.level or ""), "; ".join(map(_name, history.concepts))]
    yield f"problem {_name(history.id)}{''.join(f', {one}' for one in about if one)}"
    yield _fate(history)
    if review is not None:
        yield _reviewed(review)
    yield from _paragraph("problem", history.problem)
    yield from _paragraph("rationale", history.rationale)
    yield from _answer(history)
    yield from _validity(history)
    if history.copy is not None:
        yield from ("", _copy(history.copy))
    if history.contamination is not None:
        yield from ("", *_contamination(history.contamination))
    for judged in history.judged:
        yield from ("", *_judge(judged, full))
    for number, trace in enumerate(history.traces):
        yield from ("", *_trace(trace, number, full))
    yield from ("", "steps")
    steps = [(_name(one.step), one) for one in history.steps if one.step != SET]
    width = max((len(name) for name, _ in steps), default=0)
    yield from (f"  {name:<{width}}  {_outcome(one)}" for name, one in steps)


def review_json(review: Review | None) -> dict[str, Any] | None:
    """A review as JSON."""
    return None if review is None else asdict(review)


def _fate(history: History) -> str:
    fate = history.fate
    if fate.kind == "in the set":
        return "in the set"
    if fate.kind == "under way":
        return f"not finished, last seen in {_name(fate.step)}" if fate.step else "not finished, not in any step yet"
    verb = "dropped by" if fate.kind == "dropped" else "failed in"
    return f"{verb} {_name(fate.step)}: {quoted(fate.reason or 'no reason given')}"


def _reviewed(review: Review) -> str:
    verdict = {"accept": "accepted", "reject": "rejected", None: "noted"}[review.decision]
    who = f" by {_name(review.reviewer)}" if review.reviewer else ""
    note = f": {' '.join(review.note.split())}" if review.note else ""
    return f"review: {verdict}{who}{f', {_name(review.at)}' if review.at else ''}{note}"


def _paragraph(title: str, text: str | None) -> Iterator[str]:
    if text:
        yield from ("", title, *_indented(_readable(text)))


def _answer(history: History) -> Iterator[str]:
    if history.answer is None and history.agreement is None:
        return
    shares = {"agreement": history.agreement, "pass rate": history.pass_rate}
    words = [f"{name} {percent(share)}" for name, share in shares.items() if share is not None]
    traces = [] if history.n is None else [counted(history.n, "trace")]
    yield ""
    yield f"answer: {_shown(history.answer)}{f'   {about}' if (about := ', '.join([*words, *traces])) else ''}"


def _shown(answer: str | None) -> str:
    """An answer as a formula, on one line."""
    if answer is None:
        return "none"
    return quoted(readable(f"${answer}$").removeprefix("$").removesuffix("$"), _LONGEST)


def _validity(history: History) -> Iterator[str]:
    if history.validity is None and not history.votes:
        return
    votes = _votes(history.votes)
    yield ""
    yield f"validity: {_name(history.validity or 'not decided')}{f'   votes: {votes}' if votes else ''}"
    for criterion, words in history.voted.items():
        yield f"  {_name(criterion)}: {_votes(words) or 'no vote'}"
    if history.findings:
        yield from ("  a vote against it:", *_indented(history.findings))


def _votes(words: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {_name(word)}" for word, count in words.items() if count)


def _copy(copy: Copy) -> str:
    alike = "" if copy.similarity is None else f", similarity {copy.similarity:.3f}"
    return f"a copy of {_name(copy.of)}, found by the rule {_name(copy.rule)}{alike}"


def _contamination(found: Contamination) -> Iterator[str]:
    row = "" if found.row is None else f", row {found.row:,}"
    share = "" if found.share is None else f", {percent(found.share)}"
    yield f"overlaps with {_name(found.benchmark)}{row}, found by the rule {_name(found.rule)}{share}"
    yield from _indented(readable(found.problem))
    if found.overlap:
        yield f"  the same in both: {found.overlap}"


def _judge(judged: Judged, full: bool) -> Iterator[str]:
    ratings = ", ".join(f"{_name(name.replace('_', ' '))} {_name(word)}" for name, word in judged.ratings.items())
    yield f"judge {_name(judged.judge)}: {_name(judged.verdict or 'no verdict')}{f'   {ratings}' if ratings else ''}"
    if judged.critique:
        yield from _indented(_cut(judged.critique, full))


def _trace(trace: Trace, number: int, full: bool) -> Iterator[str]:
    about = [*_WORDS[trace.correct if trace.answer is not None else None]]
    about += ["cut off"] if trace.truncated else []
    about += [] if trace.tokens is None else [f"{trace.tokens:,} tokens"]
    about += [] if trace.model is None else [_name(trace.model)]
    answer = "no answer" if trace.answer is None else f"answers {quoted(trace.answer)}"
    yield f"trace {number if trace.sample is None else trace.sample}: {', '.join([answer, *about])}"
    yield from _indented(_cut(trace.text, full))


def _outcome(found: Found) -> str:
    if found.outcome == "out":
        return "passed on"
    return f"{found.outcome}: {quoted(reason_of(found) or 'no reason given')}"


def _cut(text: str, full: bool) -> str:
    if full or len(text) <= _LONGEST:
        return _readable(text)
    return f"{readable(text[:_LONGEST])} …\n({len(text) - _LONGEST:,} more characters; --full prints them)"


def _readable(text: str) -> str:
    return readable(text) if len(text) <= _LONGEST_FORMULAS else text


def _indented(text: str) -> Iterator[str]:
    yield from (f"    {line}".rstrip() for line in text.split("\n"))

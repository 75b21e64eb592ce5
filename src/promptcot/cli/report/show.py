"""What `promptcot show` prints: the history of one problem, or what a run has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from promptcot.cli.report.formulas import readable
from promptcot.cli.report.layout import percent
from promptcot.core.history import SET, Contamination, Copy, Found, History, Judged, Trace, reason_of
from promptcot.inspection.files import RunFiles, packed_files
from promptcot.inspection.overview import Left, Overview
from promptcot.storage.reviews import Review

_LONGEST = 2000
"""Characters of a critique or a trace that are printed without --full."""
_WORDS = {True: ["right"], False: ["wrong"], None: []}
_STATES = {
    "finished": "finished",
    "being written": "a process is writing this run; what is shown here is not complete",
    "interrupted": "this run has not finished; the same `promptcot run` command continues it",
    "incomplete": "files of this run are gone; what is shown here is not complete",
}


def state_line(files: RunFiles) -> str:
    """Whether what is shown is all that there will be."""
    return f"{files.directory}: {_STATES[files.state]}"


def overview_lines(files: RunFiles, found: Overview, reviews: Mapping[str, Review]) -> Iterator[str]:
    """What a run has, with ids to go on with."""
    yield state_line(files)
    if packed := packed_files(files.directory):
        yield f"{', '.join(packed)}: not shown, because only plain .jsonl files of a run are read"
    if files.recipe is not None:
        yield f"recipe {files.recipe.get('name')}, seed {files.recipe.get('seed')}"
    yield ""
    width = max(map(len, found.out), default=0)
    yield from (f"  {name:<{width}} {count:>9,}" for name, count in found.out.items())
    yield ""
    if found.came is not None:
        yield f"in the set: {found.came:,}{_ids(found.ids, found.came)}"
    yield from (_left(one) for one in found.left)
    rejected = [name for name, one in reviews.items() if one.decision == "reject"]
    if rejected:
        yield f"rejected by reviewers: {len(rejected):,}{_ids(rejected[:3], len(rejected))}"
    example = next((name for name in (*found.ids, *(name for one in found.left for name in one.ids))), None)
    if example is not None:
        yield f"one problem: promptcot show {files.directory} {example}"


def _left(one: Left) -> str:
    words = f"{one.outcome} by {one.step}" if one.outcome == "dropped" else f"failed in {one.step}"
    return f"{words}, {one.reason}: {one.count:,}{_ids(one.ids, one.count)}"


def _ids(ids: Sequence[str], count: int) -> str:
    return f"   {', '.join(ids)}{', …' if count > len(ids) else ''}" if ids else ""


def history_lines(history: History, review: Review | None, *, full: bool) -> Iterator[str]:
    """The history of one problem, the text first, then what was said of it, then where it went."""
    about = [history.level, "; ".join(history.concepts)]
    yield f"problem {history.id}{''.join(f', {one}' for one in about if one)}"
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
    width = max((len(one.step) for one in history.steps), default=0)
    yield from (f"  {one.step:<{width}}  {_outcome(one)}" for one in history.steps if one.step != SET)


def review_json(review: Review | None) -> dict[str, Any] | None:
    """What a reviewer decided, as JSON."""
    return None if review is None else asdict(review)


def _fate(history: History) -> str:
    fate = history.fate
    if fate.kind == "in the set":
        return "in the set"
    if fate.kind == "under way":
        return f"no later step than {fate.step} has it" if fate.step else "no step has it yet"
    verb = "dropped by" if fate.kind == "dropped" else "failed in"
    return f"{verb} {fate.step}: {fate.reason or 'no reason given'}"


def _reviewed(review: Review) -> str:
    verdict = {"accept": "accepted", "reject": "rejected", None: "noted"}[review.decision]
    who = f" by {review.reviewer}" if review.reviewer else ""
    note = f": {' '.join(review.note.split())}" if review.note else ""
    return f"review: {verdict}{who}{f', {review.at}' if review.at else ''}{note}"


def _paragraph(title: str, text: str | None) -> Iterator[str]:
    if text:
        yield from ("", title, *_indented(readable(text)))


def _answer(history: History) -> Iterator[str]:
    if history.answer is None and history.agreement is None:
        return
    shares = {"agreement": history.agreement, "pass rate": history.pass_rate}
    told = [f"{name} {percent(share)}" for name, share in shares.items() if share is not None]
    traces = [] if history.n is None else ["1 trace" if history.n == 1 else f"{history.n:,} traces"]
    yield ""
    yield f"answer: {_shown(history.answer)}{f'   {about}' if (about := ', '.join([*told, *traces])) else ''}"


def _shown(answer: str | None) -> str:
    """An answer as a formula, on one line."""
    if answer is None:
        return "none"
    return " ".join(readable(f"${answer}$").removeprefix("$").removesuffix("$").split())


def _validity(history: History) -> Iterator[str]:
    if history.validity is None and not history.votes:
        return
    votes = ", ".join(f"{count:,} {word}" for word, count in history.votes.items() if count)
    yield ""
    yield f"validity: {history.validity or 'not decided'}{f'   votes: {votes}' if votes else ''}"
    for criterion, words in history.voted.items():
        told = ", ".join(f"{count:,} {word}" for word, count in words.items() if count)
        yield f"  {criterion}: {told or 'no vote'}"
    if history.findings:
        yield from ("  a vote against it:", *_indented(history.findings))


def _copy(copy: Copy) -> str:
    alike = "" if copy.similarity is None else f", similarity {copy.similarity:.3f}"
    return f"a copy of {copy.of} by the rule {copy.rule}{alike}"


def _contamination(found: Contamination) -> Iterator[str]:
    row = "" if found.row is None else f", row {found.row:,}"
    share = "" if found.share is None else f", {percent(found.share)}"
    yield f"in common with {found.benchmark}{row}, by {found.rule}{share}"
    yield from _indented(readable(found.problem))
    if found.overlap:
        yield f"  the same in both: {found.overlap}"


def _judge(judged: Judged, full: bool) -> Iterator[str]:
    ratings = ", ".join(f"{name.replace('_', ' ')} {word}" for name, word in judged.ratings.items())
    yield f"judge {judged.judge}: {judged.verdict or 'no verdict'}{f'   {ratings}' if ratings else ''}"
    if judged.critique:
        yield from _indented(_cut(judged.critique, full))


def _trace(trace: Trace, number: int, full: bool) -> Iterator[str]:
    about = [*_WORDS[trace.correct if trace.answer is not None else None]]
    about += ["cut off"] if trace.truncated else []
    about += [] if trace.tokens is None else [f"{trace.tokens:,} tokens"]
    about += [] if trace.model is None else [trace.model]
    answer = "no answer" if trace.answer is None else f"answers {' '.join(trace.answer.split())}"
    yield f"trace {number if trace.sample is None else trace.sample}: {', '.join([answer, *about])}"
    yield from _indented(_cut(trace.text, full))


def _outcome(found: Found) -> str:
    if found.outcome == "out":
        return "passed on"
    return f"{found.outcome}: {reason_of(found) or 'no reason given'}"


def _cut(text: str, full: bool) -> str:
    if full or len(text) <= _LONGEST:
        return readable(text)
    return f"{readable(text[:_LONGEST])} …\n({len(text) - _LONGEST:,} more characters; --full prints them)"


def _indented(text: str) -> Iterator[str]:
    yield from (f"    {line}".rstrip() for line in text.split("\n"))

"""Reads everything that a report shows from a run directory, in one pass over each file.

Decides which file each number comes from. The summary has the numbers of a run that ended; those of a run that is still
being written are counted in its files. Only the texts of the problems that are shown are kept in memory.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from fnmatch import fnmatch
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import numpy as np

from promptcot.core import fields
from promptcot.core.history import History, assemble
from promptcot.core.measures.facts import Facts, facts_of
from promptcot.core.statistics.agreement import Agreement, Agreements
from promptcot.core.statistics.diversity import concept_spread
from promptcot.core.statistics.estimates import estimate
from promptcot.core.statistics.pass_rates import histogram
from promptcot.core.statistics.validity import ValidityByAgreement
from promptcot.inspection.files import RunFiles, StepFiles
from promptcot.inspection.finding import find, ids_in
from promptcot.records import Row
from promptcot.report.choosing import Best, Choosing, reason_in
from promptcot.report.facts import Chosen, Concepts, JudgePair, LevelFacts, Pair, Report, Spent, StepCount
from promptcot.report.rows import Rows
from promptcot.storage.paths import PARTIAL
from promptcot.storage.reviews import reviews_in
from promptcot.storage.rows import hash_id

_MOST_LEVELS = 40
_EXAMPLES = 3
_RATED = 20_000
"""Problems whose ratings are compared criterion by criterion."""
_LONGEST_NAME = 200
_MOST_CRITERIA = 40
_NOT_PROBLEMS = ("sample", "judge-*", "verify-*", "embed-*", "confirm-*")
"""Steps whose rows are not problems: combinations, replies about problems, vectors."""


def gather(directory: Path) -> Report:
    """Everything that a report shows of the run in this directory.

    Raises InputError where there is no run, StorageError where its reviews cannot be read.
    """
    files = RunFiles.of(directory)
    return _Gathering(files).report()


class _Gathering:
    """One pass over the files of a run."""

    def __init__(self, files: RunFiles) -> None:
        self._files = files
        self._rows = Rows()
        self._summary = files.summary or {}
        self._choosing = Choosing()
        self._rates: dict[str | None, array[float]] = {}
        self._levels: Counter[str | None] = Counter()
        self._agreement = array("d")
        self._validity = ValidityByAgreement()
        self._concepts: Counter[str] = Counter()
        self._copies, self._contaminated = Best(_EXAMPLES), Best(_EXAMPLES)
        self._judges: list[JudgePair] = []
        self._counts: dict[str, StepCount] = {}
        self._problems = 0
        latest = reviews_in(files.directory).latest
        self._reviews = {name: review for name, review in latest.items() if review.decision == "reject"}
        self._rejected = 0
        self._keys = array("q")

    def report(self) -> Report:
        files = self._files
        self._read_set()
        for step in files.steps:
            self._read_step(step)
        if any(step.name.startswith("judge-") for step in files.steps):
            self._judges = self._pairs()
        histories = self._histories()
        rates = self._all_rates()
        return Report(
            name=_name_of(files),
            directory=str(files.directory),
            state=files.state,
            missing=[*self._missing()],
            damaged=self._rows.damaged,
            through=self._source()[1],
            rejected=self._rejected,
            repeated=len(self._keys) - len(np.unique(self._keys)),
            reviews=self._reviews,
            recipe=files.recipe,
            summary=self._summary,
            steps=[self._counts[step.name] for step in files.steps],
            problems=self._problems,
            levels=[self._level(name, [name]) for name in self._by_frequency()[:_MOST_LEVELS]],
            other_levels=self._level(None, others) if (others := self._by_frequency()[_MOST_LEVELS:]) else None,
            more_levels=len(others),
            pass_rate=estimate(rates, bounds=(0, 1)),
            agreement=estimate(np.array(self._agreement), bounds=(0, 1)),
            pass_rates=[span.as_json() for span in histogram(rates)] if len(rates) else [],
            validity=self._validity_table(),
            judges=self._judges,
            disputed=[histories[name] for name in list(self._choosing.differing)[:_EXAMPLES]],
            concepts=self._concept_facts(),
            copies=[*self._copy_pairs(histories)],
            contaminated=[*self._contaminated_pairs(histories)],
            spent=[*_spent(self._summary)],
            chosen=[Chosen(histories[one.id], one.why) for one in self._choosing.chosen()],
        )

    def _read_set(self) -> None:
        """Count the problems of the set."""
        path, _ = self._source()
        last: object = None
        for row in self._of(path):
            name = row.get("id")
            if name is not None and name == last and "sample" in row:
                continue  # traces of one problem
            last = name
            self._accept(row, facts_of(row))
        ended_with = self._files.ended_with
        if path is None and ended_with is not None and not _is_apart(ended_with):  # the rows are gone
            stage = fields.mapping(fields.mapping(self._summary.get("stages")).get(ended_with))
            self._problems = fields.whole(stage.get("out")) or 0

    def _source(self) -> tuple[Path | None, str | None]:
        """The file with the rows of the set; without a set, that of the last step with problems, and its name."""
        files = self._files
        if files.set_path is not None:
            return files.set_path, None
        if files.ended_with is not None and not _is_apart(files.ended_with):
            return (files.last.rows if files.last is not None else None), None
        steps = (step for step in reversed(files.steps) if step.rows is not None and not _is_apart(step.name))
        return next(((step.rows, step.name) for step in steps), (None, None))

    def _accept(self, row: Row, facts: Facts) -> None:
        self._problems += 1
        name = row.get("id")
        if name is not None:
            self._keys.append(hash_id(str(name)))
        if name is not None and str(name) in self._reviews:
            self._rejected += 1
            self._choosing.rejected.add(str(name))
        elif name is not None:
            self._choosing.accepted(str(name), facts)
        level = None if facts.level is None else facts.level[:_LONGEST_NAME]
        self._levels[level] += 1
        if facts.rate is not None:
            self._rates.setdefault(level, array("d")).append(facts.rate)
        if facts.agreement is not None:
            self._agreement.append(facts.agreement)
        if facts.labelled or facts.agreement is not None:
            self._validity.add({"verdict": facts.verdict}, facts.agreement)
        self._concepts.update(name[:_LONGEST_NAME] for name in facts.concepts)

    def _read_step(self, step: StepFiles) -> None:
        lost = {outcome: Counter[str]() for outcome in ("dropped", "failed")}
        for outcome, path in (("dropped", step.dropped), ("failed", step.failed)):
            for row in self._of(path):
                lost[outcome][reason_in(outcome, row)] += 1
                if row.get("id") is None:
                    continue
                self._choosing.left_out(step.name, outcome, row)
                if outcome == "dropped":
                    self._note_pair(row)
                if step.name == "filter":
                    self._choosing.judged(str(row["id"]), fields.texts(row.get("judgements")))
        self._counts[step.name] = self._count(step, lost["dropped"], lost["failed"])
        if step.name == "filter":
            for row in self._of(step.rows):
                if row.get("id") is not None:
                    self._choosing.judged(str(row["id"]), fields.texts(row.get("judgements")))

    def _note_pair(self, row: Row) -> None:
        if row.get("copy_of") is not None:
            similarity = fields.number(row.get("similarity"))
            self._copies.add(str(row["id"]), -abs((1.0 if similarity is None else similarity) - 0.9))
        if isinstance(row.get("contamination"), Mapping):
            self._contaminated.add(str(row["id"]))

    def _count(self, step: StepFiles, dropped: Counter[str], failed: Counter[str]) -> StepCount:
        """The counts of the summary; of a run that has none, those of its files."""
        stage = fields.mapping(fields.mapping(self._summary.get("stages")).get(step.name))
        out = fields.whole(stage.get("out"))
        if out is not None and out >= 0:
            return StepCount(step.name, out, fields.counts(stage.get("dropped")), fields.counts(stage.get("failed")))
        came = sum(1 for _ in groupby(ids_in(step.rows))) if step.rows else 0  # traces of a problem follow each other
        return StepCount(step.name, came, dict(dropped), dict(failed))

    def _pairs(self) -> list[JudgePair]:
        """How far judges agree: on the verdicts that `filter` saw, and on the rating for each criterion."""
        steps = {step.name: step for step in self._files.steps}
        judges = tuple(name.removeprefix("judge-") for name in steps if name.startswith("judge-"))
        agreements = Agreements(judges)
        if "filter" in steps:
            for path in (steps["filter"].rows, steps["filter"].dropped):
                for row in self._of(path):
                    agreements.add(fields.texts(row.get("judgements")))
        listed = self._summary.get("agreement")
        tables = map(fields.mapping, listed if isinstance(listed, list) else ())
        measured = {tuple(map(str, one["judges"])): one for one in tables if isinstance(one.get("judges"), list)}
        ratings = {judge: self._ratings(steps[f"judge-{judge}"]) for judge in judges}
        return [_pair(*pair, found, measured.get(pair, {}), ratings) for pair, found in agreements]

    def _ratings(self, step: StepFiles) -> dict[int, Mapping[str, Any]]:
        """A judge's rating for each criterion, for a sample of problems that is the same for all judges."""
        stage = fields.mapping(fields.mapping(self._summary.get("stages")).get(step.name))
        every = max(1, -(-(fields.whole(stage.get("out")) or _RATED) // _RATED))
        found: dict[int, Mapping[str, Any]] = {}
        for row in self._of(step.rows):
            key = hash_id(str(row.get("id")))
            if key % every == 0 and isinstance(row.get("ratings"), Mapping) and len(found) < 2 * _RATED:
                found[key] = row["ratings"]
        return found

    def _histories(self) -> Mapping[str, History]:
        """The histories of all problems that are shown, from one more pass that parses only their lines."""
        ids = {one.id for one in self._choosing.chosen()}
        ids |= {*self._copies, *self._contaminated, *list(self._choosing.differing)[:_EXAMPLES]}
        found = find(self._files, ids)
        histories = {name: assemble(name, found[name]) for name in ids}
        others = {copy.of for one in histories.values() if (copy := one.copy) is not None} - ids
        return {**histories, **{name: assemble(name, rows) for name, rows in find(self._files, others).items()}}

    def _copy_pairs(self, histories: Mapping[str, History]) -> Iterator[Pair]:
        for name in self._copies:
            copy = histories[name].copy
            if copy is not None:
                other = histories[copy.of].problem if copy.of in histories else None
                yield Pair(histories[name], copy.of, other, copy.rule, copy.similarity)

    def _contaminated_pairs(self, histories: Mapping[str, History]) -> Iterator[Pair]:
        for name in self._contaminated:
            hit = histories[name].contamination
            if hit is not None:
                other = f"{hit.benchmark} {hit.id or ''}".strip()
                yield Pair(histories[name], other, hit.problem or hit.overlap, hit.rule, hit.share)

    def _all_rates(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        return self._rates_of(self._rates)

    def _rates_of(self, levels: Iterable[str | None]) -> np.ndarray[Any, np.dtype[np.float64]]:
        return np.concatenate([np.empty(0), *(np.array(self._rates.get(name, array("d"))) for name in levels)])

    def _by_frequency(self) -> list[str | None]:
        return [name for name, _ in self._levels.most_common()]

    def _level(self, name: str | None, levels: Collection[str | None]) -> LevelFacts:
        problems = sum(self._levels[level] for level in levels)
        return LevelFacts(name, problems, estimate(self._rates_of(levels), bounds=(0, 1)))

    def _validity_table(self) -> Mapping[str, Mapping[str, int]]:
        """The table of the summary, over all problems with traces, or else that of the set's problems."""
        table = self._summary.get("validity_by_agreement") or self._validity.summary().get("validity_by_agreement", {})
        found = {str(name): fields.counts(row) for name, row in fields.mapping(table).items()}
        return found if any(name != "not verified" for name in found) else {}

    def _concept_facts(self) -> Concepts | None:
        if not self._concepts:
            return None
        measured = fields.mapping(fields.mapping(self._summary.get("measure")).get("concepts"))
        known = fields.whole(measured.get("known"))
        spread = concept_spread(self._concepts.values(), None)
        known = known if known is not None and known >= len(self._concepts) else None
        return Concepts(self._concepts.most_common(), len(self._concepts), known, spread.effective)

    def _missing(self) -> Iterator[str]:
        files = self._files
        if files.recipe is None:
            yield "recipe.json"
        if files.summary is None and files.state != "being written":
            yield "summary.json"
        yield from files.missing

    def _of(self, path: Path | None) -> Iterator[Row]:
        return self._rows.of(path, torn=path is not None and path.name.endswith(PARTIAL))


def _pair(
    one: str,
    other: str,
    found: Agreement,
    measured: Mapping[str, Any],
    ratings: Mapping[str, Mapping[int, Mapping[str, Any]]],
) -> JudgePair:
    """The agreement of two judges: that of the summary if it has one, since files lack rows beyond the target."""
    n, share = fields.whole(measured.get("n")), fields.number(measured.get("share"))
    between, kappa = fields.interval(measured.get("interval")), fields.number(measured.get("kappa"))
    if n is None or (n and share is None):
        n, share, between, kappa = found.n, found.share, found.interval, found.kappa
    return JudgePair(one, other, n, share, between, kappa, dict(found.counts), _by_criterion(one, other, ratings))


def _by_criterion(
    one: str, other: str, ratings: Mapping[str, Mapping[int, Mapping[str, Any]]]
) -> dict[str, tuple[int, int]]:
    same: Counter[str] = Counter()
    both: Counter[str] = Counter()
    for key, given in ratings[one].items():
        for criterion, word in islice(given.items(), _MOST_CRITERIA):
            against = ratings[other].get(key, {}).get(criterion)
            if isinstance(word, str) and isinstance(against, str):
                both[criterion] += 1
                same[criterion] += word == against
    return {name: (same[name], count) for name, count in both.most_common(_MOST_CRITERIA)}


def _is_apart(step: str) -> bool:
    return any(fnmatch(step, pattern) for pattern in _NOT_PROBLEMS)


def _spent(summary: Mapping[str, Any]) -> Iterator[Spent]:
    for name, stage in fields.mapping(summary.get("stages")).items():
        models = fields.mapping(fields.mapping(stage).get("models"))
        if models:
            paid = [fields.counts(one) for one in models.values()]
            calls, prompt, completion = (
                sum(one.get(key, 0) for one in paid) for key in ("calls", "prompt_tokens", "completion_tokens")
            )
            cost, seconds = fields.number(stage.get("cost")), fields.number(stage.get("seconds"))
            yield Spent(name, [*map(str, models)], calls, prompt, completion, cost, seconds or None)


def _name_of(files: RunFiles) -> str:
    name = (files.recipe or {}).get("name")
    return (name if isinstance(name, str) else files.directory.resolve().name)[:_LONGEST_NAME]

"""What a report knows of a run, read from its directory in one pass over each file.

Decides which file says what. Numbers that the run has measured when it ended are taken from its summary; those of a run
that is still being written are counted from its files. Texts are kept only of the problems that are shown.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

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
from promptcot.report.choosing import Best, Choosing
from promptcot.report.facts import Chosen, Concepts, JudgePair, LevelFacts, Pair, Report, Spent, StepCount
from promptcot.report.rows import Rows
from promptcot.storage.paths import PARTIAL
from promptcot.storage.rows import hash_id

_MOST_LEVELS = 40
_EXAMPLES = 3
_RATED = 20_000
"""Problems whose ratings are compared criterion by criterion."""
_LONGEST_NAME = 200


def gather(directory: Path) -> Report:
    """Everything that is shown of the run in this directory. Raises InputError where there is none."""
    files = RunFiles.of(directory)
    return _Gathering(files).report()


class _Gathering:
    """One pass over the files of a run."""

    def __init__(self, files: RunFiles) -> None:
        self._files = files
        self._rows = Rows()
        self._summary = files.summary or {}
        self._choosing = Choosing()
        self._rates: dict[str, array[float]] = {}
        self._levels: Counter[str] = Counter()
        self._agreement = array("d")
        self._validity = ValidityByAgreement()
        self._concepts: Counter[str] = Counter()
        self._copies, self._contaminated = Best(_EXAMPLES), Best(_EXAMPLES)
        self._judges: list[JudgePair] = []
        self._counts: dict[str, StepCount] = {}
        self._problems = 0

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
            recipe=files.recipe,
            summary=self._summary,
            steps=[self._counts[step.name] for step in files.steps],
            problems=self._problems,
            levels=[self._level(name) for name, _ in self._levels.most_common(_MOST_LEVELS)],
            pass_rate=estimate(rates, bounds=(0, 1)),
            agreement=estimate(np.array(self._agreement), bounds=(0, 1)),
            pass_rates=[span.as_json() for span in histogram(rates)] if len(rates) else [],
            validity=self._validity_table(),
            judges=self._judges,
            disputed=[histories[name] for name in list(self._choosing.differing)[:_EXAMPLES]],
            concepts=self._concepts_told(),
            copies=[*self._copy_pairs(histories)],
            contaminated=[*self._contaminated_pairs(histories)],
            spent=[*_spent(self._summary)],
            chosen=[Chosen(histories[one.id], one.why) for one in self._choosing.chosen()],
        )

    def _read_set(self) -> None:
        """The rows of the set; before there is one, those that came through the last step so far."""
        path = self._files.set_path or next((s.rows for s in reversed(self._files.steps) if s.rows), None)
        last: object = None
        for row in self._of(path):
            name = row.get("id")
            if name is not None and name == last and "sample" in row:
                continue  # traces of one problem
            last = name
            self._accept(row, facts_of(row))

    def _accept(self, row: Row, facts: Facts) -> None:
        self._problems += 1
        self._choosing.accepted(str(row.get("id")), facts)
        level = (facts.level or "(no level)")[:_LONGEST_NAME]
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
                lost[outcome][str(row.get("reason" if outcome == "dropped" else "cause"))[:_LONGEST_NAME]] += 1
                self._choosing.left_out(step.name, outcome, row)
                if outcome == "dropped":
                    self._note_pair(row)
                if step.name == "filter":
                    self._choosing.judged(str(row.get("id")), _verdicts(row))
        self._counts[step.name] = self._count(step, lost["dropped"], lost["failed"])
        if step.name == "filter":
            for row in self._of(step.rows):
                self._choosing.judged(str(row.get("id")), _verdicts(row))

    def _note_pair(self, row: Row) -> None:
        if row.get("copy_of") is not None:
            self._copies.add(str(row.get("id")), -abs(_number(row.get("similarity"), 1.0) - 0.9))
        if isinstance(row.get("contamination"), Mapping):
            self._contaminated.add(str(row.get("id")))

    def _count(self, step: StepFiles, dropped: Counter[str], failed: Counter[str]) -> StepCount:
        """As the summary has it; of a run that has none, as its files have it."""
        stage = (self._summary.get("stages") or {}).get(step.name)
        if isinstance(stage, Mapping) and isinstance(stage.get("out"), int):
            told = [_counted(stage.get(kind)) for kind in ("dropped", "failed")]
            return StepCount(step.name, int(stage["out"]), *told)
        came = sum(1 for _ in groupby(ids_in(step.rows))) if step.rows else 0  # traces of a problem follow each other
        return StepCount(step.name, came, dict(dropped), dict(failed))

    def _pairs(self) -> list[JudgePair]:
        """How far judges agree, by the verdicts that `filter` saw, and criterion by criterion by what they wrote."""
        steps = {step.name: step for step in self._files.steps}
        judges = tuple(name.removeprefix("judge-") for name in steps if name.startswith("judge-"))
        agreements = Agreements(judges)
        if "filter" in steps:
            for path in (steps["filter"].rows, steps["filter"].dropped):
                for row in self._of(path):
                    agreements.add(_verdicts(row))
        told = {tuple(one.get("judges", ())): one for one in self._summary.get("agreement") or () if _is_pair(one)}
        ratings = {judge: self._ratings(steps[f"judge-{judge}"]) for judge in judges}
        return [_pair(*pair, found, told.get(pair), ratings) for pair, found in agreements]

    def _ratings(self, step: StepFiles) -> dict[int, Mapping[str, Any]]:
        """What a judge gave for each criterion, of some problems, the same ones for all judges."""
        rows = (self._summary.get("stages") or {}).get(step.name, {}).get("out", 0) or _RATED
        every = max(1, -(-int(rows) // _RATED))
        found: dict[int, Mapping[str, Any]] = {}
        for row in self._of(step.rows):
            key = hash_id(str(row.get("id")))
            if key % every == 0 and isinstance(row.get("ratings"), Mapping) and len(found) < 2 * _RATED:
                found[key] = row["ratings"]
        return found

    def _histories(self) -> Mapping[str, History]:
        """Those of all problems that are shown, by one more pass that parses nothing else."""
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
        return np.concatenate([np.array(rates) for rates in self._rates.values()]) if self._rates else np.empty(0)

    def _level(self, name: str) -> LevelFacts:
        return LevelFacts(name, self._levels[name], estimate(np.array(self._rates.get(name, ())), bounds=(0, 1)))

    def _validity_table(self) -> Mapping[str, Mapping[str, int]]:
        """Of all labelled problems where the run says it, of those in the set otherwise."""
        table = self._summary.get("validity_by_agreement") or self._validity.summary().get("validity_by_agreement", {})
        found = {str(name): _counted(row) for name, row in table.items()} if isinstance(table, Mapping) else {}
        return found if any(name != "not verified" for name in found) else {}

    def _concepts_told(self) -> Concepts | None:
        if not self._concepts:
            return None
        measure = self._summary.get("measure")
        told = measure.get("concepts") if isinstance(measure, Mapping) else None
        known = told.get("known") if isinstance(told, Mapping) else None
        spread = concept_spread(self._concepts.values(), None)
        known = known if isinstance(known, int) and known >= len(self._concepts) else None
        return Concepts(self._concepts.most_common(), len(self._concepts), known, spread.effective)

    def _missing(self) -> Iterator[str]:
        files = self._files
        if files.recipe is None:
            yield "recipe.json"
        if files.summary is None and files.state != "being written":
            yield "summary.json"
        stages = self._summary.get("stages")
        there = {step.name for step in files.steps if step.rows is not None}
        for name in stages if isinstance(stages, Mapping) else ():
            if name not in there and name != "encode":
                yield f"{name}.jsonl"

    def _of(self, path: Path | None) -> Iterator[Row]:
        return self._rows.of(path, torn=path is not None and path.name.endswith(PARTIAL))


def _pair(
    one: str,
    other: str,
    found: Agreement,
    told: Mapping[str, Any] | None,
    ratings: Mapping[str, Mapping[int, Mapping[str, Any]]],
) -> JudgePair:
    """Of all problems that were judged where the summary says it: the files lack those beyond a target."""
    numbers: tuple[Any, ...] = (found.n, found.share, found.interval, found.kappa)
    if told is not None:
        numbers = tuple(told.get(key) for key in ("n", "share", "interval", "kappa"))
    n, share, interval, kappa = numbers
    between = (float(interval[0]), float(interval[1])) if interval else None
    return JudgePair(
        one, other, int(n or 0), share, between, kappa, dict(found.counts), _by_criterion(one, other, ratings)
    )


def _by_criterion(
    one: str, other: str, ratings: Mapping[str, Mapping[int, Mapping[str, Any]]]
) -> dict[str, tuple[int, int]]:
    same: Counter[str] = Counter()
    both: Counter[str] = Counter()
    for key, given in ratings[one].items():
        for criterion, word in given.items():
            against = ratings[other].get(key, {}).get(criterion)
            if isinstance(word, str) and isinstance(against, str):
                both[criterion] += 1
                same[criterion] += word == against
    return {name: (same[name], count) for name, count in both.items()}


def _is_pair(told: Any) -> bool:
    return isinstance(told, Mapping) and isinstance(told.get("n"), int) and isinstance(told.get("judges"), Sequence)


def _spent(summary: Mapping[str, Any]) -> Iterator[Spent]:
    stages = summary.get("stages")
    for name, stage in stages.items() if isinstance(stages, Mapping) else ():
        models = stage.get("models") if isinstance(stage, Mapping) else None
        if isinstance(models, Mapping) and models:
            paid = [one for one in models.values() if isinstance(one, Mapping)]
            calls, prompt, completion = (
                sum(_whole(one.get(key)) for one in paid) for key in ("calls", "prompt_tokens", "completion_tokens")
            )
            seconds = _number(stage.get("seconds"), 0.0) or None
            cost = stage.get("cost")
            told = float(cost) if isinstance(cost, int | float) else None
            yield Spent(name, [*map(str, models)], calls, prompt, completion, told, seconds)


def _name_of(files: RunFiles) -> str:
    name = (files.recipe or {}).get("name")
    return name if isinstance(name, str) else files.directory.resolve().name


def _verdicts(row: Row) -> dict[str, str]:
    given = row.get("judgements")
    return {str(name): word for name, word in given.items() if isinstance(word, str)} if isinstance(given, dict) else {}


def _counted(value: Any) -> dict[str, int]:
    pairs = value.items() if isinstance(value, Mapping) else ()
    return {str(name): count for name, count in pairs if isinstance(count, int)}


def _whole(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _number(value: Any, default: float) -> float:
    return float(value) if isinstance(value, int | float) else default

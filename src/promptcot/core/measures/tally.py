"""Counts the rows of a set: levels, labels, pass rates, verdicts and concepts.

Takes about 40 bytes of memory a row and 8 for each of its concepts; texts are not kept.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from promptcot.core.measures.facts import Facts
from promptcot.core.statistics.diversity import ConceptSpread, concept_spread
from promptcot.core.statistics.estimates import estimate
from promptcot.core.statistics.pass_rates import histogram
from promptcot.core.statistics.validity import ValidityByAgreement

_MOST_LEVELS, _MOST_MODELS = 100, 20
_SHARES = ("pass_rate", "agreement")

Key = Callable[[str], int]
"""A 63-bit integer for a name, the same in every process."""


class Tally:
    """Counts rows. `key` maps concepts to integers, so that names need not be stored."""

    def __init__(self, key: Key) -> None:
        self._key = key
        self.rows = self.labelled = self.with_concepts = 0
        self.levels: Counter[str] = Counter()
        self.validity = ValidityByAgreement()
        self.verdicts: Counter[str] = Counter()
        self._values = {name: array("d") for name in ("pass_rate", "agreement", "mean_tokens", "characters")}
        self._rates: dict[str, array[float]] = {}
        self._uses, self._texts = array("q"), array("q")

    def add(self, facts: Facts) -> None:
        """Count one row."""
        self.rows += 1
        self.labelled += facts.labelled
        if facts.level is not None:
            self.levels[facts.level] += 1
        if facts.verdict is not None:
            self.verdicts[facts.verdict] += 1
        if facts.labelled or facts.agreement is not None:
            self.validity.add({"verdict": facts.verdict}, facts.agreement)
        told = (facts.rate, facts.agreement, facts.tokens, float(len(facts.text)) if facts.text else None)
        for values, value in zip(self._values.values(), told, strict=True):
            if value is not None:
                values.append(value)
        for model, rate in facts.rates.items():
            self._rates.setdefault(model, array("d")).append(rate)
        self.with_concepts += bool(facts.concepts)
        self._uses.extend(map(self._key, facts.concepts))
        if facts.text:
            self._texts.append(self._key(facts.text))

    def values(self, name: str) -> NDArray[np.float64]:
        """The values of `pass_rate`, `agreement`, `mean_tokens`, or `characters` of the problem: shape (n,)."""
        return np.array(self._values[name])

    @property
    def uses(self) -> NDArray[np.int64]:
        """The concepts of all rows, by their keys: shape (uses,)."""
        return np.array(self._uses, dtype=np.int64)

    @property
    def texts(self) -> NDArray[np.int64]:
        """The problems, by the keys of their texts: shape (problems,)."""
        return np.array(self._texts, dtype=np.int64)

    def spread(self, known: int | None = None) -> ConceptSpread:
        """The spread of the concepts. With the number of `known` ones, unless more are used, it has a coverage."""
        counts = np.unique(self.uses, return_counts=True)[1].tolist()
        return concept_spread(counts, known if known is not None and known >= len(counts) else None)

    def as_json(self, known: int | None = None) -> dict[str, Any]:
        """All counts. Fields that no row has are left out; statistics that cannot be computed are None."""
        table: dict[str, Any] = {"rows": self.rows, "levels": dict(self.levels.most_common(_MOST_LEVELS))}
        for name in self._values:
            if len(values := self.values(name)):
                one = estimate(values, bounds=(0, 1) if name in _SHARES else None)
                table[name] = {"n": one.n, "mean": one.mean, "interval": one.interval}
        table["labelled"] = self.labelled
        if self.verdicts:
            table["validity"] = dict(sorted(self.verdicts.items()))
        table |= self.validity.summary() if len(self._values["agreement"]) else {}
        if len(rates := self.values("pass_rate")):
            by_model = self._rates if len(self._rates) > 1 else {}
            most = sorted(by_model, key=lambda model: -len(by_model[model]))[:_MOST_MODELS]
            table["pass_rate_histogram"] = [span.as_json() for span in histogram(rates)]
            table["pass_rate_histogram_by_model"] = {
                model: [span.as_json() for span in histogram(np.array(by_model[model]))] for model in sorted(most)
            }
        if self.with_concepts:
            table["concepts"] = self._concepts(known)
        return table

    def _concepts(self, known: int | None) -> dict[str, Any]:
        spread = self.spread(known)
        is_known = known is not None and known >= spread.covered
        return {
            "rows": self.with_concepts,
            "used": spread.covered,
            "known": known,
            "coverage": spread.coverage if is_known else None,
            "uses": spread.uses,
            "entropy": spread.entropy,
            "evenness": spread.evenness,
            "effective": spread.effective,
        }

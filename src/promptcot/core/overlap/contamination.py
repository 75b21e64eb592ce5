"""Whether a problem is in a benchmark: an index over the texts of benchmarks, and the rules of the decision.

All rules compare tokens (`tokens`). Shingles of three tokens find the benchmark problems that have text in common with
a problem. The more benchmark problems have a shingle, the less it weighs, so phrases such as "find the remainder when"
have nearly no weight. With few references, common phrases are learnt from other texts (`phrases`); there is no
hand-written list of phrases. The caller chooses the benchmarks.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, field
from itertools import chain

from rapidfuzz.distance import Indel

from promptcot.core.overlap.alignment import alike_but_for_names, longest_common_run
from promptcot.core.overlap.tokens import MASK, is_number, masked, tokens

SAME_TEXT = "same text"
EMBEDDED = "embedded"
PART = "part of it"
OVERLAP = "8-gram overlap"
NUMBERS_CHANGED = "numbers changed"
REWORDED = "reworded"
SIMILAR = "edit similarity"
RENAMED = "renamed"

LONG = 8
"""The number of tokens of the n-grams that two texts rarely share by chance."""
_SHINGLE = 3
_HALF = 0.5
_LEAST_OVERLAP = 0.35  # share of a benchmark problem, for two hits; problems of the same author have a third in common
_LEAST_SIMILARITY = 0.8  # problems of different benchmarks reach 0.6
_LEAST_WITH_OTHER_NUMBERS = 0.9  # a short problem with other words and numbers is usually a different one
_LEAST_EVIDENCE = 3.0  # unit: a shingle that no other benchmark problem has
_LONG_EVIDENCE = 12.0  # an overlap at any share; common openings reach 8
_LOOKED_AT = 5  # so many benchmark problems, those that have most in common with the text, are compared
_LOOKED_AT_FROM = 0.12
_COMMON = 8  # a shingle in more benchmark problems is not used to find them
_FREQUENT = 20  # a shingle in one of so many benchmark problems has no weight
_UNIT = 840  # divisible by 1 to 8; with integers, sums do not depend on the order of their terms
_LONGEST_NAME = 5
_LABEL = re.compile(r"(?<![A-Za-z])(?:[A-Z]{2,5}|[A-Zb-z])(?![A-Za-z])")
_FIGURE = re.compile(r"\[asy\].*?\[/asy\]", re.DOTALL)

Shingle = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reference:
    """A problem of a benchmark: its place and its text."""

    benchmark: str
    row: int
    id: str
    problem: str


@dataclass(frozen=True, slots=True)
class Hit:
    """The match of a problem with a benchmark problem.

    `share` is the matched share of the benchmark problem, between 0 and 1, as defined by the rule; `overlap` is the
    longest common run of tokens.
    """

    reference: Reference
    rule: str
    share: float
    overlap: str


@dataclass(slots=True)
class _Entry:
    """A benchmark problem in the index: its tokens, the tokens that are compared, and the weights of its shingles."""

    reference: Reference
    words: list[str]
    seen: list[str]
    weights: dict[Shingle, int] = field(default_factory=dict)
    total: int = 0

    def weight_of(self, shingles: Set[Shingle]) -> int:
        """The total weight of these shingles in the problem."""
        weights = self.weights
        return sum(weights[shingle] for shingle in weights.keys() & shingles)


@dataclass(frozen=True, slots=True)
class _Match:
    """The rule by which a text matches a benchmark problem, and the share."""

    place: int
    rule: str
    share: float


class Contamination:
    """An index of benchmark problems. With `mask_numbers`, a problem that differs only in numbers is found as well.

    Without it, text shared by problems with other numbers has little weight, and a text without a long piece of a
    benchmark problem must have all of its numbers. A shingle in more than one of the texts in `phrases` is a phrase,
    without weight. Takes about 13 KB a benchmark problem. Problems without a token are left out; of several with the
    same tokens, the first is kept.
    """

    def __init__(self, references: Iterable[Reference], mask_numbers: bool = True, phrases: Iterable[str] = ()) -> None:
        self._mask = mask_numbers
        self._phrases = frequent_shingles(phrases)
        self._entries: list[_Entry] = []
        self._same: dict[Shingle, int] = {}
        self._same_masked: dict[Shingle, int] = {}
        self._same_renamed: dict[Shingle, int] = {}
        self._frames: set[Shingle] = set()
        for reference in references:
            self._add(reference)
        self._shingles = self._weighed()
        # the least number of common shingles (each of at most one unit) for a text to be compared
        self._least = [max(1.0, _LOOKED_AT_FROM * entry.total / _UNIT) for entry in self._entries]
        self._begins: dict[Shingle, list[int]] = {}
        self._plain: dict[int, list[int]] = {}
        for place, entry in enumerate(self._entries):
            self._begins.setdefault(tuple(entry.words[:_SHINGLE]), []).append(place)
            if self._is_plain(entry) and _says_enough(entry.seen):
                self._plain.setdefault(len(entry.words), []).append(place)

    def __len__(self) -> int:
        """The number of different problems."""
        return len(self._entries)

    def _add(self, reference: Reference) -> None:
        words = words_of(reference.problem)
        place = self._same.setdefault(tuple(words), len(self._entries)) if words else -1
        if place != len(self._entries):
            return
        seen = self._seen(words)
        self._entries.append(_Entry(reference, words, seen))
        if self._mask and _says_enough(seen):
            self._same_masked.setdefault(tuple(seen), place)
        self._same_renamed.setdefault(_without_names(words, reference.problem), place)
        self._frames.add(_frame(words))

    def _weighed(self) -> dict[Shingle, tuple[int, ...]]:
        """For each shingle, the problems that have it; adds its weight to them. Shingles of many problems are left out.

        Problems that have the shingle with other numbers count as well.
        """
        having: Counter[Shingle] = Counter()
        of: dict[Shingle, list[int]] = {}
        for place, entry in enumerate(self._entries):
            having.update(set(grams(masked(entry.words), _SHINGLE)))
            for shingle in dict.fromkeys(grams(entry.seen, _SHINGLE)):
                of.setdefault(shingle, []).append(place)
        holders = {}
        for shingle, places in of.items():
            plain = tuple(masked(shingle))
            weight = 0 if plain in self._phrases else self._weight(having[plain])
            for place in places:
                self._entries[place].weights[shingle] = weight
                self._entries[place].total += weight
            if weight and len(places) <= _COMMON:
                holders[shingle] = tuple(places)
        return holders

    def _weight(self, having: int) -> int:
        """The weight of a shingle that so many problems have; 0 if that is a twentieth of all.

        If there are few problems, two that begin or end alike suggest a common phrase.
        """
        return _UNIT // having if having == 1 or having * _FREQUENT < len(self._entries) else 0

    def _is_plain(self, entry: _Entry) -> bool:
        """Whether a problem is too short, or too similar to others, to be found by its shingles."""
        rare = sum(weight for shingle, weight in entry.weights.items() if shingle in self._shingles)
        return len(entry.words) < LONG or rare < 2 * _UNIT or rare < _LOOKED_AT_FROM * entry.total

    def _seen(self, words: list[str]) -> list[str]:
        return masked(words) if self._mask else words

    def hit(self, problem: str, words: list[str] | None = None) -> Hit | None:
        """The benchmark problem that this one equals or has a large part of; None if there is none.

        Pass `words_of(problem)` if known, so that they are not computed twice.
        """
        words = words_of(problem) if words is None else words
        match = self._match(words) or self._renamed(words, problem)
        return None if match is None else self._hit(match, words)

    def _match(self, words: list[str]) -> _Match | None:
        if (place := self._same.get(tuple(words))) is not None:
            return _Match(place, SAME_TEXT, 1.0)
        seen = self._seen(words)
        matches = [match for place in self._near(seen) if (match := self._compared(place, words, seen))]
        if matches:
            return max(matches, key=lambda match: match.share)
        if (place := self._same_masked.get(tuple(seen))) is not None:
            return _Match(place, NUMBERS_CHANGED, 1.0)
        return self._embedded(words) or self._plain_one(words, seen)

    def _renamed(self, words: list[str], problem: str) -> _Match | None:
        """A benchmark problem that equals this one except for the names of variables and points."""
        if not words or _frame(words) not in self._frames:
            return None
        place = self._same_renamed.get(_without_names(words, problem))
        return None if place is None else _Match(place, RENAMED, 1.0)

    def _near(self, seen: list[str]) -> list[int]:
        """The benchmark problems with most in common with the text, as a share of themselves or of the text."""
        shared = self._shingles.keys() & set(grams(seen, _SHINGLE))
        part = _UNIT * len(seen) // 4
        having, least, most = (
            Counter(chain.from_iterable(map(self._shingles.__getitem__, shared))),
            self._least,
            part / _UNIT,
        )
        near = []
        for place in [place for place, count in having.items() if count >= least[place] or count >= most]:
            entry = self._entries[place]
            total = entry.weight_of(shared)
            if total >= max(_UNIT, min(_LOOKED_AT_FROM * entry.total, part)):
                near.append((-total / entry.total, place))
        return [place for _, place in sorted(near)[:_LOOKED_AT]]

    def _compared(self, place: int, words: list[str], seen: list[str]) -> _Match | None:
        """The rule by which a text contains a benchmark problem, or a large part of it; None if it does not."""
        entry = self._entries[place]
        own, theirs = grams(entry.words, LONG), set(grams(words, LONG))
        hits = [start for start, gram in enumerate(own) if gram in theirs]
        evidence, share = _weight_of_runs(entry, hits)
        if own and len(hits) == len(own):
            return _Match(place, EMBEDDED, 1.0)
        if evidence >= _LEAST_EVIDENCE and len(words) > LONG and theirs <= set(own):
            return _Match(place, PART, share)
        if not self._mask and evidence < _LONG_EVIDENCE and not _has_numbers_of(words, entry.words):
            return None
        if _is_overlap(len(hits), evidence, share) or (share >= _HALF and self._mask):
            return _Match(place, OVERLAP, share)
        if self._mask and not _says_enough(entry.seen):
            return None
        return self._loosely(place, words, _densest(seen, entry))

    def _loosely(self, place: int, words: list[str], window: list[str]) -> _Match | None:
        """The rules that find a text with other words or numbers."""
        entry = self._entries[place]
        weight = entry.weight_of(set(grams(window, _SHINGLE)))
        share = weight / entry.total
        if share >= _HALF and weight >= _LEAST_EVIDENCE * _UNIT:
            return _Match(place, NUMBERS_CHANGED if self._mask and share == 1 else REWORDED, share)
        similarity = Indel.normalized_similarity(window, entry.seen)
        if similarity >= _LEAST_SIMILARITY and similarity >= _least_similarity(words, entry):
            return _Match(place, SIMILAR, similarity)
        similarity = alike_but_for_names(entry.seen, window)
        return _Match(place, RENAMED, similarity) if similarity >= _LEAST_SIMILARITY else None

    def _embedded(self, words: list[str]) -> _Match | None:
        """A benchmark problem of at least three tokens that the text contains verbatim."""
        shingles = grams(words, _SHINGLE)
        begins = self._begins.keys() & shingles
        for start in [start for start, shingle in enumerate(shingles) if shingle in begins] if begins else ():
            for place in self._begins[shingles[start]]:
                own = self._entries[place].words
                end = start + len(own)
                if end <= len(words) and words[end - 1] == own[-1] and words[start:end] == own:
                    return _Match(place, EMBEDDED, 1.0)
        return None

    def _plain_one(self, words: list[str], seen: list[str]) -> _Match | None:
        """A benchmark problem without rare shingles that is nearly equal to the text."""
        size = len(seen)
        known = [self._plain[length] for length in self._plain if 2 * size <= 3 * length and 2 * length <= 3 * size]
        alike = [
            (Indel.normalized_similarity(seen, self._entries[place].seen), -place)
            for places in known
            for place in places
        ]
        similarity, place = max(alike, default=(0.0, 0))
        if similarity < _LEAST_SIMILARITY:
            return None
        entry = self._entries[-place]
        if similarity < _least_similarity(words, entry) or not (self._mask or _has_numbers_of(words, entry.words)):
            return None
        return _Match(-place, SIMILAR, similarity)

    def _hit(self, match: _Match, words: list[str]) -> Hit:
        entry = self._entries[match.place]
        return Hit(entry.reference, match.rule, match.share, common_run(words, entry.words))


def common_run(words: Sequence[str], others: Sequence[str]) -> str:
    """The longest common run of tokens of both texts."""
    start, length = longest_common_run(words, others)
    return " ".join(words[start : start + length])


def words_of(problem: str) -> list[str]:
    """The tokens of a problem, without the code of its figures."""
    return tokens(_FIGURE.sub(" ", problem) if "[asy]" in problem else problem)


def grams(words: Sequence[str], n: int) -> list[Shingle]:
    """All n-grams of the tokens, in order."""
    return list(zip(*(words[start:] for start in range(n)), strict=False))


def _without_names(words: list[str], problem: str) -> Shingle:
    """The tokens, with variables (letters) and points (capitals, such as ABC) numbered in order of appearance.

    The letter a is not one of them, since it is also a word.
    """
    names = {label.lower() for label in _LABEL.findall(problem)}
    order: dict[str, str] = {}
    return tuple(order.setdefault(word, f"@{len(order)}") if word in names else word for word in words)


def _frame(words: list[str]) -> Shingle:
    """The tokens too long to be names (see `_without_names`); a quick test, since both texts must have the same."""
    return tuple([word for word in words if len(word) > _LONGEST_NAME])


def frequent_shingles(texts: Iterable[str]) -> frozenset[Shingle]:
    """The shingles that more than one of these texts has, ignoring the numbers in them."""
    having: Counter[Shingle] = Counter()
    for text in texts:
        having.update(set(grams(masked(words_of(text)), _SHINGLE)))
    return frozenset(shingle for shingle, count in having.items() if count > 1)


def _weight_of_runs(entry: _Entry, hits: list[int]) -> tuple[float, float]:
    """The weight of the shingles within runs of a benchmark problem, in unique shingles, and its share of the total.

    `hits` are the positions of the n-grams that are also in the text.
    """
    inside = {start for hit in hits for start in range(hit, hit + LONG - _SHINGLE + 1)}
    runs = {tuple(entry.seen[start : start + _SHINGLE]) for start in inside}
    weight = sum(entry.weights[shingle] for shingle in runs)
    return weight / _UNIT, weight / entry.total if entry.total else 0.0


def _is_overlap(hits: int, evidence: float, share: float) -> bool:
    """Whether common n-grams with this evidence are more than an opening that many problems share."""
    enough = share >= _LEAST_OVERLAP or evidence >= _LONG_EVIDENCE
    return hits >= 2 and evidence >= _LEAST_EVIDENCE and enough


def _says_enough(seen: list[str]) -> bool:
    """Whether a text is recognizable by its tokens when numbers are masked; 2 + 2 then looks like any other sum."""
    return len(seen) >= 5 and sum(word != MASK for word in seen) >= 3


def _has_numbers_of(words: list[str], own: list[str]) -> bool:
    """Whether a text has all numbers of another one, at least as often."""
    return Counter(filter(is_number, own)) <= Counter(filter(is_number, words))


def _least_similarity(words: list[str], entry: _Entry) -> float:
    """The similarity from which a short text is taken for a benchmark problem."""
    return _LEAST_SIMILARITY if _has_numbers_of(words, entry.words) else _LEAST_WITH_OTHER_NUMBERS


def _densest(seen: list[str], entry: _Entry) -> list[str]:
    """The part of a long text with most of a benchmark problem's shingles; a short text is returned whole.

    In a very long text, shingles of any problem occur together by chance.
    """
    size = 3 * len(entry.seen) + 60
    if len(seen) <= size:
        return seen
    width = 2 * len(entry.seen)
    there = Counter(place // width for place, shingle in enumerate(grams(seen, _SHINGLE)) if shingle in entry.weights)
    best = max(range(len(seen) // width + 1), key=lambda part: (there[part] + there[part + 1], -part))
    return seen[best * width : (best + 2) * width]

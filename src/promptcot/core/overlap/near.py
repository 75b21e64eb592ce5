"""Whether two problems are copies of each other, and by which rule. Only the texts of the pair count.

The step decides which pairs are compared, which problem is kept, and how to treat many similar problems. The first rule
that holds counts:

- `edit`: similar when aligned by words, or by characters of the normalised text;
- `shingles`: the same short runs of characters, in any order;
- `containment`: the larger text contains the long runs of tokens of the smaller one.

Different numbers make problems different: see `numbers_differ`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter, ne
from typing import Literal

from rapidfuzz.distance import Indel, Levenshtein

from promptcot.core.overlap import shingles
from promptcot.core.overlap.tokens import JOINT, MASK, is_number, words

Rule = Literal["exact", "edit", "shingles", "containment", "numbers", "semantic"]

_LITTLE = 0.04
_RENAMED = 0.65
_LONGEST = 20_000
"""Longer texts are aligned only by words, because the time for characters grows with the square of their number."""
_NUMBER = re.compile(r"\d+(?:\.\d+)?|\.\d+")

NEAR = 0.85
"""The similarity, by edits or short shingles, from which two problems are copies."""

CONTAINED = 0.9
"""The share of the smaller text's long shingles that the larger one must contain."""


class Text:
    """A problem as it is compared: words, each of tokens. `line` has all of it, and it can be rebuilt from that.

    With `mask_numbers`, everything except `line` is without the values of numbers.
    """

    def __init__(self, line: str, mask_numbers: bool = False) -> None:
        self.line = line
        self._compared = _masked(line) if mask_numbers else line

    @classmethod
    def of(cls, problem: str, mask_numbers: bool = False) -> Text:
        """The text of a problem."""
        return cls(" ".join(words(problem)), mask_numbers)

    @cached_property
    def words(self) -> list[str]:
        return self._compared.split(" ")

    @cached_property
    def plain(self) -> str:
        """The tokens, separated by spaces; the same for all spellings of a text."""
        return self._compared.replace(JOINT, " ")

    @cached_property
    def tokens(self) -> list[str]:
        return self.plain.split(" ") if self.plain else []

    @cached_property
    def masked(self) -> str:
        """The tokens, without the values of numbers."""
        return _masked(self.plain)

    @cached_property
    def short(self) -> shingles.Hashes:
        """The distinct short shingles."""
        return shingles.short(self.plain)

    @cached_property
    def long(self) -> shingles.Hashes:
        """The long shingles, in order."""
        return shingles.long(self.plain)

    @cached_property
    def numbers(self) -> list[str]:
        return [token for token in self.tokens if is_number(token)]


@dataclass(frozen=True, slots=True)
class Alike:
    """The similarity of two texts by a rule. `numbers` is how many numbers at the same place differ.

    They are copies unless the numbers make them different problems (`is_copy`), and clear copies if no number differs.
    """

    rule: Rule
    similarity: float
    is_copy: bool = True
    numbers: int = 0


def alike(one: Text, other: Text, near: float = NEAR) -> Alike | None:
    """The rule by which two texts are similar, and whether they are copies; None if they are not similar.

    Symmetric in both texts.
    """
    one, other = sorted((one, other), key=attrgetter("line"))
    if one.plain == other.plain:
        same = one.line.replace(JOINT, " ") == other.line.replace(JOINT, " ")
        return Alike("exact" if same else "numbers", 1.0)
    edited = _edited(one, other, near)
    if edited and (edited.is_copy or edited.rule == "numbers"):
        return edited
    if (similarity := shingles.jaccard(one.short, other.short)) >= near:
        apart = _counted_apart(one.numbers, other.numbers)
        return Alike("shingles", similarity, not apart, apart)
    return edited or _contained(*sorted((one, other), key=lambda text: len(text.tokens)))


def _edited(one: Text, other: Text, near: float) -> Alike | None:
    """The larger of two similarities: by words, where a formula is a few words, and by characters of all tokens.

    If a tenth of the words was replaced, each of the two finds cases that the other misses: replaced words of other
    lengths, and formulas that are split into words differently. Texts that differ mainly in numbers are not copies:
    rewording rarely changes numbers, whereas problems from one template differ in little else.
    """
    longer = max(len(one.plain), len(other.plain))
    similarity = Indel.normalized_similarity(one.plain, other.plain, score_cutoff=near) if longer <= _LONGEST else 0.0
    by_words = Levenshtein.normalized_similarity(one.words, other.words, score_cutoff=min(near, _RENAMED))
    if max(similarity, by_words) < min(near, _RENAMED):
        return None
    if one.masked == other.masked:
        return Alike("numbers", max(similarity, by_words), False, sum(map(ne, one.numbers, other.numbers)))
    changes = _changes(one.words, other.words)
    similarity = max(similarity, by_words, changes.similarity)
    return Alike("edit", similarity, not changes.are_numbers, changes.numbers) if similarity >= near else None


@dataclass
class _Changes:
    """The differences between two texts, aligned word by word, with numbers aligned to numbers.

    `aligned` counts words with numbers at the same place, `numbers` those of them that differ, `others` all other words
    that differ, and `renamed` the same with each consistently renamed word counted once.
    """

    words: int
    aligned: int = 0
    numbers: int = 0
    others: int = 0
    renamed: int = 0

    @property
    def are_numbers(self) -> bool:
        """Whether the texts differ mainly in numbers: in several, in half of all, or in one and little else."""
        little_else = 2 * self.numbers >= self.aligned or self.others <= _LITTLE * self.words
        return self.numbers > 1 or (self.numbers == 1 and little_else)

    @property
    def similarity(self) -> float:
        """The similarity. Renamed persons, things and variables count once each, unless numbers differ as well."""
        return 0.0 if self.numbers else 1 - self.renamed / self.words


def _changes(one: Sequence[str], other: Sequence[str]) -> _Changes:
    changes = _Changes(max(len(one), len(other)))
    replaced: list[tuple[str, str]] = []
    for change in Levenshtein.opcodes([*map(_masked, one)], [*map(_masked, other)]):
        first, second = one[change.src_start : change.src_end], other[change.dest_start : change.dest_end]
        if change.tag == "equal":
            changes.aligned += sum(any(map(str.isdecimal, word)) for word in first)
            changes.numbers += sum(map(ne, first, second))
        elif change.tag == "replace":
            replaced += zip(first, second, strict=True)
        else:
            changes.others += len(first) + len(second)
    changes.renamed = changes.others + len(set(replaced))
    changes.others += len(replaced)
    for first, second in _the_same_but_for_names(replaced, one):
        changes.others -= 1
        changes.aligned += any(map(is_number, first))
        changes.numbers += any(map(_are_other_numbers, first, second))
    return changes


def _the_same_but_for_names(
    replaced: Sequence[tuple[str, str]], one: Sequence[str]
) -> Iterator[tuple[list[str], list[str]]]:
    """Tokens of the words that differ from their counterparts only in numbers and renamed tokens.

    A token is renamed if it occurs at least twice in `one`, always aligned with the same token, and no other one is.
    """
    both = [(first.split(JOINT), second.split(JOINT)) for first, second in replaced]
    both = [(first, second) for first, second in both if len(first) == len(second)]
    pairs = Counter(pair for first, second in both for pair in zip(first, second, strict=True) if ne(*pair))
    into, total = Counter(there for _, there in pairs), Counter(token for word in one for token in word.split(JOINT))
    renamed = {pair for pair, count in pairs.items() if count == total[pair[0]] >= 2 and into[pair[1]] == 1}
    for first, second in both:
        differing = filter(lambda pair: ne(*pair), zip(first, second, strict=True))
        if all(pair in renamed or _are_other_numbers(*pair) for pair in differing):
            yield first, second


def _are_other_numbers(one: str, other: str) -> bool:
    return one != other and is_number(one) and is_number(other)


def _contained(small: Text, large: Text) -> Alike | None:
    if (held := shingles.share(small.long, large.long)) < CONTAINED:
        return None
    lacking = (Counter(small.numbers) - Counter(large.numbers)).total()
    return Alike("containment", held, not lacking, lacking)


def _counted_apart(one: Sequence[str], other: Sequence[str]) -> int:
    """How many numbers one text has that the other lacks, in any order."""
    return max((Counter(one) - Counter(other)).total(), (Counter(other) - Counter(one)).total())


def _masked(line: str) -> str:
    """Words without the values of their numbers."""
    return _NUMBER.sub(MASK, line)

"""Whether two problems are copies of each other, and by which rule. Only the texts of the pair count.

The step decides which pairs are compared, which problem is kept, and how to treat many similar problems. The rules, of
which the first that holds counts:

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
"""Of longer texts only the words are aligned: for characters the time grows with the square of their number."""
_NUMBER = re.compile(r"\d+(?:\.\d+)?|\.\d+")

NEAR = 0.85
"""How alike two problems are that count as copies, by edits or short shingles."""

CONTAINED = 0.9
"""How many of the smaller one's long shingles the larger one holds."""


class Text:
    """A problem as it is compared: words, each of tokens. `line` is all of it in one line, from which it is made again.

    With `mask_numbers`, all but `line` is without the values of numbers.
    """

    def __init__(self, line: str, mask_numbers: bool = False) -> None:
        self.line = line
        self._compared = _masked(line) if mask_numbers else line

    @classmethod
    def of(cls, problem: str, mask_numbers: bool = False) -> Text:
        """A problem as it was written."""
        return cls(" ".join(words(problem)), mask_numbers)

    @cached_property
    def words(self) -> list[str]:
        return self._compared.split(" ")

    @cached_property
    def plain(self) -> str:
        """Tokens with a space between them: the same for a text that is respelled."""
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
        """Short shingles, each once."""
        return shingles.short(self.plain)

    @cached_property
    def long(self) -> shingles.Hashes:
        """Long shingles, in order."""
        return shingles.long(self.plain)

    @cached_property
    def numbers(self) -> list[str]:
        return [token for token in self.tokens if is_number(token)]


@dataclass(frozen=True, slots=True)
class Alike:
    """Two texts that are alike by a rule. `numbers` is how many numbers stand at the same place and differ.

    It is a copy, unless the numbers make them different problems (`is_copy`); it is a clear one where none differs.
    """

    rule: Rule
    similarity: float
    is_copy: bool = True
    numbers: int = 0


def alike(one: Text, other: Text, near: float = NEAR) -> Alike | None:
    """By which rule two texts are alike, and whether they are copies; None where they are not alike.

    The same whichever of the two comes first.
    """
    one, other = sorted((one, other), key=attrgetter("line"))
    if one.plain == other.plain:
        same = one.line.replace(JOINT, " ") == other.line.replace(JOINT, " ")
        return Alike("exact" if same else "numbers", 1.0)
    edited = _edited(one, other, near)
    if edited and (edited.is_copy or edited.rule == "numbers"):
        return edited
    if (found := shingles.jaccard(one.short, other.short)) >= near:
        apart = _counted_apart(one.numbers, other.numbers)
        return Alike("shingles", found, not apart, apart)
    return edited or _contained(*sorted((one, other), key=lambda text: len(text.tokens)))


def _edited(one: Text, other: Text, near: float) -> Alike | None:
    """Alike by the larger of two similarities: by words, of which a formula is a few; by characters of all tokens.

    In a text of which a tenth of the words was replaced, one finds what the other does not: words of other lengths, and
    words that a respelled formula parts in another way. Not a copy where numbers are what differs. Who replaces words
    has seldom a number for a number, and problems made from a template differ in little else.
    """
    longer = max(len(one.plain), len(other.plain))
    found = Indel.normalized_similarity(one.plain, other.plain, score_cutoff=near) if longer <= _LONGEST else 0.0
    by_words = Levenshtein.normalized_similarity(one.words, other.words, score_cutoff=min(near, _RENAMED))
    if max(found, by_words) < min(near, _RENAMED):
        return None
    if one.masked == other.masked:
        return Alike("numbers", max(found, by_words), False, sum(map(ne, one.numbers, other.numbers)))
    changes = _changes(one.words, other.words)
    found = max(found, by_words, changes.similarity)
    return Alike("edit", found, not changes.are_numbers, changes.numbers) if found >= near else None


@dataclass
class _Changes:
    """What differs between two texts, aligned word by word, numbers in the place of numbers.

    `aligned` counts words with numbers at the same place, `numbers` those of them that differ, `others` all other words
    that differ, `renamed` what is left of these when each word that stands for another one throughout counts once.
    """

    words: int
    aligned: int = 0
    numbers: int = 0
    others: int = 0
    renamed: int = 0

    @property
    def are_numbers(self) -> bool:
        """Whether it is numbers that differ: several, half of all, or one and little else."""
        little_else = 2 * self.numbers >= self.aligned or self.others <= _LITTLE * self.words
        return self.numbers > 1 or (self.numbers == 1 and little_else)

    @property
    def similarity(self) -> float:
        """Renamed persons, things and variables count once each; not where numbers differ as well."""
        return 0.0 if self.numbers else 1 - self.renamed / self.words


def _changes(one: Sequence[str], other: Sequence[str]) -> _Changes:
    found = _Changes(max(len(one), len(other)))
    replaced: list[tuple[str, str]] = []
    for change in Levenshtein.opcodes([*map(_masked, one)], [*map(_masked, other)]):
        first, second = one[change.src_start : change.src_end], other[change.dest_start : change.dest_end]
        if change.tag == "equal":
            found.aligned += sum(any(map(str.isdecimal, word)) for word in first)
            found.numbers += sum(map(ne, first, second))
        elif change.tag == "replace":
            replaced += zip(first, second, strict=True)
        else:
            found.others += len(first) + len(second)
    found.renamed = found.others + len(set(replaced))
    found.others += len(replaced)
    for first, second in _the_same_but_for_names(replaced, one):
        found.others -= 1
        found.aligned += any(map(is_number, first))
        found.numbers += any(map(_are_other_numbers, first, second))
    return found


def _the_same_but_for_names(
    replaced: Sequence[tuple[str, str]], one: Sequence[str]
) -> Iterator[tuple[list[str], list[str]]]:
    """Tokens of those words that differ from what stands in their place in numbers and renamed tokens only.

    A token is renamed if it comes twice or more in `one`, and always stands against the same token, as no other does.
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
    """How many numbers one text has that the other has not, whatever their order."""
    return max((Counter(one) - Counter(other)).total(), (Counter(other) - Counter(one)).total())


def _masked(line: str) -> str:
    """Words without the values of their numbers."""
    return _NUMBER.sub(MASK, line)

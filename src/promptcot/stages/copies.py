"""The index behind `dedup`: finds the kept text that a new text is a copy of.

Decides which pairs are compared. Texts that share half of their short shingles meet in one of 32 bands of their MinHash
signatures (Broder 1997; Leskovec, Rajaraman, Ullman 2020, chapter 3). Texts that share a longer passage meet in one of
its anchors, which also finds a text embedded in a larger one. A passage that many texts share is weak evidence: only
the latest texts with it are compared, and the texts for which there were more are counted. Texts are stored on disk,
with about 900 bytes in memory for each. `core.overlap.near` decides whether two texts are copies.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from promptcot.core.overlap.buckets import Buckets, Rows
from promptcot.core.overlap.near import Alike, Text, alike
from promptcot.stages.marks import PERMUTATIONS, Marks
from promptcot.stages.meanings import Meanings
from promptcot.storage.packed import Packed

_BANDS = 32
_WHOLES = 2
_HALF = np.uint64(32)
_PLACES = (np.arange(_BANDS, dtype=np.uint32) * np.uint32(0x85EBCA6B)).astype(np.uint32)
_LEAST_ALIKE = 0.3
"""Below this agreement of signatures, all but one in 10,000 pairs of texts share less than half of their shingles."""
_MOST_LOOKED_AT = 8
"""The most texts compared with one text: of those that share bands, and of those that share anchors."""
_MOST_IN_A_BUCKET = 32
_FAMILY = 2
"""From this number on, texts that differ only in numbers count as made from one template."""

Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Copy:
    """The name of the original text, and the similarity of the two."""

    of: str
    alike: Alike


@dataclass(slots=True)
class _Found:
    """Places of kept texts that a text may be a copy of: the same except for spelling, the same except for numbers too,
    and `likely` ones, the likeliest first. It is `capped` if not all of them were compared.
    """

    same: list[int] = field(default_factory=list)
    numbered: list[int] = field(default_factory=list)
    likely: list[int] = field(default_factory=list)
    capped: bool = False


class Copies:
    """Indexed texts that are not copies of each other, in a folder. `near` and `mask_numbers` are as in `near`;
    `semantic` is the least cosine of two vectors that counts as the same meaning.

    `capped` counts texts for which not all likely ones were compared, `numbered` those that differ only in numbers from
    a kept one.
    """

    def __init__(self, folder: Path, near: float, mask_numbers: bool, semantic: float | None = None) -> None:
        self.capped = self.numbered = 0
        self._near, self._mask_numbers = near, mask_numbers
        self._meanings = None if semantic is None else Meanings(semantic)
        self._texts = Packed(folder / "texts")
        self._index = Buckets(_MOST_IN_A_BUCKET)
        self._signatures = np.empty((1024, PERMUTATIONS), np.uint8)
        self._anchored = np.empty(1024, np.uint32)

    def __len__(self) -> int:
        return len(self._texts)

    def close(self) -> None:
        """Close the files of texts."""
        self._texts.close()

    @property
    def size(self) -> int:
        """Bytes in memory for all kept texts."""
        return self._index.size + self._signatures.nbytes + self._anchored.nbytes + 8 * len(self)

    def take(
        self, marks: Marks, names: Sequence[str], vectors: Sequence[NDArray[np.float16] | None]
    ) -> list[Copy | None]:
        """For each text the kept one that it is a copy of; None if there is none, and the text is then kept by its
        name.

        All texts are looked up at once. Those that may be copies of an earlier one among them are looked up again
        later, when it is known which of these are kept.
        """
        found, again = self._look_up(marks), _like_one_before(marks)
        copies: list[Copy | None] = []
        kept: dict[int, bool] = {}
        for place, (line, vector) in enumerate(zip(marks.lines, vectors, strict=True)):
            if place in again or self._meanings is not None:
                self._keep(marks, kept, names, vectors)
                kept = {}
                found[place] = self._look_up(marks.only([place])).get(0, _Found())
            copy, numbered = self._decided(line, vector, found[place]) if place in found else (None, False)
            if copy is None:
                kept[place] = numbered
            copies.append(copy)
        self._keep(marks, kept, names, vectors)
        return copies

    def _decided(self, line: str, vector: NDArray[np.float16] | None, found: _Found) -> tuple[Copy | None, bool]:
        """The text that this one is a copy of; if there is none, whether a kept one differs only in numbers."""
        text = Text(line, self._mask_numbers)
        copy = self._same(text, found) or self._alike(text, found) or self._meant(text, vector)
        numbered = copy is None and any(self._at(place)[1].masked == text.masked for place in found.numbered)
        self.numbered += numbered
        return copy, numbered

    def _same(self, text: Text, found: _Found) -> Copy | None:
        for name, kept in map(self._at, found.same):
            if kept.plain == text.plain:
                return Copy(name, alike(text, kept, self._near) or Alike("exact", 1.0))
        return None

    def _alike(self, text: Text, found: _Found) -> Copy | None:
        """The first certain copy; else the most similar text, unless the text is one of many from a template."""
        self.capped += found.capped
        doubtful: list[Copy] = []
        family = 0
        for name, kept in map(self._at, found.likely):
            pair = alike(text, kept, self._near)
            if pair is None:
                continue
            if pair.is_copy and not pair.numbers:
                return Copy(name, pair)
            if pair.is_copy:
                doubtful.append(Copy(name, pair))
            family += pair.numbers > 0
        if not doubtful or family > _FAMILY:
            return None
        return max(doubtful, key=lambda copy: copy.alike.similarity)

    def _meant(self, text: Text, vector: NDArray[np.float16] | None) -> Copy | None:
        """A text with the same meaning and the same numbers, which vectors hardly distinguish.

        The smallest numbers are often words of the sentence, as in "one of the two". They count only if there are no
        others.
        """
        if self._meanings is None or vector is None:
            return None
        for place, similarity in self._meanings.nearest(vector):
            name, kept = self._at(place)
            if _telling(kept) == _telling(text):
                return Copy(name, Alike("semantic", similarity))
        return None

    def _look_up(self, marks: Marks) -> dict[int, _Found]:
        """The kept texts that each of these may be like; texts without any are left out."""
        hashes = _noted(marks)
        hits, columns = self._index.find(hashes.ravel()), hashes.shape[1]
        texts, column = np.divmod(hits.of, columns)
        banded = column >= _WHOLES
        candidates: defaultdict[int, _Found] = defaultdict(_Found)
        for text, where, place in zip(*(array[~banded].tolist() for array in (texts, column, hits.rows)), strict=True):
            (candidates[text].numbered if where else candidates[text].same).append(place)
        unseen = hits.unseen[hits.unseen % columns >= _WHOLES] // columns
        self._note(candidates, *self._by_bands(marks, (texts[banded], hits.rows[banded])), unseen)
        hits, of = self._index.find(marks.long.hashes), marks.long.texts
        self._note(candidates, *self._by_anchors(marks, (of[hits.of], hits.rows)), of[hits.unseen])
        return candidates

    @staticmethod
    def _note(found: dict[int, _Found], texts: Integers, places: Integers, more: Integers, unseen: Integers) -> None:
        for text, place in zip(texts.tolist(), places.tolist(), strict=True):
            if place not in found[text].likely:
                found[text].likely.append(place)
        for text in (*more.tolist(), *unseen.tolist()):
            found[text].capped = True

    def _by_bands(self, marks: Marks, hits: tuple[Integers, Rows]) -> tuple[Integers, Integers, Integers]:
        texts, places, _ = _pairs(*hits)
        agreeing = np.count_nonzero(self._signatures[places] == marks.signatures[texts], axis=1)
        return _best(texts, places, agreeing, agreeing >= _LEAST_ALIKE * PERMUTATIONS)

    def _by_anchors(self, marks: Marks, hits: tuple[Integers, Rows]) -> tuple[Integers, Integers, Integers]:
        """Those that share half of their own anchors, or half of the text's."""
        texts, places, shared = _pairs(*hits)
        anchors = np.maximum(np.diff(marks.anchors.starts), 1)[texts]
        return _best(texts, places, shared, 2 * shared >= np.minimum(self._anchored[places], anchors))

    def _keep(
        self,
        marks: Marks,
        kept: Mapping[int, bool],
        names: Sequence[str],
        vectors: Sequence[NDArray[np.float16] | None],
    ) -> None:
        """Index texts at these places; `kept` says for each whether one that differs only in numbers is indexed."""
        if not kept:
            return
        first, some = len(self), marks.only([*kept])
        self._texts.add(f"{len(names[place])} {names[place]}{marks.lines[place]}" for place in kept)
        numbers, hashes = np.arange(first, len(self)), _noted(some)
        noted = np.ones(hashes.shape, np.bool_)
        noted[:, 1] = [not numbered for numbered in kept.values()]
        self._index.add(numbers.repeat(noted.sum(axis=1)), hashes[noted])
        self._index.add(numbers[some.anchors.texts], some.anchors.hashes)
        if len(self) > len(self._signatures):
            self._signatures = np.resize(self._signatures, (len(self) * 9 // 8, PERMUTATIONS))
            self._anchored = np.resize(self._anchored, len(self) * 9 // 8)
        self._signatures[first : len(self)] = some.signatures
        self._anchored[first : len(self)] = np.diff(some.anchors.starts)
        for number, place in enumerate(kept, first):
            if self._meanings is not None and (vector := vectors[place]) is not None:
                self._meanings.add(number, vector)

    def _at(self, place: int) -> tuple[str, Text]:
        length, _, rest = self._texts[place].partition(" ")
        return rest[: int(length)], Text(rest[int(length) :], self._mask_numbers)


def _noted(marks: Marks) -> NDArray[np.uint32]:
    """The hashes of each whole text, and of the bands of its signature: array (texts, 34)."""
    bands = marks.signatures.view(np.uint32) * np.uint32(0xC2B2AE35) + _PLACES
    return np.concatenate([marks.wholes, bands], axis=1)


def _like_one_before(marks: Marks) -> set[int]:
    """The texts that have a hash in common with an earlier one among them."""
    hashes = _noted(marks)
    texts = np.arange(len(marks)).repeat(hashes.shape[1])
    noted = _with_text(np.append(hashes, marks.anchors.hashes), np.append(texts, marks.anchors.texts))
    sought = _with_text(np.append(hashes, marks.long.hashes), np.append(texts, marks.long.texts))
    first = noted[np.minimum(np.searchsorted(noted, sought >> _HALF << _HALF), len(noted) - 1)]
    before = (first >> _HALF == sought >> _HALF) & (first < sought)
    return {*sought[before].astype(np.uint32).tolist()}


def _with_text(hashes: NDArray[np.uint32], texts: Integers) -> NDArray[np.uint64]:
    """Each hash and its text in one number, in ascending order for fast lookup."""
    keys: NDArray[np.uint64] = hashes.astype(np.uint64) << _HALF | texts.astype(np.uint64)
    keys.sort()
    return keys


def _pairs(texts: Integers, places: Rows) -> tuple[Integers, Integers, Integers]:
    """The distinct pairs, and how often each was found."""
    pairs, times = np.unique(texts.astype(np.int64) << 32 | places, return_counts=True)
    return pairs >> 32, pairs & 0xFFFFFFFF, times


def _best(
    texts: Integers, places: Integers, scores: Integers, fit: NDArray[np.bool_]
) -> tuple[Integers, Integers, Integers]:
    """For each text the fitting places with the highest scores, the highest first; and the texts that have more."""
    texts, places, scores = texts[fit], places[fit], scores[fit]
    order = np.lexsort((places, -scores, texts))
    texts, places = texts[order], places[order]
    rank = np.arange(len(texts)) - np.searchsorted(texts, texts)
    most = rank < _MOST_LOOKED_AT
    return texts[most], places[most], texts[~most]


def _telling(text: Text) -> list[str]:
    return sorted([number for number in text.numbers if number not in ("0", "1", "2")] or text.numbers)

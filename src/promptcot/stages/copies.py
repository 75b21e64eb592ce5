"""Which text that was kept another one is a copy of: the index behind `dedup`.

Decides which pairs are looked at. Texts of which half of the short shingles are the same meet in one of 32 bands of
their MinHash signatures (Broder 1997; Leskovec, Rajaraman, Ullman 2020, chapter 3), texts that share a longer passage
in one of its anchors, which also finds what is embedded in a larger text. Passages that many texts share say little:
only the latest texts that have one are looked at, and how often there were more is counted. Texts lie on disk, and
about 900 bytes for each are in memory. When two texts are copies is decided in `core.overlap.near`.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rensa import RMinHash  # type: ignore[import-untyped]

from promptcot.core.overlap import shingles
from promptcot.core.overlap.buckets import Buckets, Rows
from promptcot.core.overlap.near import Alike, Text, alike
from promptcot.stages.meanings import Meanings
from promptcot.storage.packed import Packed

_BANDS, _ROWS = 32, 4
_PERMUTATIONS = _BANDS * _ROWS
_SEED = 1
_PLACES = (np.arange(_BANDS, dtype=np.uint32) * np.uint32(0x85EBCA6B)).astype(np.uint32)
_LEAST_ALIKE = 0.3
"""Signatures that agree less are of texts that share less than half, but for one in ten thousand."""
_MOST_LOOKED_AT = 8
"""Texts that are compared with one text, of those that share bands with it, and of those that share anchors."""
_MOST_IN_A_BUCKET = 32
_FAMILY = 2
"""So many texts that are alike but for numbers are made from one template."""

Signature = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Copy:
    """Of which text it is one, by what was noted with that text, and how they are alike."""

    of: str
    alike: Alike


class _Marks:
    """By what a text is found that is nearly another one: its bands, and its runs of tokens."""

    def __init__(self, text: Text) -> None:
        self.signature = signature_of(text)
        self.bands = self.signature.view(np.uint32) * np.uint32(0xC2B2AE35) + _PLACES
        self.anchors = shingles.anchors(text.long).astype(np.uint32)
        self.sought = np.concatenate([self.bands, text.long.astype(np.uint32)])


class Copies:
    """Texts that are no copies of each other, on disk in a folder. `near` and `mask_numbers` as in `near`; `semantic`
    is the cosine of vectors from which on texts say the same.

    `capped` counts texts for which not all of the likely ones were looked at, `numbered` those that differ in numbers
    only from one that was kept.
    """

    def __init__(self, folder: Path, near: float, mask_numbers: bool, semantic: float | None = None) -> None:
        self.capped = self.numbered = 0
        self._near, self._mask_numbers = near, mask_numbers
        self._meanings = None if semantic is None else Meanings(semantic)
        self._texts = Packed(folder / "texts")
        self._index = Buckets(_MOST_IN_A_BUCKET)
        self._signatures = np.empty((1024, _PERMUTATIONS), np.uint8)
        self._anchored = np.empty(1024, np.uint32)

    def __len__(self) -> int:
        return len(self._texts)

    def close(self) -> None:
        """Let go of the texts."""
        self._texts.close()

    @property
    def size(self) -> int:
        """Bytes in memory for all that were kept."""
        return self._index.size + self._signatures.nbytes + self._anchored.nbytes + 8 * len(self)

    def text(self, problem: str) -> Text:
        """A problem, to be looked up."""
        return Text.of(problem, self._mask_numbers)

    def take(self, text: Text, name: str, vector: NDArray[np.float16] | None = None) -> Copy | None:
        """The kept text that this one is a copy of; None where there is none, and then it is kept under its name."""
        wholes = _wholes(text)
        known = self._index.find(wholes)
        if same := self._same(text, known.between(0, 1)):
            return same
        marks = _Marks(text)
        found = self._alike(text, marks) or self._meant(text, vector)
        if found is None:
            numbered = any(self._at(place)[1].masked == text.masked for place in known.between(1, 2).tolist())
            self.numbered += numbered
            self._keep(text, name, marks, wholes[: 1 if numbered else 2])
            if self._meanings is not None and vector is not None:
                self._meanings.add(len(self) - 1, vector)
        return found

    def _same(self, text: Text, places: Rows) -> Copy | None:
        for name, kept in map(self._at, places.tolist()):
            if kept.plain == text.plain:
                return Copy(name, alike(text, kept, self._near) or Alike("exact", 1.0))
        return None

    def _alike(self, text: Text, marks: _Marks) -> Copy | None:
        """The first that is surely a copy; else the most similar one, unless the text is one of many by a template."""
        doubtful: list[Copy] = []
        family = 0
        for name, kept in map(self._at, self._likely(marks)):
            found = alike(text, kept, self._near)
            if found is None:
                continue
            if found.is_copy and not found.numbers:
                return Copy(name, found)
            if found.is_copy:
                doubtful.append(Copy(name, found))
            family += found.numbers > 0
        if not doubtful or family > _FAMILY:
            return None
        return max(doubtful, key=lambda copy: copy.alike.similarity)

    def _meant(self, text: Text, vector: NDArray[np.float16] | None) -> Copy | None:
        """A text of the same meaning and with the same numbers, of which a vector tells little.

        The smallest numbers are as often words of the sentence, as in "one of the two", and count where there are no
        others only.
        """
        if self._meanings is None or vector is None:
            return None
        for place, similarity in self._meanings.nearest(vector):
            name, kept = self._at(place)
            if _telling(kept) == _telling(text):
                return Copy(name, Alike("semantic", similarity))
        return None

    def _likely(self, marks: _Marks) -> list[int]:
        """Places of kept texts that may be alike, the likeliest first."""
        hits = self._index.find(marks.sought)
        banded, more_banded = self._by_bands(marks, hits.between(0, _BANDS))
        anchored, more_anchored = self._by_anchors(marks, hits.between(_BANDS, len(marks.sought)))
        self.capped += hits.more or more_banded or more_anchored
        return [*dict.fromkeys([*banded, *anchored])]

    def _by_bands(self, marks: _Marks, found: Rows) -> tuple[list[int], bool]:
        places = np.unique(found)
        agreeing = np.count_nonzero(self._signatures[places] == marks.signature, axis=1)
        return _best(places, agreeing, agreeing >= _LEAST_ALIKE * _PERMUTATIONS)

    def _by_anchors(self, marks: _Marks, found: Rows) -> tuple[list[int], bool]:
        """Those of whose anchors, or of this text's, half are shared."""
        places, shared = np.unique(found, return_counts=True)
        return _best(places, shared, 2 * shared >= np.minimum(self._anchored[places], max(len(marks.anchors), 1)))

    def _keep(self, text: Text, name: str, marks: _Marks, wholes: NDArray[np.uint32]) -> None:
        place = self._texts.add(f"{len(name)} {name}{text.line}")
        self._index.add(place, np.concatenate([wholes, marks.bands, marks.anchors]))
        if place >= len(self._signatures):
            self._signatures = np.resize(self._signatures, (place * 9 // 8, _PERMUTATIONS))
            self._anchored = np.resize(self._anchored, place * 9 // 8)
        self._signatures[place] = marks.signature
        self._anchored[place] = len(marks.anchors)

    def _at(self, place: int) -> tuple[str, Text]:
        length, _, rest = self._texts[place].partition(" ")
        return rest[: int(length)], Text(rest[int(length) :], self._mask_numbers)


def _best(places: Rows, scores: NDArray[np.intp], fit: NDArray[np.bool_]) -> tuple[list[int], bool]:
    """Those with the highest scores that are fit, and whether there are more."""
    places, scores = places[fit], scores[fit]
    order = np.argsort(-scores, kind="stable")
    return places[order[:_MOST_LOOKED_AT]].tolist(), len(places) > _MOST_LOOKED_AT


def signature_of(text: Text) -> Signature:
    """MinHash of the short shingles, the lowest byte of each value: array (128,)."""
    hashes = text.short
    matrix = RMinHash.digest_matrix_from_flat_token_hashes(
        hashes, np.array([0, len(hashes)], np.uint64), _PERMUTATIONS, _SEED
    )
    return np.array(matrix.to_rows()[0], np.uint32).astype(np.uint8)


def _telling(text: Text) -> list[str]:
    return sorted([number for number in text.numbers if number not in ("0", "1", "2")] or text.numbers)


def _wholes(text: Text) -> NDArray[np.uint32]:
    """Hashes of the whole text, and of it without numbers: of those that differ in these only, the first is noted."""
    return np.array([_hash(text.plain), ~_hash(text.masked) & 0xFFFFFFFF], np.uint32)


def _hash(text: str) -> int:
    return zlib.crc32(text.encode(errors="surrogatepass"))

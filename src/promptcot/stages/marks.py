"""Index keys for finding near copies of a text: the MinHash signature of its short shingles, and its long shingles.

Computed for many texts at once, because a set may have a million. `copies` decides what is looked up by them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rensa import RMinHash  # type: ignore[import-untyped]

from promptcot.core.overlap.near import Text
from promptcot.core.overlap.shingles import Hashed, Runs, anchors

PERMUTATIONS = 128
_SEED = 1
_AT_ONCE = 64
"""The number of texts whose hashes fit into a processor's cache together."""


@dataclass(frozen=True, slots=True)
class Marks:
    """Texts, by their `lines` (`near.Text`), with 32-bit hashes of each.

    `wholes`, array (texts, 2), has the hashes of the text and of the text without numbers; `signatures`, array
    (texts, 128), the lowest byte of each MinHash value. `long` are the runs of 8 tokens, `anchors` the few that are
    indexed.
    """

    lines: Sequence[str]
    wholes: NDArray[np.uint32]
    signatures: NDArray[np.uint8]
    long: Runs
    anchors: Runs

    def __len__(self) -> int:
        return len(self.lines)

    def only(self, places: Sequence[int]) -> Marks:
        """The marks of the texts at these places."""
        return Marks(
            [self.lines[place] for place in places],
            self.wholes[places],
            self.signatures[places],
            self.long.only(places),
            self.anchors.only(places),
        )


def marks_of(problems: Sequence[str], mask_numbers: bool = False) -> Marks:
    """The marks of problems as written; with `mask_numbers`, of their texts without the values of numbers."""
    texts = [Text.of(problem, mask_numbers) for problem in problems]
    parts = [_marks(texts[first : first + _AT_ONCE]) for first in range(0, max(1, len(texts)), _AT_ONCE)]
    return Marks(
        [text.line for text in texts],
        np.concatenate([some.wholes for some in parts]),
        np.concatenate([some.signatures for some in parts]),
        _together([some.long for some in parts]),
        _together([some.anchors for some in parts]),
    )


def _marks(texts: Sequence[Text]) -> Marks:
    hashed = Hashed([text.plain for text in texts])
    wholes = np.stack([hashed.whole(), hashed.masked()], axis=1).astype(np.uint32)
    long = hashed.long()
    long = Runs(long.hashes.astype(np.uint32), long.starts)
    return Marks([], wholes, _signatures(hashed.short()), long, anchors(long))


def _signatures(short: Runs) -> NDArray[np.uint8]:
    """MinHash of each text: array (texts, 128)."""
    matrix = RMinHash.digest_matrix_from_flat_token_hashes(
        short.hashes, short.starts.astype(np.uint64), PERMUTATIONS, _SEED
    )
    rows = np.array(matrix.to_rows(), np.uint32).reshape(len(short.starts) - 1, PERMUTATIONS)
    return rows.astype(np.uint8)


def _together(runs: Sequence[Runs]) -> Runs:
    counts = np.concatenate([np.diff(one.starts) for one in runs])
    return Runs(np.concatenate([one.hashes for one in runs]), np.append(0, np.cumsum(counts)))

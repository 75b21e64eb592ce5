"""A memory-mapped store of token ids on disk, with counts of dropped rows.

A store is a folder of columns, or several of them concatenated. `tokens` decides how a folder is written and named.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from promptcot.core.units import counted
from promptcot.storage.checked import read_document
from promptcot.training.data.encoding import Ids, Mask
from promptcot.training.data.reasons import ways_out
from promptcot.training.files import DROPPED

COLUMNS: dict[str, type[np.generic]] = {
    "tokens": np.int32,  # the tokens of all rows, prompts and completions
    "lengths": np.int32,  # tokens of each row
    "prompts": np.int32,  # the number of tokens in the prompt
    "asked": np.int64,  # a hash of the prompt's text
    "ids": np.uint8,  # the ids of the rows, in UTF-8
    "id_lengths": np.int32,
}
LEARNT = "learnt"
"""An additional column if the loss is not on completions alone: a bit for each token; each row begins with a byte."""

STORE, SUMS = "store.json", "checksums"
_READ_AT_ONCE = 1 << 20


@dataclass(frozen=True, slots=True)
class StoreCounts:
    """The outcomes of the rows. `dropped`, `cut` and `remarks` are of all data, even if some rows are held out."""

    rows_in: int = 0
    kept: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    cut: int = 0
    held_out: int = 0
    tokens: int = 0
    completion_tokens: int = 0
    read_as: tuple[str, ...] = ()
    """The mapping of columns of each file."""
    remarks: dict[str, int] = field(default_factory=dict)
    """Rows that are used with a warning."""
    drawn: int = 0
    """The rows of an epoch of a mix (and above, its tokens); 0 without a mix."""
    mix: tuple[str, ...] = ()
    """How often the rows of each source are seen."""

    def __str__(self) -> str:
        lost = [f"{count:,} dropped ({reason})" for reason, count in self.dropped.items()]
        cut = [f"{counted(self.cut, 'completion')} cut by the window"] if self.cut else []
        noted = [f"{count:,} × {remark}" for remark, count in self.remarks.items()]
        apart = [f"{self.held_out:,} in the other part of the validation split"] if self.held_out else []
        epoch = [f"an epoch draws {self.drawn:,}"] if self.drawn else []
        tokens = f"{counted(self.tokens, 'token')}, {self.completion_tokens:,} of them with a loss"
        return "; ".join(
            [f"{counted(self.rows_in, 'row')}, {self.kept:,} kept", *lost, *cut, *noted, *apart, *epoch, tokens]
        )

    @property
    def lines(self) -> list[str]:
        """The summary for the user, with remedies for dropped rows at the end."""
        return [*self.read_as, str(self), *self.mix, *ways_out([*self.dropped, *self.remarks], "sft")]


def joined(counts: Sequence[StoreCounts]) -> StoreCounts:
    """The counts of several stores combined."""
    return StoreCounts(
        rows_in=sum(one.rows_in for one in counts),
        kept=sum(one.kept for one in counts),
        dropped=_summed(one.dropped for one in counts),
        cut=sum(one.cut for one in counts),
        read_as=tuple(line for one in counts for line in one.read_as),
        remarks=_summed(one.remarks for one in counts),
    )


def _summed(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    found: Counter[str] = Counter()
    for one in counts:
        found.update(one)
    return dict(found)


class _Part:
    """One folder: its columns, and the position of each of its rows in them."""

    def __init__(self, folder: Path) -> None:
        names = {**COLUMNS, **({LEARNT: np.uint8} if (folder / f"{LEARNT}.bin").exists() else {})}
        self.columns = {name: np.asarray(mapped(folder / f"{name}.bin", kind)) for name, kind in names.items()}
        self._ends = np.cumsum(self.columns["lengths"], dtype=np.int64)

    def __len__(self) -> int:
        return len(self._ends)

    def row(self, i: int) -> tuple[Ids, int]:
        end, length = self._ends[i], self.columns["lengths"][i]
        return self.columns["tokens"][end - length : end], int(self.columns["prompts"][i])

    def learnt(self, i: int) -> Mask:
        length = int(self.columns["lengths"][i])
        if LEARNT not in self.columns:
            return np.asarray(np.arange(length) >= self.columns["prompts"][i])
        end = self._byte_ends[i]
        bits = self.columns[LEARNT][end - -(-length // 8) : end]
        return np.unpackbits(bits, count=length).astype(np.bool_)

    def id(self, i: int) -> str:
        end = self._id_ends[i]
        return bytes(self.columns["ids"][end - self.columns["id_lengths"][i] : end]).decode()

    @cached_property
    def learnt_tokens(self) -> NDArray[np.int64]:
        """The number of tokens with a loss in each row."""
        if LEARNT not in self.columns:
            return np.asarray(self.columns["lengths"] - self.columns["prompts"], np.int64)
        before = np.concatenate([[0], np.cumsum(np.bitwise_count(self.columns[LEARNT]), dtype=np.int64)])
        ends = self._byte_ends
        return np.asarray(before[ends] - before[np.concatenate([[0], ends[:-1]])])

    @cached_property
    def _byte_ends(self) -> NDArray[np.int64]:
        return np.cumsum(-(-self.columns["lengths"] // 8), dtype=np.int64)

    @cached_property
    def _id_ends(self) -> NDArray[np.int64]:
        return np.cumsum(self.columns["id_lengths"], dtype=np.int64)


class TokenStore:
    """Rows as token ids, read-only and memory-mapped; `len` is the number of visible rows.

    `fingerprint` is the hash of the source. `chosen` are the numbers of the visible rows, all by default; one may occur
    several times. `dropped` lists the dropped rows. `about` are the counts of the store from which an epoch draws the
    visible rows.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        fingerprint: dict[str, Any],
        chosen: NDArray[np.int64] | None = None,
        dropped: Path | None = None,
        about: StoreCounts | None = None,
    ) -> None:
        self._folders, self._chosen, self.fingerprint, self._about = tuple(folders), chosen, fingerprint, about
        self.dropped = dropped or folders[0] / DROPPED
        self._parts = [_Part(folder) for folder in folders]
        self._first = np.cumsum([0, *map(len, self._parts)])
        self._shown = np.arange(self._first[-1]) if chosen is None else chosen
        self.lengths: Ids = self._column("lengths")

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders of the columns."""
        return self._folders

    def __reduce__(self) -> tuple[Any, ...]:
        return TokenStore, (self._folders, self.fingerprint, self._chosen, self.dropped, self._about)

    def __len__(self) -> int:
        return len(self._shown)

    def row(self, i: int) -> tuple[Ids, int]:
        """The ids of prompt and completion, and the number of the prompt's."""
        part, place = self._at(i)
        return part.row(place)

    def learnt(self, i: int) -> Mask:
        """Which tokens of a row have a loss: those of the completion, and of earlier answers if these have one too."""
        part, place = self._at(i)
        return part.learnt(place)

    def id(self, i: int) -> str:
        """The id of a row."""
        part, place = self._at(i)
        return part.id(place)

    def slice(self, rows: Sequence[int] | NDArray[np.int64]) -> TokenStore:
        """The same store, showing only these of its rows."""
        return self._showing(self._shown[np.asarray(rows, np.int64)], self.fingerprint)

    def drawn(self, rows: NDArray[np.int64], fingerprint: dict[str, Any], mix: Sequence[str]) -> TokenStore:
        """The rows that an epoch draws from these; some may occur several times."""
        about = replace(self.counts, drawn=len(rows), mix=tuple(mix))
        return self._showing(self._shown[rows], fingerprint, about)

    def _showing(
        self, chosen: NDArray[np.int64], fingerprint: dict[str, Any], about: StoreCounts | None = None
    ) -> TokenStore:
        return TokenStore(self._folders, fingerprint, chosen, self.dropped, about)

    @cached_property
    def counts(self) -> StoreCounts:
        """The outcomes of all rows, and the number of tokens of the visible ones."""
        tokens = int(self.lengths.sum(dtype=np.int64))
        learnt = np.concatenate([part.learnt_tokens for part in self._parts])[self._shown]
        if self._about is not None:
            return replace(self._about, tokens=tokens, completion_tokens=int(learnt.sum()))
        made = joined([StoreCounts(**told(folder)[0]) for folder in self._folders])
        shown = replace(made, kept=len(self), held_out=made.kept - len(self))
        return replace(shown, tokens=tokens, completion_tokens=int(learnt.sum()))

    @property
    def asked(self) -> NDArray[np.int64]:
        """A hash of each row's prompt."""
        return self._column("asked")

    @property
    def parts(self) -> list[NDArray[np.int64]]:
        """Which of the visible rows are in each folder."""
        part = np.searchsorted(self._first, self._shown, "right") - 1
        return [np.flatnonzero(part == number) for number in range(len(self._parts))]

    def _at(self, i: int) -> tuple[_Part, int]:
        number = self._shown[i]
        part = int(np.searchsorted(self._first, number, "right")) - 1
        return self._parts[part], int(number - self._first[part])

    def _column(self, name: str) -> NDArray[Any]:
        columns = [part.columns[name] for part in self._parts]
        return (columns[0] if len(columns) == 1 else np.concatenate(columns))[self._shown]


def is_whole(folder: Path) -> bool:
    """Whether a store exists, with all its files unchanged."""
    try:
        _, sums = told(folder)
        files = {path.name: path for path in folder.iterdir()}
        if any(checksum(files[name]) != known for name, known in sums.items()):
            return False
        tokens = int(mapped(folder / "lengths.bin", np.int32).sum(dtype=np.int64))
        return (folder / "tokens.bin").stat().st_size == tokens * np.dtype(np.int32).itemsize
    except (OSError, KeyError, TypeError, ValueError):
        return False


def told(folder: Path) -> tuple[dict[str, Any], dict[str, int]]:
    """The counts of a store, and the checksums of its files, which stores of earlier versions lack.

    Raises ValueError if the record is damaged.
    """
    found = read_document(folder / STORE)
    if found is None:
        raise ValueError(f"{folder / STORE} is not there, or is damaged")
    sums = found.pop(SUMS, {})
    return found, sums


def checksum(path: Path) -> int:
    """CRC-32 of a file's content."""
    found = 0
    with path.open("rb") as file:
        while piece := file.read(_READ_AT_ONCE):
            found = zlib.crc32(piece, found)
    return found


def mapped(path: Path, kind: type[np.generic]) -> NDArray[Any]:
    """A column; an empty file cannot be mapped."""
    return np.memmap(path, kind, "r") if path.stat().st_size else np.empty(0, kind)

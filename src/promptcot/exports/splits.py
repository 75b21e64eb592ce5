"""Assigns each example to train, validation or test, without leakage between the splits.

Decides which problems are too similar to be in different splits: those that share half of their concepts, or half of
the character shingles of their texts, and everything connected to them (`core.overlap.groups`). If the groups become
too large for the requested shares, a stricter threshold is used; the threshold and the sizes of the groups are
reported. A problem that resembles a held-out problem, but is not in its group, is dropped. The choice of held-out
groups depends on ids and the seed (`core.overlap.drawing`). Examples are buffered in a file until the last has been
read; about 70 bytes of each are in memory.
"""

from __future__ import annotations

import hashlib
import pickle
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain, islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from promptcot.core.measures.facts import concepts_of
from promptcot.core.overlap.drawing import draw, met
from promptcot.core.overlap.groups import WIDTH, Concepts, Groups, crossing, join_by_concepts, join_by_texts
from promptcot.errors import UsageError
from promptcot.exports.examples import Example
from promptcot.records import Message, derive_seed
from promptcot.stages.marking import marked
from promptcot.stages.marks import Marks
from promptcot.storage.atomic import storing
from promptcot.storage.rows import hash_id

if TYPE_CHECKING:
    from promptcot.exports.formats.format import Split

DEGREES = (0.5, 0.6, 0.75, 0.9)
"""The similarity thresholds for grouping two problems; the first one at which the shares are possible is used. With the
last, concepts have to be equal.
"""
_READ_AT_ONCE = 1 << 16
_LONGEST = 20_000
_FEW = 4
"""The number of chunks below which starting a process does not pay."""
_HELD_OUT: tuple[Split, ...] = ("test", "validation")
NAMES: tuple[Split, ...] = ("train", *_HELD_OUT)
"""Splits by their number in this module."""


@dataclass(frozen=True, slots=True)
class Shares:
    """The held-out shares of the examples, and the `seed` of the choice. Raises UsageError."""

    validation: float = 0.0
    test: float = 0.0
    seed: int = 8000

    def __post_init__(self) -> None:
        if min(self.validation, self.test) < 0 or not self.validation + self.test < 1:
            raise UsageError(
                f"validation {self.validation:g} and test {self.test:g}: give shares of at least 0, together below 1"
            )

    def rows(self, of: int) -> list[int]:
        """The number of examples for each held-out split: test, validation."""
        return [round(share * of) or int(share > 0 and of > len(NAMES)) for share in (self.test, self.validation)]


@dataclass(slots=True)
class Held:
    """The outcome of a split: the split of each example, or that it is dropped; and messages."""

    splits: NDArray[np.uint8]
    left_out: dict[int, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)


Chunk = tuple[list[Example], list["Split | str"]]
"""A batch of examples, each with its split or the reason for dropping it."""


def divided(
    chunks: Iterable[list[Example]], shares: Shares, scratch: Path, tell: Callable[[str], None]
) -> Iterator[Chunk]:
    """Examples with their splits. `scratch` is a folder for files, which the caller removes."""
    if not (shares.validation or shares.test):
        for chunk in chunks:
            yield chunk, ["train"] * len(chunk)
        return
    waiting = _Waiting(scratch, shares.seed)
    with storing(scratch):
        waiting.take(chunks)
        if not len(waiting):
            return
        held = _drawn(waiting, shares)
    for line in held.lines:
        tell(line)
    for first, chunk in waiting.again():
        splits = [NAMES[number] for number in held.splits[first : first + len(chunk)].tolist()]
        yield chunk, [held.left_out.get(first + place, split) for place, split in enumerate(splits)]


class _Waiting:
    """Examples in a file, with their signatures in another; in memory, their concepts and hashes of their ids."""

    def __init__(self, scratch: Path, seed: int) -> None:
        self._path = scratch / "examples"
        self._seed = seed
        self.signatures = _Signatures(scratch / "signatures")
        self.concepts = Concepts()
        self._keys = array("Q")

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def keys(self) -> NDArray[np.uint64]:
        """Hashes of ids with the seed."""
        return np.frombuffer(self._keys, np.uint64)

    def take(self, chunks: Iterable[list[Example]]) -> None:
        """Store all examples; for more than a few, another process computes the signatures."""
        coming = iter(chunks)
        first = list(islice(coming, _FEW))
        with self._path.open("wb") as file, self.signatures.path.open("wb") as signatures:
            kept = self._kept(chain(first, coming), file)
            for texts, marks in marked(kept, False, len(first) == _FEW):
                signatures.write(_signatures(marks, texts).tobytes())

    def _kept(self, chunks: Iterable[list[Example]], file: IO[bytes]) -> Iterator[tuple[list[str], list[str]]]:
        for chunk in chunks:
            pickle.dump([*map(_packed, chunk)], file, pickle.HIGHEST_PROTOCOL)
            self._keys.extend(derive_seed(self._seed, one.id) << 32 | hash_id(one.id) & 0xFFFFFFFF for one in chunk)
            self.concepts.add([[*map(_concept, concepts_of(dict(one.extra)))] for one in chunk])
            texts = [(one.problem or one.messages[-1].content)[:_LONGEST] for one in chunk]
            yield texts, texts

    def again(self) -> Iterator[tuple[int, list[Example]]]:
        """The examples, some at a time, with the number of the first of them."""
        first = 0
        with self._path.open("rb") as file:
            while first < len(self):
                chunk = [*map(_unpacked, pickle.load(file))]
                yield first, chunk
                first += len(chunk)


def _packed(one: Example) -> tuple[Any, ...]:
    """An example as plain values, which are written and read several times faster."""
    chat = [(message.role, message.content) for message in one.messages]
    texts = (one.problem, one.answer, one.completion, one.chosen, one.rejected)
    return one.id, one.prompt, chat, *texts, one.extra


def _unpacked(values: tuple[Any, ...]) -> Example:
    name, prompt, chat, *rest = values
    return Example(name, prompt, [Message(*turn) for turn in chat], *rest)


@lru_cache(maxsize=1 << 16)
def _concept(name: str) -> int:
    """A concept as a case-insensitive hash."""
    return hash_id(" ".join(name.casefold().split()))


def _signatures(marks: Marks, texts: Sequence[str]) -> NDArray[np.uint8]:
    """The signatures of texts; a text without tokens gets a unique one."""
    found = marks.signatures.copy()
    for place, line in enumerate(marks.lines):
        if not line:
            digest = hashlib.shake_128(texts[place].encode(errors="surrogatepass")).digest(WIDTH)
            found[place] = np.frombuffer(digest, np.uint8)
    return found


class _Signatures:
    """Signatures in a file, read each time, so that they are not kept in memory."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __len__(self) -> int:
        return self.path.stat().st_size // WIDTH

    def columns(self, first: int, width: int) -> NDArray[np.uint8]:
        """Some bytes of each signature, array (rows, width); behind the last byte comes the first."""
        found, places = np.empty((len(self), width), np.uint8), np.arange(first, first + width) % WIDTH
        with self.path.open("rb") as file:
            for start in range(0, len(self), _READ_AT_ONCE):
                some = np.fromfile(file, np.uint8, _READ_AT_ONCE * WIDTH).reshape(-1, WIDTH)
                found[start : start + len(some)] = some[:, places]
        return found

    def rows(self, places: NDArray[np.integer]) -> NDArray[np.uint8]:
        """Whole signatures of some rows: array (places, 128)."""
        if not len(places):
            return np.empty((0, WIDTH), np.uint8)
        return np.asarray(np.memmap(self.path, np.uint8, "r", shape=(len(self), WIDTH))[places])


def _drawn(waiting: _Waiting, shares: Shares) -> Held:
    rows = len(waiting)
    wanted, tried = shares.rows(rows), ""
    for degree in DEGREES:
        heads = _grouped(waiting, degree)
        splits = draw(heads, waiting.keys, wanted)
        had = np.bincount(splits, minlength=len(NAMES))[1:].tolist()
        largest = int(np.bincount(heads, minlength=1).max(initial=0))
        if all(map(met, had, wanted)):
            break
        tried = tried or f"one group of similar problems ({_alike(degree)}) has {largest:,} of {rows:,} rows"
    held = Held(splits)
    _settle(held, waiting, degree)
    groups = len(np.unique(heads))
    count = f"{groups:,} groups" if groups > 1 else "one group"
    held.lines.append(f"splits: {count} of similar problems ({_alike(degree)}); the largest has {largest:,}")
    if degree != DEGREES[0]:
        held.lines.append(
            f"splits: {tried}, too many for these shares, so problems of that similarity may be in different splits"
        )
    for name, got, asked in zip(_HELD_OUT, had, wanted, strict=True):
        if not met(got, asked):
            held.lines.append(f"splits: {name} has {got:,} of the {asked:,} requested rows: no other group fits")
        if not asked and getattr(shares, name):
            held.lines.append(
                f"splits: {name} has no rows: {getattr(shares, name):g} of {rows:,} rows is less than one"
            )
    if rows == sum(had):
        held.lines.append("splits: train has no rows, because all of them are held out; choose smaller shares")
    if waiting.concepts.without:
        held.lines.append(
            f"splits: {waiting.concepts.without:,} of {rows:,} rows have no concepts; only their texts were compared"
        )
    return held


def _alike(degree: float) -> str:
    if degree == DEGREES[-1]:
        return f"the same concepts, or a similarity of texts of at least {degree:g}"
    return f"a similarity of concepts or texts of at least {degree:g}"


def _grouped(waiting: _Waiting, degree: float) -> NDArray[np.int32]:
    groups = Groups(len(waiting))
    join_by_concepts(groups, waiting.concepts, 1.0 if degree == DEGREES[-1] else degree)
    join_by_texts(groups, waiting.signatures, degree)
    return groups.heads()


def _settle(held: Held, waiting: _Waiting, degree: float) -> None:
    """Drop training and validation examples that resemble a held-out problem outside of their group."""
    found = crossing(waiting.signatures, held.splits, degree)
    for place in np.flatnonzero(found).tolist():
        held.left_out[place] = f"near copy of a {NAMES[found[place]]} row"

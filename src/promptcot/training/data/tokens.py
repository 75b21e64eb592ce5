"""The tokens of all rows in one file: every text encoded once, kept for the next start, mapped and not loaded.

Decides what does not fit the window (a prompt without room for an answer is dropped, an answer is cut or dropped, all
of them counted), where the file lies and what it is known by, and which rows are held out for validation. A store is
made under a temporary name and appears whole; of several processes one makes it and the others wait.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from promptcot.errors import InputError
from promptcot.storage.atomic import storing, sync
from promptcot.storage.checked import read_document, write_document
from promptcot.storage.json import dumps
from promptcot.storage.rows import hash_id
from promptcot.storage.sources import cache_folder
from promptcot.training.data.encoding import Encoder, Ids, tokenizer_hash
from promptcot.training.data.rows import Example, Rejected, examples, fingerprint
from promptcot.training.files import DROPPED
from promptcot.training.recipe import Data, TrainRecipe

_VERSION = 3
_COLUMNS: dict[str, type[np.generic]] = {
    "tokens": np.int32,  # all rows, prompts and completions
    "lengths": np.int32,  # of each row
    "prompts": np.int32,  # how many of these are the prompt's
    "asked": np.int64,  # a hash of the prompt's text
    "ids": np.uint8,  # of the rows, in UTF-8
    "id_lengths": np.int32,
}
_STORE, _SUMS = "store.json", "checksums"
_READ_AT_ONCE = 1 << 20
"""The rows that are left out, with their reasons; in the store, and beside the trained model."""

_BATCH_CHARACTERS, _BATCH_ROWS = 1 << 20, 1024


@dataclass(frozen=True, slots=True)
class StoreCounts:
    """What became of the rows. `dropped` and `cut` are those of all data, also where some rows are held out."""

    rows_in: int = 0
    kept: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    cut: int = 0
    held_out: int = 0
    tokens: int = 0
    completion_tokens: int = 0
    read_as: tuple[str, ...] = ()
    """Which columns of which file were taken for what."""

    def __str__(self) -> str:
        lost = [f"{count:,} dropped ({reason})" for reason, count in self.dropped.items()]
        cut = [f"{self.cut:,} completions cut by the window"] if self.cut else []
        apart = [f"{self.held_out:,} on the other side of the validation"] if self.held_out else []
        tokens = f"{self.tokens:,} tokens, {self.completion_tokens:,} of them to be learnt"
        return "; ".join([f"{self.rows_in:,} rows, {self.kept:,} kept", *lost, *cut, *apart, tokens])


class TokenStore:
    """Rows as token ids, read-only and memory-mapped; `len` is the number of rows kept.

    `fingerprint` says what they were made of. `chosen` are the numbers of the rows to show, all by default.
    """

    def __init__(self, folder: Path, fingerprint: dict[str, Any], chosen: NDArray[np.int64] | None = None) -> None:
        self._folder, self._chosen, self.fingerprint = folder, chosen, fingerprint
        self._whole = {name: np.asarray(_mapped(folder / f"{name}.bin", kind)) for name, kind in _COLUMNS.items()}
        self._made = StoreCounts(**_told(folder)[0])
        self._ends = np.cumsum(self._whole["lengths"], dtype=np.int64)
        self._shown = np.arange(len(self._ends)) if chosen is None else chosen
        self.lengths: Ids = self._whole["lengths"][self._shown]

    def __reduce__(self) -> tuple[Any, ...]:
        return TokenStore, (self._folder, self.fingerprint, self._chosen)

    def __len__(self) -> int:
        return len(self._shown)

    @property
    def dropped(self) -> Path:
        """Where the rows that were left out are listed."""
        return self._folder / DROPPED

    def row(self, i: int) -> tuple[Ids, int]:
        """The ids of prompt and completion, and how many of them are the prompt's."""
        number = self._shown[i]
        end = self._ends[number]
        return self._whole["tokens"][end - self._whole["lengths"][number] : end], int(self._whole["prompts"][number])

    def id(self, i: int) -> str:
        number = self._shown[i]
        end = self._id_ends[number]
        return bytes(self._whole["ids"][end - self._whole["id_lengths"][number] : end]).decode()

    def slice(self, rows: Sequence[int] | NDArray[np.int64]) -> TokenStore:
        """The same store, showing only these of its rows."""
        return TokenStore(self._folder, self.fingerprint, self._shown[np.asarray(rows, np.int64)])

    @cached_property
    def counts(self) -> StoreCounts:
        tokens = int(self.lengths.sum(dtype=np.int64))
        prompts = int(self._whole["prompts"][self._shown].sum(dtype=np.int64))
        shown = replace(self._made, kept=len(self), held_out=self._made.kept - len(self))
        return replace(shown, tokens=tokens, completion_tokens=tokens - prompts)

    @property
    def asked(self) -> NDArray[np.int64]:
        """A hash of each row's prompt."""
        return self._whole["asked"][self._shown]

    @cached_property
    def _id_ends(self) -> NDArray[np.int64]:
        return np.cumsum(self._whole["id_lengths"], dtype=np.int64)


Reader = Callable[[Data, Any, Callable[[str], None]], Iterator[Example | Rejected]]
"""From where rows are, with the tokenizer and whoever hears how they are read, to the rows."""


def open_store(
    recipe: TrainRecipe,
    tokenizer: Any,
    *,
    cache: Path | None = None,
    which: Literal["train", "validation"] = "train",
    read: Reader = examples,
) -> TokenStore:
    """The tokens of a recipe's rows, made where they are not in the cache yet (`$PROMPTCOT_CACHE`, ~/.cache/promptcot).

    `read` makes examples of rows; whatever is not `examples` is part of what a store is known by.
    Where `data.validation` is a share, both sides come from one store; rows that share a prompt are on one side. Raises
    InputError where no row is left, and StorageError.
    """
    data, share = recipe.data, recipe.data.validation
    if which == "validation" and isinstance(share, str):
        data = data.model_copy(update={"path": [share], "limit": None})
    settings = {
        "version": _VERSION,
        "window": recipe.schedule.max_length,
        "overlong": recipe.method.overlong,
        **data.model_dump(include={"chat", "limit", "split", "columns"}),
        **({} if read is examples else {"read": read.__name__}),
    }
    hashes, rules = fingerprint(data), tokenizer_hash(tokenizer)
    folder = (cache or cache_folder()) / "tokens" / _key([*hashes.values()], rules, settings)
    made_of = {"data": hashes, "tokenizer": rules, "settings": settings}
    with _waiting(folder.with_name(folder.name + ".lock")):
        if not _is_whole(folder):
            _make(folder, Encoder(tokenizer), data, recipe, read)
    if isinstance(share, str):
        return TokenStore(folder, made_of)
    return side_of(TokenStore(folder, {**made_of, "held_out": share}), share, which)


def _key(*parts: Any) -> str:
    return hashlib.blake2b(json.dumps(parts).encode(), digest_size=16).hexdigest()


def side_of(store: TokenStore, share: float, which: str) -> TokenStore:
    """The rows to train on, or those held out: the ones whose prompts have the smallest hashes, at least one.

    Raises InputError where nothing is held out, or nothing left.
    """
    if not share:
        if which == "validation":
            raise InputError("data.validation is 0, so no rows are held out; set it to a share or to a file")
        return store
    last = np.sort(store.asked)[max(1, round(share * len(store))) - 1]
    held_out = store.asked <= last
    if held_out.all():
        raise InputError(
            f"data.validation = {share} leaves no row to train on: all {len(store)} have too few prompts to divide; "
            "set it to 0 or to a file"
        )
    return store.slice(np.flatnonzero(held_out if which == "validation" else ~held_out))


@contextmanager
def _waiting(path: Path) -> Iterator[None]:
    """Hold a lock file; wait while another process holds it, for it is making what we need. Raises StorageError."""
    with storing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(handle)


def _is_whole(folder: Path) -> bool:
    """Whether a store is there, with all its files as they were written."""
    try:
        _, sums = _told(folder)
        files = {path.name: path for path in folder.iterdir()}
        if any(_checksum(files[name]) != known for name, known in sums.items()):
            return False
        tokens = int(_mapped(folder / "lengths.bin", np.int32).sum(dtype=np.int64))
        return (folder / "tokens.bin").stat().st_size == tokens * np.dtype(np.int32).itemsize
    except (OSError, KeyError, TypeError, ValueError):
        return False


def _told(folder: Path) -> tuple[dict[str, Any], dict[str, int]]:
    """The counts of a store, and the checksums of its files, which those of earlier versions do not have.

    Raises ValueError where this is damaged.
    """
    found = read_document(folder / _STORE)
    if found is None:
        raise ValueError(f"{folder / _STORE} is not there, or is damaged")
    sums = found.pop(_SUMS, {})
    return found, sums


def _checksum(path: Path) -> int:
    found = 0
    with path.open("rb") as file:
        while piece := file.read(_READ_AT_ONCE):
            found = zlib.crc32(piece, found)
    return found


def _mapped(path: Path, kind: type[np.generic]) -> NDArray[Any]:
    return np.memmap(path, kind, "r") if path.stat().st_size else np.empty(0, kind)


def _make(folder: Path, encoder: Encoder, data: Data, recipe: TrainRecipe, read: Reader) -> None:
    """Write a store. Raises InputError where no row is left, and StorageError."""
    partial = folder.with_name(folder.name + ".partial")
    with storing(partial):
        for left_over in (partial, folder):
            shutil.rmtree(left_over, ignore_errors=True)
        partial.mkdir(parents=True)
    try:
        told: list[str] = []
        rows, drop = read(data, encoder.tokenizer, told.append), recipe.method.overlong == "drop"
        counts = _write(partial, encoder, rows, recipe.schedule.max_length, drop)
        counts = replace(counts, read_as=tuple(told))
        if not counts.kept:
            why = ", ".join(f"{count:,} × {reason}" for reason, count in counts.dropped.items()) or "there are none"
            window = f"; the window is schedule.max_length = {recipe.schedule.max_length:,} tokens"
            raise InputError(f"{', '.join(data.path)}: no row is left to train on: {why}{window}")
        sums = {path.name: _checksum(path) for path in sorted(partial.iterdir())}
        write_document(partial / _STORE, {**asdict(counts), _SUMS: sums})
        with storing(folder):
            sync(partial)
            os.replace(partial, folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _write(folder: Path, encoder: Encoder, rows: Iterable[Example | Rejected], window: int, drop: bool) -> StoreCounts:
    dropped: Counter[str] = Counter()
    kept = cut = seen = 0
    with ExitStack() as opened:
        files = {name: opened.enter_context(_written(folder / f"{name}.bin")) for name in _COLUMNS}
        left_out = opened.enter_context(_written(folder / DROPPED))

        def append(**values: Any) -> None:
            for name, value in values.items():
                files[name].write(np.asarray(value, _COLUMNS[name]).tobytes())

        def leave_out(name: str, reason: str) -> None:
            dropped[reason] += 1
            with storing(folder):
                left_out.write(dumps({"id": name, "reason": reason}))

        for batch in _batches(rows):
            seen += len(batch)
            usable = [row for row in batch if isinstance(row, Example)]
            for row in batch:
                if isinstance(row, Rejected):
                    leave_out(row.id, row.reason)
            for example, (prompt, completion) in zip(usable, encoder(usable), strict=True):
                length = len(prompt) + len(completion)
                reason = "too long" if drop and length > window else None
                reason = encoder.misfit(prompt, completion, example.chat, window) or reason
                if reason is not None:
                    leave_out(example.id, reason)
                    continue
                name = np.frombuffer(example.id.encode(errors="replace"), np.uint8)
                kept, cut = kept + 1, cut + (length > window)
                with storing(folder):
                    append(tokens=prompt, lengths=min(length, window), prompts=len(prompt), ids=name)
                    append(asked=hash_id(example.prompt), id_lengths=len(name))
                    files["tokens"].write(completion[: window - len(prompt)].tobytes())
    for column in _COLUMNS:
        with storing(folder):
            sync(folder / f"{column}.bin")
    return StoreCounts(seen, kept, dict(dropped), cut)


@contextmanager
def _written(path: Path) -> Iterator[BinaryIO]:
    """A file to be written; what is left in its buffer may be refused when it is closed. Raises StorageError."""
    with storing(path):
        file = path.open("wb", 1 << 16)
    try:
        yield file
    finally:
        with storing(path):
            file.close()


def _batches(rows: Iterable[Example | Rejected]) -> Iterator[list[Example | Rejected]]:
    """Rows by the hundred, and fewer where they are long, so that the encodings of a batch stay small."""
    batch: list[Example | Rejected] = []
    characters = 0
    for row in rows:
        batch.append(row)
        characters += len(row.prompt) + len(row.completion) if isinstance(row, Example) else 0
        if characters >= _BATCH_CHARACTERS or len(batch) == _BATCH_ROWS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch

"""Encodes every text once and caches the tokens of all rows in one folder for the next start.

Decides what happens to rows that do not fit the window (a prompt without room for an answer is dropped, an answer is
truncated or dropped, all are counted), where the cache is and what its key is, and which rows are held out for
validation. A store is written under a temporary name and appears complete; one of several processes writes it and the
others wait.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np

from promptcot.errors import InputError
from promptcot.storage.atomic import storing, sync, write_whole
from promptcot.storage.checked import write_document
from promptcot.storage.json import dumps
from promptcot.storage.rows import hash_id
from promptcot.storage.sources import cache_folder
from promptcot.training.data.encoding import Encoded, Encoder, tokenizer_hash
from promptcot.training.data.mixing import drawn, seen, shares
from promptcot.training.data.reading import Example, Rejected
from promptcot.training.data.reasons import TOO_LONG, nothing_left
from promptcot.training.data.rows import examples, fingerprint
from promptcot.training.data.store import (
    COLUMNS,
    LEARNT,
    STORE,
    SUMS,
    StoreCounts,
    TokenStore,
    checksum,
    is_whole,
)
from promptcot.training.data_recipe import Data
from promptcot.training.files import DROPPED
from promptcot.training.recipe import TrainRecipe

_VERSION = 4
_BATCH_CHARACTERS, _BATCH_ROWS = 1 << 20, 1024


Reader = Callable[[Data, Any, Callable[[str], None]], Iterator[Example | Rejected]]
"""Converts the sources of rows, with the tokenizer and a callback for messages, to rows."""


def open_store(
    recipe: TrainRecipe,
    tokenizer: Any,
    *,
    cache: Path | None = None,
    which: Literal["train", "validation"] = "train",
    read: Reader = examples,
) -> TokenStore:
    """The tokens of a recipe's rows, encoded unless cached (`$PROMPTCOT_CACHE`, ~/.cache/promptcot).

    `read` converts rows to examples; if it is not `examples`, it is part of the cache key. If `data.validation` is a
    share, both sides come from one store; rows with the same prompt are on one side. Each source of a mix has its own
    folder, and the training rows are those of an epoch. Raises InputError if no row is left, and StorageError.
    """
    data, share = recipe.data, recipe.data.validation
    if which == "validation" and isinstance(share, str):
        data = data.model_copy(update={"path": [share], "mix": [], "limit": None})
    maker = _Maker(recipe, tokenizer, (cache or cache_folder()) / "tokens", read)
    store = maker.mix(data) if data.mix else maker.one(data)
    if not isinstance(share, str):
        store.fingerprint = {**store.fingerprint, "held_out": share}
        store = side_of(store, share, which)
    return _epoch(store, data, recipe.seed) if data.mix and which == "train" else store


class _Maker:
    """Opens stores in a folder of the cache, and creates missing ones."""

    def __init__(self, recipe: TrainRecipe, tokenizer: Any, place: Path, read: Reader) -> None:
        self._recipe, self._tokenizer, self._place, self._read = recipe, tokenizer, place, read
        self._rules = tokenizer_hash(tokenizer)

    def one(self, data: Data) -> TokenStore:
        """The rows of files that are read in the same way."""
        settings = {
            "version": _VERSION,
            "window": self._recipe.schedule.max_length,
            "overlong": self._recipe.method.overlong,
            **data.model_dump(include={"chat", "limit", "split", "columns", "loss", "without_reasoning"}),
            **({} if self._read is examples else {"read": self._read.__name__}),
        }
        hashes = fingerprint(data)
        folder = self._place / _key([*hashes.values()], self._rules, settings)
        with _waiting(folder.with_name(folder.name + ".lock")):
            if not is_whole(folder):
                _make(folder, Encoder(self._tokenizer), data, self._recipe, self._read)
        return TokenStore([folder], {"data": hashes, "tokenizer": self._rules, "settings": settings})

    def mix(self, data: Data) -> TokenStore:
        """The rows of all sources, one after the other."""
        stores = [self.one(source) for source in data.sources]
        named = {f"{place}: {source.path}": source for place, source in enumerate(data.mix, 1)}
        made_of = {
            name: {**store.fingerprint, "weight": source.weight}
            for (name, source), store in zip(named.items(), stores, strict=True)
        }
        dropped = self._place / f"{_key(made_of)}.{DROPPED}"
        with _waiting(dropped.with_suffix(".lock")):
            if not dropped.exists():
                write_whole(dropped, b"".join(store.dropped.read_bytes() for store in stores))
        return TokenStore([folder for store in stores for folder in store.folders], made_of, dropped=dropped)


def _key(*parts: Any) -> str:
    return hashlib.blake2b(json.dumps(parts).encode(), digest_size=16).hexdigest()


def _epoch(store: TokenStore, data: Data, seed: int) -> TokenStore:
    """The rows of an epoch of a mix. Raises InputError for a source without rows to train on."""
    counts = shares(len(store), [source.weight for source in data.mix])
    rows, lines = [], []
    for place, (source, there, share) in enumerate(zip(data.mix, store.parts, counts, strict=True)):
        if not len(there):
            raise InputError(
                f"data.mix: {source.path}: all its rows are held out by data.validation; remove it from the mix"
            )
        rows.append(there[drawn(len(there), share, (seed, place))])
        lines.append(f"mix: {source.path}: {share:,} rows of an epoch ({source.weight:.4g}), {seen(share, len(there))}")
    return store.drawn(np.concatenate(rows), store.fingerprint, lines)


def side_of(store: TokenStore, share: float, which: str) -> TokenStore:
    """The training rows, or the held-out rows: those whose prompts have the smallest hashes, at least one.

    Raises InputError if either side would be empty.
    """
    if not share:
        if which == "validation":
            raise InputError("data.validation is 0, so no rows are held out; set it to a share or to a file")
        return store
    last = np.sort(store.asked)[max(1, round(share * len(store))) - 1]
    held_out = store.asked <= last
    if held_out.all():
        raise InputError(
            f"data.validation = {share} leaves no row to train on: the {len(store)} rows have too few distinct "
            "prompts; "
            "set it to 0 or to a file"
        )
    return store.slice(np.flatnonzero(held_out if which == "validation" else ~held_out))


@contextmanager
def _waiting(path: Path) -> Iterator[None]:
    """Hold a lock file; wait while another process holds it, because it is writing the same store. Raises
    StorageError.
    """
    with storing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(handle)


def _make(folder: Path, encoder: Encoder, data: Data, recipe: TrainRecipe, read: Reader) -> None:
    """Write a store. Raises InputError if no row is left, and StorageError."""
    partial = folder.with_name(folder.name + ".partial")
    with storing(partial):
        for left_over in (partial, folder):
            shutil.rmtree(left_over, ignore_errors=True)
        partial.mkdir(parents=True)
    try:
        said: list[str] = []
        writer = _Writer(partial, encoder, recipe, masked=data.loss == "assistant")
        counts = replace(writer.write(read(data, encoder.tokenizer, said.append)), read_as=tuple(said))
        if not counts.kept:
            kind = recipe.method.kind
            raise InputError(nothing_left(data.path, "row", counts.dropped, recipe.schedule.max_length, kind))
        sums = {path.name: checksum(path) for path in sorted(partial.iterdir())}
        write_document(partial / STORE, {**asdict(counts), SUMS: sums})
        with storing(folder):
            sync(partial)
            os.replace(partial, folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


class _Writer:
    """Writes the columns of a store into a folder. `masked` adds a column for the tokens with a loss."""

    def __init__(self, folder: Path, encoder: Encoder, recipe: TrainRecipe, masked: bool) -> None:
        self._folder, self._encoder, self._masked = folder, encoder, masked
        self._window, self._drop = recipe.schedule.max_length, recipe.method.overlong == "drop"
        self._kinds = {**COLUMNS, **({LEARNT: np.uint8} if masked else {})}
        self._files: dict[str, BinaryIO] = {}
        self._dropped: Counter[str] = Counter()
        self._remarks: Counter[str] = Counter()
        self._kept = self._cut = 0

    def write(self, rows: Iterable[Example | Rejected]) -> StoreCounts:
        """Write all rows, and their outcomes. Raises StorageError."""
        seen = 0
        with ExitStack() as opened:
            for name in self._kinds:
                self._files[name] = opened.enter_context(_written(self._folder / f"{name}.bin"))
            self._files[DROPPED] = opened.enter_context(_written(self._folder / DROPPED))
            for batch in _batches(rows):
                seen += len(batch)
                self._write(batch)
        for name in self._kinds:
            with storing(self._folder):
                sync(self._folder / f"{name}.bin")
        return StoreCounts(seen, self._kept, dict(self._dropped), self._cut, remarks=dict(self._remarks))

    def _write(self, batch: Sequence[Example | Rejected]) -> None:
        usable = [row for row in batch if isinstance(row, Example)]
        for row in batch:
            if isinstance(row, Rejected):
                self._leave_out(row.id, row.reason)
        for example, found in zip(usable, self._encoder.encoded(usable), strict=True):
            reason = self._encoder.misfit(example, found, self._window)
            if reason is None and self._drop and found.tokens > self._window:
                reason = TOO_LONG
            if reason is None:
                self._append(example, found)
            else:
                self._leave_out(example.id, reason)

    def _append(self, example: Example, row: Encoded) -> None:
        self._kept, self._cut = self._kept + 1, self._cut + (row.tokens > self._window)
        self._remarks.update(example.remarks)
        name = np.frombuffer(example.id.encode(errors="backslashreplace"), np.uint8)
        ids = np.concatenate([row.prompt, row.completion])[: self._window]
        columns = {"tokens": ids, "lengths": len(ids), "prompts": len(row.prompt), "ids": name}
        columns |= {"asked": hash_id(example.prompt), "id_lengths": len(name)}
        if self._masked:
            columns[LEARNT] = np.packbits(row.mask[: self._window])
        with storing(self._folder):
            for column, value in columns.items():
                self._files[column].write(np.asarray(value, self._kinds[column]).tobytes())

    def _leave_out(self, name: str, reason: str) -> None:
        self._dropped[reason] += 1
        with storing(self._folder):
            self._files[DROPPED].write(dumps({"id": name, "reason": reason}))


@contextmanager
def _written(path: Path) -> Iterator[BinaryIO]:
    """A file to write; a full disk may be reported only when the buffer is flushed at closing. Raises StorageError."""
    with storing(path):
        file = path.open("wb", 1 << 16)
    try:
        yield file
    finally:
        with storing(path):
            file.close()


def _batches(rows: Iterable[Example | Rejected]) -> Iterator[list[Example | Rejected]]:
    """Rows by the hundred, fewer if they are long, so that the encodings of a batch stay small."""
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

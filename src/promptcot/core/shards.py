"""Divides the rows of a job among several drivers, and merges their outputs in the input order.

A shard has the rows whose id hashes to it, so that drivers need no communication. Every row that it writes has its
position in the whole input, `source_index`. `pipeline` decides what is read, written and merged.
"""

from __future__ import annotations

import hashlib
import heapq
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from promptcot.errors import InputError, UsageError
from promptcot.records import SOURCE_INDEX, Item, Row, count_of

AFTER_ALL = 2**53 - 1
"""The position of rows that follow all others, in the order of their ids."""


@dataclass(frozen=True, slots=True)
class Shard:
    """Part `index` of `count`, from 1."""

    index: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """The shard from `I/N`. Raises UsageError."""
        match = re.fullmatch(r"([0-9]+)/([0-9]+)", str(text).strip())
        if match is None or not 1 <= int(match[1]) <= int(match[2]):
            raise UsageError(f"--shard {text}: write I/N, part I of N, such as 1/4; I goes from 1 to N")
        return cls(int(match[1]), int(match[2]))

    def has(self, name: str) -> bool:
        """Whether the row of this id belongs here. This rule must never change, so that shards of two versions fit."""
        digest = hashlib.blake2b(name.encode(errors="surrogatepass"), digest_size=8).digest()
        return int.from_bytes(digest, "big") % self.count == self.index - 1

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"


def _id(row: Row) -> str:
    return str(row["id"])


@dataclass(frozen=True, slots=True)
class Part:
    """The rows that a command processes: all of them, or those of a `shard`.

    With `whole` the input is already this shard, and each row has the position from an earlier command; with `kept` the
    rows have their own position, which they keep.
    """

    shard: Shard | None = None
    whole: bool = False
    kept: bool = False

    def item(self, index: int, row: Row, key: Callable[[Row], str] = _id) -> Item | None:
        """The row at its position, if it belongs to the part; rows with the same `key` stay together."""
        if self.shard is not None and not self.whole and not self.shard.has(key(row)):
            return None
        if not (self.whole or self.kept):
            return Item(index, row)
        return Item(place_of(row), row if self.kept else without_place(row))

    def items(self, rows: Iterable[Row]) -> Iterator[Item]:
        """The rows of the part, by their ids."""
        found = (self.item(index, row) for index, row in enumerate(rows))
        return (item for item in found if item is not None)

    def share(self, rows: int) -> int:
        """The approximate number of rows of the part among `rows`."""
        return rows // (self.shard.count if self.shard else 1)

    def told(self) -> dict[str, Any]:
        """The entry in the output's manifest."""
        if self.shard is None:
            return {}
        more = {"input": "shard"} if self.whole else {}
        return {"shard": str(self.shard), **more, **({SOURCE_INDEX: "kept"} if self.kept else {})}


EVERYTHING = Part()


def place_of(row: Row) -> int:
    """The position of a row in the whole input. Raises InputError."""
    place = count_of(row.get(SOURCE_INDEX))
    if place is not None:
        return place
    found = row.get(SOURCE_INDEX)
    raise InputError(
        f"row {row.get('id')}: `{SOURCE_INDEX}` is {found!r}, not a position; all rows written with --shard have one"
    )


def without_place(row: Row) -> Row:
    """The row without its position."""
    return {name: value for name, value in row.items() if name != SOURCE_INDEX}


def in_input_order(streams: Iterable[Iterable[Row]]) -> Iterator[Row]:
    """The rows of all shards in the order of the whole input. Each stream has them in that order, and is read once.

    Rows with the same position are from one shard, except for those that follow all others.
    """
    return heapq.merge(*streams, key=lambda row: (place_of(row), str(row.get("id"))))


_NOT_SETTINGS = {
    *("output_path", "sft_path", "pairs_path", "rl_path"),
    *("base_url", "api_key_env", "n_gpus", "replicas", "requests_per_minute", "tokens_per_minute", "idle_timeout"),
    *("queue_timeout", "concurrency", "workers", "max_cost"),
}
"""Settings that no row depends on: paths, servers and speed."""
_INPUTS = {"recipe.data_path", "recipe.template"}
_COUNTED = ("recipe", "prompts", "models", "until", "input", SOURCE_INDEX, "versions.promptcot", "format")


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """The settings, as dotted keys, in which the manifests of two shards differ.

    Inputs may differ if each shard read the output of the same shard of another command.
    """
    first, second = dict(_settings(one)), dict(_settings(other))
    names = dict.fromkeys([*first, *second])
    return [name.removeprefix("recipe.") for name in names if first.get(name) != second.get(name)]


def _settings(manifest: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    chained = manifest.get("input") == "shard"
    for name, value in _leaves(manifest):
        counts = any(name == section or name.startswith(f"{section}.") for section in _COUNTED)
        if counts and name != "recipe.run.models" and not (chained and name in _INPUTS):
            yield name, value


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys and values; a list of tables has numbers as keys, any other list is a value."""
    if isinstance(value, list) and any(isinstance(part, Mapping) for part in value):
        value = {str(number): part for number, part in enumerate(value)}
    if not isinstance(value, Mapping):
        yield name, value
        return
    for key, part in value.items():
        if key not in _NOT_SETTINGS:
            yield from _leaves(part, f"{name}.{key}" if name else str(key))

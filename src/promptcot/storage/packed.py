"""Texts in one file, found by their numbers, so that rarely used texts of a large set stay on disk."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from pathlib import Path

from promptcot.storage.atomic import storing


class Packed:
    """Texts by their numbers, from 0 in the order in which they were added. An existing file is replaced.

    Takes 8 bytes of memory a text.
    """

    def __init__(self, path: Path) -> None:
        """Raises StorageError."""
        self._path = path
        self._ends = array("q", [0])
        with storing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("w+b")

    def __len__(self) -> int:
        return len(self._ends) - 1

    def add(self, texts: Iterable[str]) -> None:
        """Raises StorageError."""
        with storing(self._path):
            self._file.seek(self._ends[-1])
            for text in texts:
                self._ends.append(self._ends[-1] + self._file.write(text.encode(errors="surrogatepass")))

    def __getitem__(self, number: int) -> str:
        first, end = self._ends[number], self._ends[number + 1]
        with storing(self._path):
            self._file.seek(first)
            return self._file.read(end - first).decode(errors="surrogatepass")

    def close(self) -> None:
        """Close the file, without removing it."""
        with storing(self._path):
            self._file.close()

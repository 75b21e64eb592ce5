"""An output that is made on this machine and then copied to its address, where it has one.

Decides what belongs to an output there, and in which order it appears. What an address is, is decided in `remote`.
"""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path

from promptcot.storage.paths import beside, stem, url_of


class Published:
    """An output and what lies beside it. At an address they are made on this machine and copied there by `publish`.

    A context manager; gives the path where the output is to be made. Only what is published stays.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._url = url_of(path)
        self._stack = ExitStack()
        self._made = path

    def __enter__(self) -> Path:
        if self._url is not None:
            self._made = Path(self._stack.enter_context(tempfile.TemporaryDirectory())) / self._path.name
            self._copy_journal()
        return self._made

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def publish(self) -> None:
        """Copy everything to its address, if it has one: the output itself last. Raises StorageError."""
        if self._url is None:
            return
        from promptcot.storage.remote import Folder

        there = Folder.at(self._url).parent
        names = [
            f"{stem(self._made)}.{kind}" for kind in ("dropped.jsonl", "failed.jsonl", "recipe.json", "summary.json")
        ]
        for name in [*names, f"{stem(self._made)}.journal/calls.jsonl", self._made.name]:
            if (self._made.parent / name).exists():
                there.send(self._made.parent / name, name)
            elif there.has(name):
                there.system.delete_file(f"{there.path}/{name}")

    def _copy_journal(self) -> None:
        from promptcot.storage.remote import Folder

        journal = beside(self._made, "journal")
        there = Folder.at(str(self._url)).parent / journal.name
        if there.has("calls.jsonl"):
            journal.mkdir()
            with (
                there.system.open_input_stream(f"{there.path}/calls.jsonl", compression=None) as source,
                (journal / "calls.jsonl").open("wb") as target,
            ):
                shutil.copyfileobj(source, target)

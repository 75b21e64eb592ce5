"""The folder in which passes over a cluster work for an output, and what is left in it when they are killed."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from promptcot.storage.journal import Journal
from promptcot.storage.paths import beside, url_of


def work_folder(output: Path) -> Path:
    """Where the passes for an output do their work."""
    return beside(output, "ray")


def recover_cluster_calls(directory: Path, stages: Iterable[str]) -> None:
    """Take into the journals of a run what a killed run on a cluster left of these stages on this disk."""
    for name in stages:
        if left := left_calls(directory / "ray", [name]):
            with Journal(directory / f"{name}.journal") as journal:
                journal.recover(left)


def left_calls(work: Path, stages: Iterable[str]) -> list[Path]:
    """Folders of finished calls that killed passes left."""
    return [folder for name in stages for folder in work.glob(f"*/{name}/calls")]


def remove_work(folder: Path) -> None:
    """What passes over a cluster left: it is in the outputs and their journals now."""
    if url_of(folder) is None:
        shutil.rmtree(folder, ignore_errors=True)
        return
    from promptcot.storage.remote import Folder

    Folder.at(folder).remove()

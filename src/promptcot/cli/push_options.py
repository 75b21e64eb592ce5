"""The options for uploads to the Hugging Face Hub, and what an upload prints."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from promptcot.cli.asking import agreed
from promptcot.cli.parameters import Command, together
from promptcot.cli.report.console import say, say_all
from promptcot.cli.report.result import RESULT
from promptcot.cli.report.tables import table
from promptcot.core.units import counted, size
from promptcot.errors import InputError, UsageError
from promptcot.hub.client import check_ready
from promptcot.hub.parcel import Kind, Parcel, check_name, pack
from promptcot.hub.repository import Change

_SHOWN = 5
_NAMES = ("push", "public", "replace", "yes", "dry_run")

to_push: Callable[[Command], Command] = together(
    click.option("--push", metavar="OWNER/NAME", help="Upload the result to this repository on the Hugging Face Hub."),
    click.option("--public", is_flag=True, help="With --push: make a new repository public.  [default: private]"),
    click.option(
        "--replace",
        is_flag=True,
        help="With --push: delete files that others have put into the repository. Without "
        "it, such a repository is refused.",
    ),
    click.option("--yes", is_flag=True, help="With --push: upload without asking for confirmation."),
)
push_options: Callable[[Command], Command] = together(
    to_push,
    click.option(
        "--dry-run", is_flag=True, help="With --push: list the files that would be uploaded, and upload nothing."
    ),
)


@dataclass(frozen=True, slots=True)
class Push:
    """The options of an upload: the name of the repository, and how to upload."""

    name: str
    public: bool = False
    replace: bool = False
    yes: bool = False
    dry_run: bool = False

    def check(self) -> None:
        """Check before the work begins that an upload is possible. Raises UsageError, InputError."""
        check_name(self.name) if self.dry_run else check_ready(self.name)

    def send(self, folder: Path, kind: Kind, mark: str) -> None:
        """List the files, and upload them after confirmation, unless it is a dry run. Raises InputError, UsageError."""
        parcel = pack(folder, self.name, kind, mark, public=self.public)
        uploads = {"address": parcel.address, "public": parcel.public, "files": parcel.files, "uploaded": False}
        RESULT.add(upload=uploads)
        say_all(_listed(parcel))
        if self.dry_run:
            say_all(_dry(self.name))
            return
        from promptcot.hub.upload import Upload

        check_ready(self.name)
        upload = Upload(parcel, self.replace, say)
        change = upload.look()
        say_all(_changes(change, parcel))
        if change.is_nothing:
            say(f"nothing to upload: {parcel.address} is up to date")
        elif agreed("upload this?", yes=self.yes, undone="nothing was uploaded"):
            upload.send()
            RESULT.add(upload={"uploaded": True})
            say(f"uploaded: {parcel.address}")


def take_push(options: dict[str, Any]) -> Push | None:
    """Remove the options of `push_options` from `options`; None without --push. Raises UsageError if one lacks it."""
    name, *flags = (options.pop(key) for key in _NAMES)
    if name is None:
        if lonely := [key for key, given in zip(_NAMES[1:], flags, strict=True) if given]:
            raise UsageError(f"--{lonely[0].replace('_', '-')} needs --push OWNER/NAME")
        return None
    return Push(name, *flags)


def _listed(parcel: Parcel) -> Iterator[str]:
    yield f"upload: {parcel.folder} to {parcel.address}, {'public' if parcel.public else 'private'} if it is new"
    rows = [("file", "size"), *((name, size(count)) for name, count in parcel.files.items())]
    yield from table([*rows, (counted(len(parcel.files), "file"), size(parcel.size))], indent=2)


def _dry(name: str) -> Iterator[str]:
    yield "nothing was sent (--dry-run)"
    try:
        check_ready(name)
    except InputError as error:
        yield f"to upload it: {error}"


def _changes(change: Change, parcel: Parcel) -> Iterator[str]:
    if change.is_new:
        yield f"{parcel.name} is new: it will be {'public' if parcel.public else 'private'}"
        return
    seen = "private" if change.is_private else "public"
    stays = ", which does not change" if parcel.public == bool(change.is_private) else ""
    yield f"{parcel.name} exists and is {seen}{stays}"
    bytes_new = size(sum(parcel.files[name] for name in change.upload))
    there, new = (counted(len(names), "file") for names in (change.same, change.upload))
    yield f"  already there: {there}; to upload: {new} ({bytes_new})"
    if change.replaced:
        yield f"  replaced by files of this folder: {_named(change.replaced)}"
    if change.delete:
        yield f"  deleted: {_named(change.delete)}"


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more

"""The function `clean`: removes the files that a finished run keeps only for resuming."""

from __future__ import annotations

from pathlib import Path

from promptcot.api.arguments import check, checking
from promptcot.api.results import RunResult
from promptcot.pipeline.leftovers import Leftovers, leftovers


@checking
def clean(run: str | Path | RunResult, *, keep_calls: bool = True, dry_run: bool = False) -> Leftovers:
    """Remove what a finished run, or the finished output of a verb, keeps beside its results, and say what it was.

    `run` is the directory of the run, the run itself, or the output file. By default all replies of models stay; with
    `keep_calls=False` these are removed too, and what goes on from there pays for them again. With `dry_run` nothing is
    removed. Of what is returned, `found` lists files and folders, `size` is all of it in bytes, and `paid` are the
    replies.

    Raises UsageError for arguments of another kind; InputError for what is not finished, or is neither; LockedError
    while it is written.
    """
    of = run.directory if isinstance(run, RunResult) else run
    check("directory", of)
    found = leftovers(Path(of), keep_calls=keep_calls)
    if not dry_run:
        found.remove()
    return found

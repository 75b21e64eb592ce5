"""The function `clean`: removes the files that a finished run keeps only for resuming."""

from __future__ import annotations

from pathlib import Path

from promptcot.api.arguments import check, checking
from promptcot.api.results import RunResult
from promptcot.pipeline.leftovers import Leftovers, leftovers


@checking
def clean(run: str | Path | RunResult, *, keep_calls: bool = True, dry_run: bool = False) -> Leftovers:
    """Remove the files that a finished run or output no longer needs, and return what they were.

    `run` is the directory of the run, the run itself, or the output file. By default all replies of models stay; with
    `keep_calls=False` they are removed too, and resuming would pay for them again. With `dry_run` nothing is removed.
    In the result, `found` lists files and folders, `size` is their total in bytes, and `paid` describes the replies.

    Raises UsageError for arguments of the wrong type; InputError for unfinished or other paths; LockedError while the
    run is being written.
    """
    of = run.directory if isinstance(run, RunResult) else run
    check("directory", of)
    found = leftovers(Path(of), keep_calls=keep_calls)
    if not dry_run:
        found.remove()
    return found

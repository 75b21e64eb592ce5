"""Writes the report of a run into its directory. An error here never makes the run itself fail."""

from __future__ import annotations

from pathlib import Path

from promptcot.errors import PromptCoTError
from promptcot.report.gathering import gather
from promptcot.report.page import report_html
from promptcot.storage.atomic import write_whole

REPORT = "report.html"


def write_report(directory: Path, output: Path | None = None) -> Path:
    """Write the report of the run in `directory`, by default as `report.html` in it, and return its path.

    Raises InputError where there is no run, StorageError where the report cannot be written.
    """
    target = output or directory / REPORT
    write_whole(target, report_html(gather(directory)).encode("utf-8", "replace"))
    return target


def report_at_end(directory: Path) -> Path | str:
    """Write the report of a run that has just ended; its path, or in one line why there is none."""
    try:
        return write_report(directory)
    except PromptCoTError as error:
        return f"no report was written: {error}"
    except Exception as error:  # the run is finished, and its report can be written again
        return f"no report was written: {type(error).__name__}: {' '.join(str(error).split())[:200]}"

"""Other output of the process: tracebacks, warnings, and the logs of libraries.

All of it passes through `presentable`, as printed lines do. `console` prints our own text.
"""

from __future__ import annotations

import logging
import sys
import threading
import traceback
import warnings
from types import TracebackType
from typing import TextIO

from promptcot.cli.report.streams import STREAMS
from promptcot.printable import presentable


def guard() -> None:
    """From now on, remove secrets and control characters from everything that Python writes to standard error."""
    STREAMS.begin()
    sys.excepthook = _excepthook
    threading.excepthook = lambda found: _excepthook(
        found.exc_type, found.exc_value or found.exc_type(), found.exc_traceback
    )
    warnings.showwarning = _showwarning
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(_Presentable())


class _Presentable(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return presentable(super().format(record))


def _write(text: str, stream: TextIO | None = None) -> None:
    stream = stream or sys.stderr
    if stream is not None:  # as under pythonw
        stream.write(presentable(text))


def _excepthook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    _write("".join(traceback.format_exception(kind, error, trace)))


def _showwarning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    _write(warnings.formatwarning(str(message), category, filename, lineno, line), file)

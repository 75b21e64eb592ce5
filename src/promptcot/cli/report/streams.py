"""Standard output and standard error as a command finds them: closed, full, or with nobody who reads them any more.

What is printed is not what a command is for: its results are files. So it goes on in silence when a stream takes no
more, and in the end says so, where that was no wish of whoever reads (`promptcot … | head -1` is one). Whatever is
printed is free of secrets and control characters.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, TextIO

import click

from promptcot.cli.report.wrapping import fitted
from promptcot.printable import presentable

WITHOUT_TERMINAL = 100
"""The columns of reports that are piped or written to a file."""
_STANDARD = (0, 1, 2)
_NARROWEST = 20


class Streams:
    """The standard streams of this process."""

    def __init__(self) -> None:
        self.lost: OSError | None = None
        """Why standard output takes no more."""
        self._aside = False
        self._kept: TextIO | None = None
        self._descriptor: int | None = None

    def begin(self) -> None:
        """Forget an earlier command, and open what is closed: else a file of ours would become standard output, and a
        library that prints would write into it. A terminal that lacks a character gets an escape instead of an error.
        """
        self._restore()
        self.lost, self._aside = None, False
        for number in _STANDARD:
            try:
                os.fstat(number)
            except OSError:
                os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # it gets the lowest number that is free
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")

    @property
    def width(self) -> int:
        """Columns for a line of text: those of the terminal, or always the same, so that logs can be compared."""
        stream = sys.stderr if self._aside else sys.stdout
        return _columns(stream) or WITHOUT_TERMINAL

    def write(self, text: str, start: str = "", style: Mapping[str, Any] | None = None) -> None:
        """One line to standard output, for as long as it takes any; on a terminal it fits, and its start is styled."""
        if self._aside:
            self.complain(start + text)
        elif self.lost is None:
            head, line = presentable(start), presentable(text)
            if columns := _columns(sys.stdout):
                line = fitted(head + line, columns)[len(head) :]
            self._put(click.style(head, **style) + line if style and is_styled() else head + line)

    def _put(self, text: str) -> None:
        try:
            click.echo(text)
        except OSError as error:
            self.lose(error)

    def divert(self) -> None:
        """Send to standard error what this process, libraries and child processes print from here on, until `emit`."""
        if self._kept is not None or sys.stdout is None or sys.stderr is None:
            return
        self._aside, self._kept = True, sys.stdout
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            if (sys.stdout.fileno(), sys.stderr.fileno()) == _STANDARD[1:]:
                self._descriptor = os.dup(1)
                os.dup2(2, 1)
        sys.stdout = sys.stderr

    def emit(self, text: str) -> None:
        """Write the one line that is for standard output; later lines go to standard error, too."""
        self._restore()
        if self.lost is None:
            self._put(text)

    def _restore(self) -> None:
        if self._kept is None:
            return
        with suppress(OSError, ValueError):
            self._kept.flush()
        sys.stdout, self._kept = self._kept, None
        if self._descriptor is not None:
            os.dup2(self._descriptor, 1)
            os.close(self._descriptor)
            self._descriptor = None

    def lose(self, error: OSError) -> None:
        """Standard output takes no more; what is in its buffer is not tried again when the process ends."""
        self.lost = error
        with suppress(OSError, ValueError):
            silence = os.open(os.devnull, os.O_WRONLY)
            os.dup2(silence, sys.stdout.fileno())
            os.close(silence)

    def complain(self, text: str) -> None:
        """One line to standard error, if it takes any."""
        with suppress(OSError):
            line = presentable(text)
            click.echo(fitted(line, columns) if (columns := _columns(sys.stderr)) else line, err=True)

    def end(self, code: int) -> int:
        """The exit code of a command that would end with `code`: 1 where its words were lost against anybody's wish."""
        if self.lost is None or self.lost.errno == errno.EPIPE:
            return code
        self.complain(f"promptcot: standard output could not be written ({self.lost.strerror}); files are not affected")
        return code or 1


def _columns(stream: TextIO | None) -> int | None:
    """The width of a terminal; None of anything else."""
    try:
        if stream is None or not stream.isatty():
            return None
        columns = int(os.environ.get("COLUMNS", "") or os.get_terminal_size(stream.fileno()).columns)
    except (OSError, ValueError):
        columns = 0
    return max(columns, _NARROWEST) if columns > 0 else 80


def is_styled() -> bool:
    """Whether a terminal may be sent more than text; what is no terminal never is."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


STREAMS = Streams()

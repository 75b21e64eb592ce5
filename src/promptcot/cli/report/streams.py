"""Standard output and standard error, which may be closed, full, or without a reader.

The results of a command are files, so it continues silently if a stream fails, and reports the failure at the end. A
reader that closes the pipe (`promptcot … | head -1`) is no failure. Everything printed is free of secrets and control
characters.
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
        """The reason why standard output can no longer be written; None if it can be."""
        self._aside = False
        self._kept: TextIO | None = None
        self._descriptor: int | None = None

    def begin(self) -> None:
        """Forget an earlier command, and open closed streams: otherwise a file that we open would become standard
        output, and libraries would print into it. Characters that a terminal's encoding lacks are escaped.
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
        """The columns of a line: those of the terminal, or else a fixed number, so that logs can be compared."""
        stream = sys.stderr if self._aside else sys.stdout
        return _columns(stream) or WITHOUT_TERMINAL

    def write(self, text: str, start: str = "", style: Mapping[str, Any] | None = None) -> None:
        """One line to standard output, until it fails; on a terminal it is wrapped, and its start is styled."""
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
        """Until `emit`, send everything that this process, libraries and child processes print to standard error."""
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
        """Write one line to standard output; later lines also go to standard error."""
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
        """Give standard output up, so that its buffer is not written again when the process ends."""
        self.lost = error
        with suppress(OSError, ValueError):
            silence = os.open(os.devnull, os.O_WRONLY)
            os.dup2(silence, sys.stdout.fileno())
            os.close(silence)

    def complain(self, text: str) -> None:
        """One line to standard error, unless that fails."""
        with suppress(OSError):
            line = presentable(text)
            click.echo(fitted(line, columns) if (columns := _columns(sys.stderr)) else line, err=True)

    def end(self, code: int) -> int:
        """The exit code of a command that would end with `code`: at least 1 if its output was lost."""
        if self.lost is None or self.lost.errno == errno.EPIPE:
            return code
        self.complain(f"promptcot: standard output could not be written ({self.lost.strerror}); files are not affected")
        return code or 1


def _columns(stream: TextIO | None) -> int | None:
    """The width of a terminal; None for other streams."""
    try:
        if stream is None or not stream.isatty():
            return None
        columns = int(os.environ.get("COLUMNS", "") or os.get_terminal_size(stream.fileno()).columns)
    except (OSError, ValueError):
        columns = 0
    return max(columns, _NARROWEST) if columns > 0 else 80


def is_styled() -> bool:
    """Whether terminals get colours and bold text; other streams never do."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


STREAMS = Streams()

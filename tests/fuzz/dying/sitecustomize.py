"""Python runs this before any program that has this folder on its PYTHONPATH: the program then dies, or is interrupted,
when it does something for the Nth time. The package knows nothing of it, and no clock has a part in it.

`PROMPTCOT_MOMENT` is JSON: `log`, a file that gets a line for each event; `under`, the folder whose files count;
`at`, a regular expression for the events that count; `number`, at which of them (0: none, they are only counted);
`signal`; and `to`, whom it is sent to: `self`, the process in which it happens; `all` processes of the program, as by
Ctrl-C in a terminal; or the `first`, which has to pass it on, and is waited for.

An event is `before` or `after` a call that changes files (`before replace out.jsonl`), a file that is opened to be
written (`open`), a module that is loaded (`import`), a function of the package that begins (`call`, only where `at`
begins with `^call`: it takes time), or the end of the interpreter (`exit`). Events are counted over all processes.
"""

import atexit
import json
import os
import re
import select
import signal
import sys

_WIDTH = 160
_CHANGING = ("replace", "rename", "link", "unlink", "remove", "truncate", "ftruncate", "write", "fsync")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_TOO_EARLY = ("promptcot.__main__", "promptcot.cli", "promptcot.interruption")  # nobody can be ready yet
_PACKAGE = f"{os.sep}promptcot{os.sep}"


class _Moments:
    """Tells events, counts them in the log, which all processes share, and acts at the chosen one."""

    def __init__(self, told):
        self._at, self._number, self._under = re.compile(told["at"]), told["number"], told["under"]
        self._signal, self._to = told["signal"], told["to"]
        self._log, self._write, self._place = told["log"], os.write, os.lseek
        self._first = int(os.environ.setdefault("PROMPTCOT_FIRST", str(os.getpid())))
        self._begun = self._inside = False
        self._pid = self._handle = -1

    def tell(self, event):
        if self._inside or not self._begun or not self._at.search(event):
            return
        self._inside = True
        try:
            if self._count(event) == self._number:
                self._act()
        finally:
            self._inside = False

    def _count(self, event):
        """The number of this event: lines have one width, and each is appended in one piece."""
        if self._pid != os.getpid():  # a fork must not share the place in the file
            self._pid = os.getpid()
            self._handle = os.open(self._log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self._write(self._handle, f"{event[: _WIDTH - 1]:{_WIDTH - 1}}\n".encode("ascii", "replace"))
        return self._place(self._handle, 0, os.SEEK_CUR) // _WIDTH

    def _act(self):
        own = os.getpgrp()
        if self._to == "self" or (self._to == "first" and self._first == os.getpid()):
            os.kill(os.getpid(), self._signal)
        elif self._to == "first":
            self._until_passed_on()
        else:
            groups = {self._first, own} if self._signal == signal.SIGKILL else {self._first}
            for group in sorted(groups, key=lambda group: group == own):  # its own last
                os.killpg(group, self._signal)

    def _until_passed_on(self):
        heard, end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        before = signal.set_wakeup_fd(end)
        os.kill(self._first, self._signal)
        select.select([heard], [], [])
        signal.set_wakeup_fd(before)

    def path(self, file):
        """A file below the folder that counts, as it is told; None for others."""
        try:
            file = os.readlink(f"/proc/self/fd/{file}") if isinstance(file, int) else os.path.abspath(os.fsdecode(file))
        except (OSError, TypeError):
            return None
        return os.path.relpath(file, self._under) if file.startswith(self._under + os.sep) else None

    def wrap(self, name):
        real = getattr(os, name)

        def called(*given, **named):
            path = None if self._inside else self.path(given[1] if name in ("replace", "rename", "link") else given[0])
            if path is None:
                return real(*given, **named)
            self.tell(f"before {name} {path}")
            found = real(*given, **named)
            self.tell(f"after {name} {path}")
            return found

        setattr(os, name, called)

    def hear(self, event, given):
        """What Python itself tells of."""
        if event == "import":
            self._begun = self._begun or (given[0].startswith("promptcot.") and given[0] not in _TOO_EARLY)
            self.tell(f"import {given[0]}")
        elif event == "open" and not self._inside and isinstance(given[2], int) and given[2] & _WRITING:
            path = self.path(given[0])
            if path is not None:
                self.tell(f"open {path}")

    def profile(self, frame, event, _):
        if event == "call" and _PACKAGE in frame.f_code.co_filename:
            self.tell(f"call {frame.f_code.co_name}")


def _set_up(told):
    moments = _Moments(told)
    for name in _CHANGING:
        moments.wrap(name)
    sys.addaudithook(moments.hear)
    atexit.register(moments.tell, "exit")
    if told["at"].startswith("^call"):
        sys.setprofile(moments.profile)


if "PROMPTCOT_MOMENT" in os.environ:
    _set_up(json.loads(os.environ["PROMPTCOT_MOMENT"]))

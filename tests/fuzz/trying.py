"""Runs a command line in its own folder, in this process or a new one, and reports forbidden behaviour.

Whatever is typed, the exit code is one of ours, there is no traceback and no warning of Python, an error is told on
standard error, inputs stay as they were, and nothing is written outside the folder.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import promptcot
from promptcot.cli.root import run
from promptcot.errors import PromptCoTError
from tests.fuzz.replying import SEED

ROOT = Path(__file__).parents[2]
SOURCE = Path(promptcot.__file__).parents[1]
CODES = {0, 1, 2, 3, 130}
_NOISE = re.compile(
    r"Traceback \(most recent call last\)|Exception ignored in|was never (?:awaited|retrieved)|\w+Warning: "
)


@dataclass
class Outcome:
    """The exit of a command line. `wrong` lists forbidden behaviour, each with its kind and a description."""

    code: object = None
    out: str = ""
    err: str = ""
    wrong: list[tuple[str, str]] = field(default_factory=list)


def in_process(arguments: Sequence[str], folder: Path, seed: int | str, seconds: float = 20.0) -> Outcome:
    """Run the command line in this process, in `folder`; interrupted like Ctrl-C after so many seconds."""
    found = Outcome()
    written: list[str] = []
    with _inside(folder, seed), _captured(found), _watching(folder, written), _interrupted_after(seconds):
        try:
            found.code = run(list(arguments))
        except KeyboardInterrupt:
            found.code = 130
        except BaseException as error:
            found.wrong.append((_place_of(error), "".join(traceback.format_exception(error))[-3000:]))
    if written:
        found.wrong.append(("written outside", ", ".join(sorted(set(written))[:5])))
    return found


def called(call: Callable[[], object], folder: Path, seed: int, seconds: float = 20.0) -> Outcome:
    """How a call of the API ends: with a value or an error of our tree, or with what may not come out of it."""
    found = Outcome()
    written: list[str] = []
    with _inside(folder, seed), _captured(found), _watching(folder, written), _interrupted_after(seconds):
        try:
            call()
            found.code = "returned"
        except PromptCoTError as error:
            found.code = type(error).__name__
        except KeyboardInterrupt:
            found.code = "interrupted"
        except BaseException as error:
            found.code = "other"
            if not (isinstance(error, TypeError) and "unexpected keyword argument" in str(error)):
                found.wrong.append((f"API: {_place_of(error)}", "".join(traceback.format_exception(error))[-3000:]))
    if written:
        found.wrong.append(("written outside", ", ".join(sorted(set(written))[:5])))
    return found


def as_process(arguments: Sequence[str], folder: Path, seed: int, seconds: float = 60.0) -> Outcome:
    """The same as a process of its own."""
    environment = {
        **os.environ,
        "PYTHONPATH": f"{SOURCE}{os.pathsep}{ROOT}",
        SEED: str(seed),
        "HOME": str(folder),
    }
    command = [
        sys.executable,
        "-m",
        "promptcot",
        *(argument.encode(errors="surrogateescape") for argument in arguments),
    ]
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        try:
            out, err = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
    return Outcome(process.returncode, out.decode(errors="replace"), err.decode(errors="replace"))


def judged(outcome: Outcome, arguments: Sequence[str]) -> Outcome:
    """The outcome, with what its exit code and its words say."""
    if not outcome.wrong and (type(outcome.code) is not int or outcome.code not in CODES):
        outcome.wrong.append((f"exit code {outcome.code!r}", outcome.err[-2000:]))
    for stream in (outcome.out, outcome.err):
        if noise := _NOISE.search(stream):
            outcome.wrong.append((_kind_of_noise(stream, noise), stream[max(0, noise.start() - 300) :][:4000]))
    told = outcome.err.strip() or (outcome.code == 1 and outcome.out.strip())
    if outcome.code in (1, 2) and not told:
        outcome.wrong.append((f"exit code {outcome.code} without a word", ""))
    return outcome


def hashes(folder: Path) -> dict[str, str]:
    """What is in the files of a folder, to be compared afterwards."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def changed(before: dict[str, str], folder: Path) -> set[str]:
    """The inputs that are no longer what they were."""
    now = hashes(folder)
    return {name for name, digest in before.items() if now.get(name) != digest}


def shown(arguments: Sequence[str]) -> str:
    """The command line on one line of printable characters."""
    text = shlex.join(
        argument if len(argument) < 200 else f"{argument[:150]}…({len(argument)})" for argument in arguments
    )
    return ascii(text)[1:-1]


def _place_of(error: BaseException) -> str:
    """The kind of an exception that got out: its type, and the last place in our own code that it came through."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/src/promptcot/" in frame.filename]
    last = frames[-1] if frames else None
    where = f" in {last.filename.partition('/src/promptcot/')[2]}:{last.name}" if last else ""
    return f"{type(error).__name__}{where}"


def _kind_of_noise(stream: str, noise: re.Match[str]) -> str:
    after = stream[noise.start() :]
    ours = re.findall(r"/src/promptcot/(\S+)\", line \d+, in (\S+)", after)
    last = next((line for line in after.splitlines()[1:] if re.match(r"[\w.]+(Error|Exception|Exit)\b", line)), "")
    where = f" in {ours[-1][0]}:{ours[-1][1]}" if ours else ""
    return f"printed: {noise[0][:25]} {last.partition(':')[0]}{where}"


@contextmanager
def _inside(folder: Path, seed: int | str) -> Iterator[None]:
    """In the folder, with home and temporary files in it too; modules and paths that are added are taken away."""
    before, path, modules, environment = os.getcwd(), list(sys.path), set(sys.modules), dict(os.environ)
    (folder / ".tmp").mkdir()
    named = {
        SEED: str(seed),
        "HOME": str(folder),
        "TMPDIR": str(folder / ".tmp"),
        "HF_HUB_OFFLINE": "1",
        "COLUMNS": "100",
    }
    os.environ.update(named)
    os.environ.pop("PROMPTCOT_CACHE", None)
    tempfile.tempdir = None
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
        os.environ.clear()
        os.environ.update(environment)
        tempfile.tempdir = None
        sys.path[:] = path
        for name in [name for name in sys.modules if name not in modules and name.startswith("own_")]:
            del sys.modules[name]


@contextmanager
def _captured(found: Outcome) -> Iterator[None]:
    """Standard output and error as they are where they are files: UTF-8, strict and with escapes."""
    out, err = io.BytesIO(), io.BytesIO()
    before = sys.stdout, sys.stderr
    streams = [
        io.TextIOWrapper(out, encoding="utf-8", errors="strict", write_through=True),
        io.TextIOWrapper(err, encoding="utf-8", errors="backslashreplace", write_through=True),
    ]
    sys.stdout, sys.stderr = streams
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
        for stream in streams:
            stream.detach()  # else its end closes what it was written to
        found.out, found.err = (stream.getvalue().decode(errors="replace") for stream in (out, err))


@contextmanager
def _interrupted_after(seconds: float) -> Iterator[None]:
    """Ctrl-C after so many seconds, and then each second again, whatever handles it at that moment."""
    before = signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
    signal.setitimer(signal.ITIMER_REAL, seconds, 5.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


_watchers: list[Callable[[str], None]] = []
_LOOKED_AT = {
    "os.rename": (0, 1),
    "os.remove": (0,),
    "os.mkdir": (0,),
    "os.rmdir": (0,),
    "os.link": (1,),
    "os.symlink": (1,),
}


def _audit(event: str, values: tuple[Any, ...]) -> None:
    if not _watchers:
        return
    if event == "open" and isinstance(values[2], int) and values[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        _watchers[-1](values[0])
    for place in _LOOKED_AT.get(event, ()):
        _watchers[-1](values[place])


sys.addaudithook(_audit)


@contextmanager
def _watching(folder: Path, written: list[str]) -> Iterator[None]:
    """Notes each path outside the two folders above that is opened for writing, made, renamed or removed."""
    allowed = (str(folder.parents[1]), "/dev/null", "/dev/shm/", "/proc/self/", "/dev/tty")

    def note(path: Any) -> None:
        if not isinstance(path, (str, bytes)):
            return
        text = os.path.abspath(os.fsdecode(path))
        if not text.startswith(allowed) and "__pycache__" not in text:
            written.append(text)

    _watchers.append(note)
    try:
        yield
    finally:
        _watchers.pop()

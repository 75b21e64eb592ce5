"""Runs golden cases, and masks the parts of their output that may differ.

Only the public command line is used. What is masked: versions, seconds, addresses of servers, the hash of a recipe that
may hold one, the folders of the run and of the package, a top-level key `format`, and the order of lines in journals,
which is that of arrival.
"""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path

import promptcot
from promptcot.cli import main
from tests.golden.speaker import Speaker, speaking

HERE = Path(__file__).parent
_LONG_AGO = 1_700_000_000
"""When all inputs were changed last: the names of grades depend on it."""
_PACKAGE = Path(promptcot.__file__).parent
_NOT_COMPARED = (".png", ".svg", ".pdf", ".html")
_TIMED_LINE = re.compile(
    r"^(?:\S+: [\d,]+ calls, .*|beyond the target: .*|for each problem: .*"
    r"|  (?:sampled|generated|parsed|judged|accepted) .*)\n",
    re.M,
)


@dataclass(frozen=True)
class Command:
    """A command line without the program's name, and its exit code. `@server@` and `@mock@` stand for addresses."""

    line: str
    code: int = 0


@dataclass(frozen=True)
class Edit:
    """A change of the folder between two commands."""

    told: str
    do: Callable[[Path], None]


@dataclass(frozen=True)
class Case:
    """What is done in an empty folder.

    `inputs` are files by name. A case with `journals` begins with those that an earlier version left in `before`, and
    asks nothing unless an edit takes something away from them.
    A `timed` one stops in the middle of its work, so that counts of calls depend on the moment and are not compared.
    """

    name: str
    steps: Sequence[Command | Edit]
    inputs: Mapping[str, str] = field(default_factory=dict)
    journals: bool = False
    timed: bool = False

    @property
    def golden(self) -> Path:
        return HERE / self.name


@dataclass(frozen=True)
class Servers:
    """The running servers for the cases."""

    speaker: Speaker
    mock: str

    def addressed(self, text: str) -> str:
        """The text with real addresses."""
        return text.replace("@server@", self.speaker.url).replace("@mock@", self.mock)


@dataclass(frozen=True)
class Replay:
    """The result of a case: exit codes, printed text, the names of all files, and its files as text or bytes."""

    codes: Sequence[int]
    printed: str
    names: str
    files: Mapping[str, bytes]


def golden_of(case: Case) -> Replay:
    """What the case did when its golden files were made."""
    folder = case.golden / "files"
    files = {str(path.relative_to(folder)): path.read_bytes() for path in _files_in(folder)}
    codes = [step.code for step in case.steps if isinstance(step, Command)]
    printed, names = ((case.golden / name).read_text(encoding="utf-8") for name in ("stdout.txt", "names.txt"))
    return Replay(codes, printed, names, files)


def replay(case: Case, folder: Path, servers: Servers) -> Replay:
    """Run the case in an empty folder."""
    servers.speaker.forget()
    given = _lay_out(case, folder, servers)
    codes, printed = [], []
    for step in case.steps:
        if isinstance(step, Edit):
            step.do(folder)
            printed.append(f"({step.told})\n")
            continue
        code, said = _run(servers.addressed(step.line), folder)
        codes.append(code)
        printed.append(f"$ promptcot {step.line}\n{_masked(said, folder)}")
    text = "\n".join(printed)
    files = dict(_made(case, folder, given))
    return Replay(codes, _TIMED_LINE.sub("", text) if case.timed else text, _names(case, folder), files)


def grown(files: Mapping[str, bytes]) -> list[str]:
    """Which of the journals that were kept have changed: none, where all calls were found in them."""
    return [name for name in files if ".journal/" in name]


@contextmanager
def serving() -> Iterator[Servers]:
    """All servers that cases need. The mock server is the package's own, in a process of its own."""
    line = "mock-server --port 0 --seed 3 --reply-tokens 60 --rate-500 0.06 --rate-429 0.06 --rate-503 0.06"
    more = "--rate-reset 0.1 --rate-truncated-json 0.1 --rate-refusal 0.05 --rate-over-long-error 0.05"
    command = [sys.executable, "-m", "promptcot", *line.split(), *more.split()]
    with speaking() as speaker, subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as mock:
        try:
            assert mock.stdout is not None
            address = re.search(r"http://\S+/v1", mock.stdout.readline())
            assert address is not None
            yield Servers(speaker, address[0])
        finally:
            mock.terminate()
            mock.communicate(timeout=20)


def _lay_out(case: Case, folder: Path, servers: Servers) -> dict[str, bytes]:
    """Write the inputs, and the journals that were kept; what was written."""
    if case.journals and (case.golden / "before").exists():
        shutil.copytree(case.golden / "before", folder, dirs_exist_ok=True)
    for name, text in case.inputs.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(servers.addressed(text).encode())
    given = _files_in(folder)
    for path in given:
        os.utime(path, (_LONG_AGO, _LONG_AGO))
    return {str(path.relative_to(folder)): path.read_bytes() for path in given}


def _run(line: str, folder: Path) -> tuple[int, str]:
    """Exit code and words of a command. Standard error counts where it tells of a mistake: else it shows progress."""
    out, error = io.StringIO(), io.StringIO()
    with chdir(folder), redirect_stdout(out), redirect_stderr(error):
        code = main(shlex.split(line))
    return code, out.getvalue() + (error.getvalue() if code in (1, 2) else "")


def _files_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _name(path: Path, folder: Path) -> str:
    """The name of a file; that of grades of a file that a command has written depends on when it was written."""
    name = str(path.relative_to(folder))
    graded = folder / re.sub(r"\.grades/.*", ".jsonl", name)
    is_new = ".grades/" in name and graded.exists() and graded.stat().st_mtime != _LONG_AGO
    return re.sub(r"\b[0-9a-f]{16}\b", "FINGERPRINT", name) if is_new else name


def _names(case: Case, folder: Path) -> str:
    return "".join(f"{name}\n" for name in sorted(_name(path, folder) for path in _files_in(folder)))


def _made(case: Case, folder: Path, given: Mapping[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """The files that were made or changed, in the form in which they are compared."""
    for path in _files_in(folder):
        name, content = str(path.relative_to(folder)), path.read_bytes()
        if given.get(name) == content or path.name == "lock" or path.suffix in _NOT_COMPARED:
            continue
        if path.name == "calls.jsonl":
            if case.timed:
                continue
            content = b"".join(sorted(content.splitlines(keepends=True)))
        yield _readable(_name(path, folder), path, content, case, folder)


def _readable(name: str, path: Path, content: bytes, case: Case, folder: Path) -> tuple[str, bytes]:
    """Name and content to compare: packed files are unpacked, and text is masked."""
    if path.suffix == ".parquet":
        name, content = f"{name}.txt", _parquet(path)
    if path.suffix == ".zst":
        name, content = f"{name}.txt", _unpacked(path)
    if path.suffix in (".safetensors", ".vectors"):
        return name, content
    text = _masked(content.decode(), folder)
    if name.endswith(".json"):
        text = _settled(text)
    if case.timed and name.endswith("summary.json"):
        text = _without_counts(text)
    return name, text.encode()


def _unpacked(path: Path) -> bytes:
    import zstandard

    with path.open("rb") as packed, zstandard.ZstdDecompressor().stream_reader(packed) as content:
        return content.read()


def _parquet(path: Path) -> bytes:
    """The columns with their types, then the rows."""
    from pyarrow import parquet

    table = parquet.read_table(path)
    columns = [f"{column.name}: {column.type}" for column in table.schema]
    rows = [json.dumps(row, ensure_ascii=False) for row in table.to_pylist()]
    return "\n".join([*columns, *rows, ""]).encode()


def _masked(text: str, folder: Path) -> str:
    text = re.sub(r"http://127\.0\.0\.1:\d+", "http://SERVER", text)
    return text.replace(str(folder), "FOLDER").replace(str(_PACKAGE), "PACKAGE")


def _settled(text: str) -> str:
    """JSON, byte for byte but for what depends on the clock and on versions, and but for the number of a format."""
    text = re.sub(r'^  "format": [^\n]*,\n', "", text, flags=re.M)
    text = re.sub(r',\n  "format": [^\n]*(?=\n\})', "", text)
    text = re.sub(r'"versions": \{[^}]*\}', '"versions": {}', text)
    text = re.sub(r'"recipe_sha256": "[0-9a-f]{64}"', '"recipe_sha256": "RECIPE"', text)
    return re.sub(r'"seconds": [-+.e\d]+', '"seconds": 0.0', text)


def _without_counts(text: str) -> str:
    """A summary with what does not depend on where a run happened to be when it stopped."""
    summary = json.loads(text)
    stages = {name: {key: stage[key] for key in ("out", "rows")} for name, stage in summary["stages"].items()}
    measure = {key: value for key, value in summary["measure"].items() if key != "spent"}
    return json.dumps({**summary, "stages": stages, "measure": measure}, indent=2) + "\n"

"""Makes golden files with the package that is imported: `python -m tests.golden.make [NAME ...]`, all by default.

To make them with another checkout, put its `src` first: `PYTHONPATH=OTHER/src python -m tests.golden.make`. Journals
that are kept in `before` stay as they are; without them the embedded models are asked, and their journals are kept.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import promptcot
from tests.golden.cases import CASES
from tests.golden.replay import Case, Command, Replay, Servers, replay, serving


def make(case: Case, servers: Servers) -> None:
    """Replace the golden files of a case."""
    if case.journals and not (case.golden / "before").exists():
        _keep_journals(case, servers)
    with TemporaryDirectory() as folder:
        found = replay(case, Path(folder), servers)
    expected = [step.code for step in case.steps if isinstance(step, Command)]
    if found.codes != expected:
        print(f"{case.name}: exit codes {found.codes}, and expected are {expected}", file=sys.stderr)
    _write(case, found)
    print(f"{case.name}: {len(found.files)} files, {sum(map(len, found.files.values())):,} bytes")


def _keep_journals(case: Case, servers: Servers) -> None:
    """Run a case with the embedded models, and keep what they said."""
    with TemporaryDirectory() as folder:
        replay(case, Path(folder), servers)
        for journal in Path(folder).rglob("*.journal"):
            target = case.golden / "before" / journal.relative_to(folder)
            shutil.copytree(journal, target, ignore=shutil.ignore_patterns("lock"))


def _write(case: Case, found: Replay) -> None:
    shutil.rmtree(case.golden / "files", ignore_errors=True)
    for name, content in found.files.items():
        path = case.golden / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    case.golden.mkdir(exist_ok=True)
    (case.golden / "stdout.txt").write_text(found.printed, encoding="utf-8")
    (case.golden / "names.txt").write_text(found.names, encoding="utf-8")


def main(names: list[str]) -> None:
    """Make the cases of these names, or all."""
    print(f"with {promptcot.__file__}")
    with serving() as servers:
        for case in CASES:
            if not names or case.name in names:
                make(case, servers)


if __name__ == "__main__":
    main(sys.argv[1:])

"""Command lines whose paths refer to the same files: by name, by links, through other folders, as companion files.

A trial makes inputs in an empty folder, runs one command in this process, and says what was lost: an input whose bytes
are others than before, a traceback, an unfinished file. The same seed makes the same trial.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from promptcot.cli import main

CONCEPTS = [{"concepts": ["a", "b", "c"]}, {"concepts": ["a", "d", "e"]}]
VECTORS = [{"sentence": name, "embedding": [1.0, 0.5]} for name in "abcde"]
JUDGED = [{"id": name, "prompt": "p", "completion": "c", "judgement": "perfect"} for name in "12"]
LEARNT = [{"id": name, "prompt": "p", "completion": "c", "label": name} for name in "12"]
RATED = [{"id": name, "problem": name, "answer": "4", "pass_rate": 0.5} for name in "12"]
LIKE = [{"id": "1", "prompt": "Concepts: a, b. Level: AIME.", "foundational_concepts": ["a", "b"], "level": "AIME"}]
ASKED = [{"id": "1", "problem": "Find the least prime above 70."}]
FOUND = [{"concepts": ["a"], "level": "AIME", "rationale": "r", "problem": "p"}]

Rows = list[dict[str, object]]
VERBS: list[tuple[str, list[Rows], list[str]]] = [
    ("sample --size 2 --data_size 2 --data_path {} --output_path OUT", [CONCEPTS], ["OUT"]),
    ("sample --size 2 --data_size 2 --data_path {} --embed_path {} --output_path OUT", [CONCEPTS, VECTORS], ["OUT"]),
    ("sample --size 2 --data_size 2 --data_path {} --prompt_like {} --output_path OUT", [CONCEPTS, LIKE], ["OUT"]),
    ("filter --template {} --output_path OUT", [JUDGED], ["OUT"]),
    ("dedup --data_path {} --output_path OUT", [FOUND], ["OUT"]),
    ("filter --template {} --template {} --output_path OUT", [JUDGED, JUDGED], ["OUT"]),
    ("select --data_path {} --output_path OUT", [RATED], ["OUT"]),
    ("select --data_path {} --data_path {} --output_path OUT", [RATED, RATED[:1]], ["OUT"]),
    ("export --to trl --data_path {} --output_path OUT", [RATED], ["OUT"]),
    ("train-rows --data_path {} --output_path OUT", [FOUND], ["OUT"]),
    ("train-rows --data_path {} --output_path OUT --concepts_path TWO", [FOUND], ["OUT", "TWO"]),
    ("decontaminate --data_path {} --against {} --output_path OUT", [ASKED, FOUND], ["OUT"]),
    ("chain mismatch --data_path {} --output_path OUT", [LEARNT], ["OUT"]),
]
"""Command lines, the rows of their inputs, and the words that stand for outputs."""
STEMS, SUFFIXES = ("x", "y", "x.y", "é"), (".jsonl", ".jsonl.zst", ".jsonl")
COMPANIONS = ("dropped.jsonl", "failed.jsonl", "recipe.json", "summary.json", "jsonl.partial", "journal/calls.jsonl")
ODD = ("", "-", ".", "..", "/dev/null", "/dev/full", "/dev/stdout", "/proc/self/fd/1", "/proc/x.jsonl", "pipe.jsonl")
ODD += ("loop.jsonl", "dangling.jsonl", "socket", "folder.jsonl", "z" * 249 + ".jsonl", "z/" * 2100 + "x.jsonl")


@dataclass
class Trial:
    """A command line, its exit, and the files that it lost."""

    line: list[str]
    code: int | None = None
    finds: list[str] = field(default_factory=list)


def trial(seed: int, folder: Path) -> Trial:
    """The trial of a seed, in an empty folder, which is left as the current one."""
    draws = random.Random(seed)
    os.chdir(folder)
    _furnish()
    words, rows, outputs = draws.choice(VERBS)
    names = [_make(place, some, draws) for place, some in enumerate(rows)]
    replaced = {word: _output(names, draws) for word in outputs}
    given = iter([_alias(name, draws) for name in names])
    line = [next(given) if word == "{}" else replaced.get(word, word) for word in words.split()]
    before = _contents(names)
    found = Trial(line)
    found.code = _run(line, found.finds)
    found.finds += [f"{name} changed" for name, content in before.items() if _content(name) != content]
    found.finds += [f"{name} is left" for name in _unfinished() if name not in before]
    if found.code not in (0, 1, 2, 3):
        found.finds.append(f"exit code {found.code}")
    return found


def _furnish() -> None:
    for name in ("sub", "sub/deep", "folder.jsonl"):
        Path(name).mkdir()
    os.symlink("sub", "linked")
    os.symlink("../", "sub/up")
    os.symlink("loop.jsonl", "loop.jsonl")
    os.symlink("nowhere.jsonl", "dangling.jsonl")
    os.mkfifo("pipe.jsonl")


def _make(place: int, rows: Rows, draws: random.Random) -> str:
    """An input under a drawn name, which may be that of a companion."""
    stem = f"{draws.choice(STEMS)}{place or ''}"
    name = draws.choice([f"{stem}.jsonl"] * 4 + [f"{stem}.{kind}" for kind in COMPANIONS])
    path = Path(draws.choice(["", "sub/"]) + name)
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def _output(names: list[str], draws: random.Random) -> str:
    """An output: an input, what lies beside it, what it lies beside, something odd, or a name of its own."""
    path = Path(draws.choice(names))
    stem = draws.choice([path.name.split(".")[0], path.name.rpartition(".")[0], path.stem])
    kinds: list[Callable[[], str]] = [
        lambda: str(path),
        lambda: str(path.parent / f"{stem}.{draws.choice(COMPANIONS)}"),
        lambda: str(path.parent / f"{stem}{draws.choice(SUFFIXES)}"),
        lambda: f"{path.parent.name.split('.')[0] or stem}.jsonl",  # that in whose journal an input lies
        lambda: draws.choice(["sub/", "", "sub/new/"]) + draws.choice(STEMS) + draws.choice(SUFFIXES),
        lambda: draws.choice(ODD),
    ]
    name = draws.choice(kinds)()
    return _alias(name, draws) if draws.random() < 0.6 and name not in ODD else name


def _alias(name: str, draws: random.Random) -> str:
    """Another path to the same file."""
    path = Path(name)
    ways = [name, f"./{name}", f"sub/../{name}", f"sub/up/{name}", str(Path.cwd() / name)]
    if path.parent.name == "sub":
        ways += [f"linked/{path.name}"] * 2
    if path.exists() and path.is_file():
        number = len(list(Path().iterdir()))
        soft, hard = f"soft{number}.jsonl", f"hard{number}.jsonl"
        os.symlink(Path.cwd() / name, soft)
        os.link(name, hard)
        ways += [soft, soft, hard, hard, f"sub/up/{hard}"]
    return draws.choice(ways)


def _run(line: list[str], finds: list[str]) -> int | None:
    out, err = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            return main(line)
    except BaseException:
        finds.append(traceback.format_exc())
        return None


def _contents(names: list[str]) -> dict[str, bytes | None]:
    return {name: _content(name) for name in names}


def _content(name: str) -> bytes | None:
    with contextlib.suppress(OSError):
        return Path(name).read_bytes()
    return None


def _unfinished() -> Iterator[str]:
    return (str(path) for path in Path().rglob("*.partial*"))

"""The direction of imports: which package may import which, read from the source of every module.

Imports inside functions count as well: to import late does not change what a module depends on.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.programs import python

SOURCE = Path(__file__).parents[2] / "src"

HEAVY = {"accelerate", "datasets", "deepspeed", "peft", "ray", "torch", "transformers", "trl", "vllm"}
HEAVY |= {"latex2sympy2_extended", "math_verify", "sympy"}
ADAPTERS = [
    "promptcot.api.frames",
    "promptcot.engines.cluster.*",
    "promptcot.engines.local.*",
    "promptcot.engines.vllm.*",
    "promptcot.exports.formats.loading",
    "promptcot.grading.latex",
    "promptcot.grading.sets",
    "promptcot.grading.symbolic",
    "promptcot.grading.values",
    "promptcot.rewards.nemo_rl",
    "promptcot.rewards.openrlhf",
    "promptcot.training.*",
]

# Top to bottom: a module imports what lies below its own level, and its own room.
LEVELS = [
    ["promptcot.__main__", "promptcot.training.__main__"],
    ["promptcot.cli"],
    ["promptcot.doctor", "promptcot.chains", "promptcot.planning", "promptcot.mock_server"],
    ["promptcot.api"],
    ["promptcot.report", "promptcot.viewer"],
    ["promptcot.exports", "promptcot.inspection"],
    ["promptcot.pipeline", "promptcot.hub"],
    ["promptcot.runners"],
    ["promptcot.stages"],
    ["promptcot.evaluation", "promptcot.engines", "promptcot.training", "promptcot.rewards"],
    ["promptcot.grading", "promptcot.recipe", "promptcot.nano", "promptcot.catalogue", "promptcot.pages"],
    ["promptcot.domains"],
    ["promptcot.core", "promptcot.storage"],
    ["promptcot.records", "promptcot.errors", "promptcot.interruption", "promptcot.__version__"],
    ["promptcot.printable"],
    ["promptcot.redaction"],
]
BESIDE = {("promptcot.training", "promptcot.engines"), ("promptcot.training", "promptcot.evaluation")}
BESIDE |= {("promptcot.training", "promptcot.rewards"), ("promptcot.grading", "promptcot.recipe")}
"""Rooms on one level of which the first may know the second."""
AT_THE_TOP = {"__init__", "__main__", "api", "errors", "interruption", "printable", "records", "redaction"}
"""The modules that lie loose in the package."""

CORE_MAY = {"promptcot.core", "promptcot.records", "promptcot.errors", "promptcot.printable", "promptcot.redaction"}
CORE_MAY |= {"numpy", "jinja2", "pydantic", "rapidfuzz"}
IMPURE = {
    *("asyncio", "concurrent", "datetime", "http", "multiprocessing", "socket"),
    *("ssl", "subprocess", "threading", "time", "urllib"),
}


def imported_names(source: str, package: str) -> Iterator[str]:
    """Dotted names that a module of `package` imports; `from a import b` gives `a.b`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


def within(name: str, folder: str) -> bool:
    return name == folder or name.startswith(folder + ".")


def within_any(name: str, folders: list[str] | set[str]) -> bool:
    return any(within(name, folder) for folder in folders)


def root(name: str) -> str:
    return name.partition(".")[0]


def room_of(name: str) -> tuple[int, str] | None:
    """The level and the room of a module of the package, or of a name in one; the longest room that fits."""
    rooms = [(level, room) for level, names in enumerate(LEVELS) for room in names if within(name, room)]
    return max(rooms, key=lambda found: len(found[1]), default=None)


def direction_complaint(module: str, name: str) -> str | None:
    here, there = room_of(module), room_of(name)
    if here is None or there is None or here[1] == there[1] or here[0] < there[0]:
        return None
    if any(within(module, one) and within(name, other) for one, other in BESIDE):
        return None
    return f"{name} is not below it" if within(name, "promptcot") else None


def core_complaint(name: str) -> str | None:
    if within_any(name, CORE_MAY) or (root(name) in sys.stdlib_module_names and root(name) not in IMPURE):
        return None
    return f"core is pure and imports {name}"


def complaints(module: str, source: str, package: str) -> list[str]:
    """What is wrong with the imports of `module`, whose relative imports start at `package`."""
    names = list(imported_names(source, package))
    found = [f"the shipped package imports the training scripts: {name}" for name in names if root(name) == "nano"]
    if within(module, "promptcot.core"):
        found += [complaint for name in names if (complaint := core_complaint(name))]
    if not any(fnmatch(module, adapter) for adapter in ADAPTERS):
        found += [f"{root(name)} is imported outside its adapter" for name in names if root(name) in HEAVY]
    found += [complaint for name in names if (complaint := direction_complaint(module, name))]
    return [f"{module}: {complaint}" for complaint in found]


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def package_of(module: str, path: Path) -> str:
    return module if path.name == "__init__.py" else module.rpartition(".")[0]


def test_every_module_of_the_package_keeps_to_the_direction_of_imports() -> None:
    found = list(modules())
    assert "promptcot.records" in [module for module, _ in found]
    assert [
        complaint
        for module, path in found
        for complaint in complaints(module, path.read_text(encoding="utf-8"), package_of(module, path))
    ] == []


@pytest.mark.parametrize(
    ("module", "source", "complaint"),
    [
        ("promptcot.core.statistics.wilson", "import scipy.stats", "core is pure and imports scipy.stats"),
        ("promptcot.core.prompts", "def f():\n    import time", "core is pure and imports time"),
        ("promptcot.core.prompts", "from ..storage import journal", "core is pure and imports promptcot.storage"),
        ("promptcot.stages.judge", "import torch.nn as nn", "torch is imported outside its adapter"),
        ("promptcot.engines.openai.engine", "from vllm import LLM", "vllm is imported outside its adapter"),
        ("promptcot.engines.scripted", "if TYPE_CHECKING:\n    import torch", "torch is imported outside its adapter"),
        ("promptcot.stages.judge", "from promptcot.runners import local", "promptcot.runners.local is not below it"),
        ("promptcot.engines.local.engine", "from ...stages.judge import Judge", "is not below it"),
        ("promptcot.engines.opening", "from promptcot.evaluation import plots", "is not below it"),
        ("promptcot.runners.local", "from promptcot.pipeline import run", "is not below it"),
        ("promptcot.storage.journal", "from promptcot.core import prompts", "is not below it"),
        ("promptcot.records", "import promptcot.cli", "is not below it"),
        ("promptcot.pipeline.run", "from nano.problems import write", "imports the training scripts"),
    ],
)
def test_a_forbidden_import_is_noticed(module: str, source: str, complaint: str) -> None:
    assert any(complaint in found for found in complaints(module, source, module.rpartition(".")[0]))


@pytest.mark.parametrize(
    ("module", "source"),
    [
        (
            "promptcot.core.parsing.judging",
            "import json\nfrom numpy.typing import NDArray\nfrom jinja2 import Template",
        ),
        ("promptcot.core.parsing.judging", "from promptcot.core import criteria\nfrom ...records import Row"),
        ("promptcot.engines.local.engine", "import torch\nfrom ..protocol import Engine"),
        ("promptcot.engines.vllm.server", "import vllm"),
        (
            "promptcot.training.methods.sft",
            "from trl import SFTTrainer\nfrom promptcot.engines.opening import model_folder",
        ),
        ("promptcot.runners.local", "from ..engines.protocol import Engine\nfrom ..stages.protocol import Stage"),
        ("promptcot.pipeline.run", "from ..stages import judge\nfrom ..engines import scripted"),
        ("promptcot.cli", "from promptcot.nano import checker\nfrom promptcot.pipeline import run"),
    ],
)
def test_an_allowed_import_is_left_alone(module: str, source: str) -> None:
    assert complaints(module, source, module.rpartition(".")[0]) == []


def test_few_modules_lie_loose_in_the_package_and_every_room_has_a_level() -> None:
    package = SOURCE / "promptcot"
    assert {path.stem for path in package.glob("*.py")} <= AT_THE_TOP
    rooms = {f"promptcot.{path.parent.name}" for path in package.glob("*/__init__.py")}
    assert rooms <= {room for level in LEVELS for room in level}


def known_rooms() -> dict[str, set[str]]:
    """The rooms that each room imports, modules that start a process left out."""
    known: dict[str, set[str]] = {}
    for module, path in modules():
        here = room_of(module)
        if here is None or module.endswith("__main__"):
            continue
        names = imported_names(path.read_text(encoding="utf-8"), package_of(module, path))
        found = {there[1] for name in names if (there := room_of(name)) and there[1] != here[1]}
        known.setdefault(short(here[1]), set()).update(map(short, found - {"promptcot.__version__"}))
    return known


def short(room: str) -> str:
    return room.removeprefix("promptcot.")


def reached(start: str, known: dict[str, set[str]]) -> set[str]:
    """The rooms that can be reached from a room."""
    return set().union(*({room} | reached(room, known) for room in known.get(start, ())))


def test_the_picture_of_the_rooms_is_that_of_the_source() -> None:
    picture = (SOURCE.parent / "docs" / "architecture.md").read_text(encoding="utf-8")
    block = picture.partition("flowchart TD\n")[2].partition("```")[0]
    arrows = [line.strip().split(" --> ") for line in block.strip().splitlines()]
    shown = {(here, there) for here, others in arrows for there in others.split(" & ")}
    known = known_rooms()
    assert {here for here in known if here in reached(here, known)} == set(), "rooms that know each other"
    implied = {
        (here, there)
        for here, rooms in known.items()
        for there in rooms
        if any(there in reached(other, known) for other in rooms - {there})
    }
    assert shown == {(here, there) for here, rooms in known.items() for there in rooms} - implied


@pytest.mark.parametrize(
    "program",
    [
        "import promptcot",
        "import promptcot.rewards",
        "import sys; from promptcot.cli import main; sys.argv = ['promptcot', '--help']; main()",
    ],
    ids=["import promptcot", "import promptcot.rewards", "promptcot --help"],
)
def test_start_up_loads_no_heavy_library(program: str) -> None:
    report = "import atexit, sys; atexit.register(lambda: print('LOADED', *sorted(sys.modules)))\n"
    done = python(report + program)
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.rpartition("LOADED")[2].split())
    assert "promptcot" in loaded
    assert loaded & (HEAVY | {"pandas", "pyarrow", "scipy"}) == set()

"""The direction of imports: who may know whom, read from the source of every module, and checked at start-up.

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
    "promptcot.engines.local*",
    "promptcot.engines.vllm*",
    "promptcot.grading.symbolic",
    "promptcot.runners.ray*",
    "promptcot.training.*",
]

AXES = ["promptcot.stages", "promptcot.engines", "promptcot.runners"]
PROTOCOLS = [f"{axis}.protocol" for axis in AXES]
COMPOSERS = [
    "promptcot.cli",
    "promptcot.doctor",
    "promptcot.in_turn",
    "promptcot.pipeline",
    "promptcot.preparation",
    "promptcot.__main__",
    "promptcot.training.__main__",
]
COMPOSED = ["promptcot.cli", "promptcot.pipeline", "promptcot.preparation"]

CORE_MAY = {"promptcot.core", "promptcot.records", "promptcot.errors", "numpy", "jinja2"}
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


def known_axes(module: str, names: list[str]) -> set[str]:
    """The axes whose implementations (all but the protocol) a module is part of or imports."""
    implementations = [name for name in [module, *names] if not within_any(name, PROTOCOLS)]
    return {axis for axis in AXES if any(within(name, axis) for name in implementations)}


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
    if not within_any(module, COMPOSERS):
        found += [f"only the command line composes, yet {name}" for name in names if within_any(name, COMPOSED)]
        axes = known_axes(module, names)
        found += [f"knows two axes: {', '.join(sorted(axes))}"] if len(axes) > 1 else []
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
        ("promptcot.core.stats", "import scipy.stats", "core is pure and imports scipy.stats"),
        ("promptcot.core.stats", "def f():\n    import time", "core is pure and imports time"),
        ("promptcot.core.stats", "from .. import journal", "core is pure and imports promptcot.journal"),
        ("promptcot.core.stats", "from promptcot.engines.protocol import Engine", "core is pure"),
        ("promptcot.stages.judge", "import torch.nn as nn", "torch is imported outside its adapter"),
        ("promptcot.engines.openai", "from vllm import LLM", "vllm is imported outside its adapter"),
        ("promptcot.engines.scripted", "if TYPE_CHECKING:\n    import torch", "torch is imported outside its adapter"),
        ("promptcot.stages.judge", "from promptcot.engines.local import LocalEngine", "knows two axes"),
        ("promptcot.stages.judge", "from promptcot.runners import local", "knows two axes"),
        ("promptcot.engines.local", "from ..stages.judge import Judge", "knows two axes"),
        ("promptcot.runners.local", "from promptcot.engines.scripted import ScriptedEngine", "knows two axes"),
        ("promptcot.report", "from promptcot.stages import judge\nfrom promptcot.engines import local", "two axes"),
        ("promptcot.runners.local", "from promptcot import pipeline", "only the command line composes"),
        ("promptcot.records", "import promptcot.cli", "only the command line composes"),
        ("promptcot.pipeline", "from nano.problems import write", "imports the training scripts"),
    ],
)
def test_a_forbidden_import_is_noticed(module: str, source: str, complaint: str) -> None:
    [found] = complaints(module, source, module.rpartition(".")[0])
    assert complaint in found


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("promptcot.core.judging", "import json\nfrom numpy.typing import NDArray\nfrom jinja2 import Environment"),
        ("promptcot.core.judging", "from promptcot.core import rationale\nfrom ..records import Row"),
        ("promptcot.engines.local", "import torch\nfrom .protocol import Engine"),
        ("promptcot.engines.vllm_server", "import vllm"),
        ("promptcot.training.sft", "from trl import SFTTrainer"),
        ("promptcot.runners.local", "from ..engines.protocol import Engine\nfrom ..stages.protocol import Stage"),
        ("promptcot.pipeline", "from .stages import judge\nfrom .engines import scripted\nfrom .runners import local"),
        ("promptcot.cli", "from promptcot.nano import checker\nfrom promptcot import pipeline"),
    ],
)
def test_an_allowed_import_is_left_alone(module: str, source: str) -> None:
    assert complaints(module, source, module.rpartition(".")[0]) == []


@pytest.mark.parametrize(
    "program",
    [
        "import promptcot",
        "import sys; from promptcot.cli import main; sys.argv = ['promptcot', '--help']; main()",
    ],
    ids=["import promptcot", "promptcot --help"],
)
def test_start_up_loads_no_heavy_library(program: str) -> None:
    report = "import atexit, sys; atexit.register(lambda: print('LOADED', *sorted(sys.modules)))\n"
    done = python(report + program)
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.rpartition("LOADED")[2].split())
    assert "promptcot" in loaded
    assert loaded & (HEAVY | {"pandas", "pyarrow", "scipy"}) == set()

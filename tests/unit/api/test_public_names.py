"""The public names are those in `promptcot.__all__`, also for importers and type checkers."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import promptcot
from promptcot.cli.root import VERBS

NAMES = [name for name in promptcot.__all__ if name != "__version__"]
WITHOUT_FUNCTION = {"run", "train-rows", "eval", "train", "chain", "plan", "doctor", "mock-server", "nano"}
WITHOUT_FUNCTION |= {"show", "report", "view"}
"""Verbs whose function has another name (`run` and `eval` as `evaluate` are there), or that are for the terminal."""


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_is_there_and_says_what_it_is(name: str) -> None:
    found = getattr(promptcot, name)
    assert name == "Row" or inspect.getdoc(found)


def test_type_checkers_see_the_same_names() -> None:
    stub = Path(promptcot.__file__).with_suffix(".pyi").read_text(encoding="utf-8")
    imported = {
        alias.asname: f"{node.module}.{alias.name}"
        for node in ast.walk(ast.parse(stub))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert sorted(imported, key=str) == sorted(NAMES)
    for name, home in imported.items():
        module, _, attribute = home.rpartition(".")
        assert getattr(importlib.import_module(module), attribute) is getattr(promptcot, name)


def test_a_star_import_gives_all_of_them_and_an_unknown_name_is_an_error() -> None:
    names: dict[str, object] = {}
    exec("from promptcot import *", names)
    assert set(NAMES) <= names.keys()
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        promptcot.nothing  # noqa: B018
    assert set(dir(promptcot)) >= set(NAMES)


def test_every_verb_for_rows_has_a_function_of_its_name() -> None:
    assert {verb for verb in VERBS if verb not in NAMES} <= WITHOUT_FUNCTION
    assert {"run", "evaluate"} <= set(NAMES)


def test_every_error_of_the_tree_is_public() -> None:
    from promptcot import errors

    tree = {name for name, found in vars(errors).items() if inspect.isclass(found) and issubclass(found, Exception)}
    assert tree <= set(NAMES)


def test_to_import_the_package_loads_nothing_else() -> None:
    code = "import sys; import promptcot; print(sorted(n for n in sys.modules if n.startswith(('promptcot', 'numpy'))))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['promptcot']"

"""Import paths of Python objects, `package.module:name`, as recipes write them, and how they are loaded."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any


def load(path: str) -> Any:
    """The object at a path; modules in the current folder are found too. Raises ValueError, which says what to do."""
    module, colon, name = path.partition(":")
    if not (colon and module and name):
        raise ValueError(f"{path!r} is not the path of a Python object: write it as MODULE:NAME")
    try:
        target: Any = _module(module)
    except ImportError as error:
        raise ValueError(f"{path!r}: {error}; Python looks in this folder and in the installed packages") from error
    except (Exception, SystemExit) as error:  # a script that is not a module may end the process
        raise ValueError(f"{path!r}: importing it raises {type(error).__name__}: {error}") from error
    for part in name.split("."):
        try:
            target = getattr(target, part)
        except Exception as error:  # AttributeError, or any error of a module's own __getattr__
            raise ValueError(f"{path!r}: {module} has no {part}") from error
    return target


def path_of(found: Any) -> str:
    """The import path of an object; a string is returned as it is."""
    if isinstance(found, str):
        return found
    return f"{getattr(found, '__module__', '?')}:{getattr(found, '__qualname__', type(found).__name__)}"


def _module(name: str) -> Any:
    """Import a module, also from the current folder, which `python -m` searches but an installed command does not."""
    here = str(Path.cwd())
    added = here not in sys.path and "" not in sys.path
    if added:
        sys.path.append(here)
    try:
        return importlib.import_module(name)
    finally:
        if added:
            sys.path.remove(here)

"""Names of Python objects, `package.module:name`, as recipes write them, and the objects themselves."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any


def load(path: str) -> Any:
    """The object of that name; modules beside the command are found too. Raises ValueError with the way out."""
    module, colon, name = path.partition(":")
    if not (colon and module and name):
        raise ValueError(f"{path!r} names no Python object: write it as MODULE:NAME")
    try:
        found: Any = _module(module)
    except ImportError as error:
        raise ValueError(f"{path!r}: {error}; Python looks in this folder and in what is installed") from error
    except (Exception, SystemExit) as error:  # a script that is no module may end the process
        raise ValueError(f"{path!r}: importing it raises {type(error).__name__}: {error}") from error
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except Exception as error:  # AttributeError, and whatever a module's own __getattr__ raises
            raise ValueError(f"{path!r}: {module} has no {part}") from error
    return found


def path_of(found: Any) -> str:
    """What an object is written down as; a text is its own name."""
    if isinstance(found, str):
        return found
    return f"{getattr(found, '__module__', '?')}:{getattr(found, '__qualname__', type(found).__name__)}"


def _module(name: str) -> Any:
    """A command that pip installed does not look into the folder it is started in; `python -m` does."""
    here = str(Path.cwd())
    added = here not in sys.path and "" not in sys.path
    if added:
        sys.path.append(here)
    try:
        return importlib.import_module(name)
    finally:
        if added:
            sys.path.remove(here)

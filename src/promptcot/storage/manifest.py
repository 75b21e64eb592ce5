"""The manifest beside an output, by which it can be reproduced: resolved recipe, versions, and hashes of prompts."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from promptcot import __version__
from promptcot.storage.json import loads
from promptcot.storage.paths import beside, url_of
from promptcot.storage.sources import is_file, open_file

FORMAT = 1
"""The format number of `recipe.json` and `summary.json`; files without a number have this one."""

_PACKAGES = ("numpy", "pydantic", "jinja2", "torch", "transformers")


def manifest(recipe: Mapping[str, Any], prompts: Mapping[str, str], models: Mapping[str, str]) -> dict[str, Any]:
    """The recipe as it was resolved, with `prompts` (template to sha256) and `models` (role to journaled name)."""
    return {
        "format": FORMAT,
        "recipe": {key: str(value) if isinstance(value, Path) else value for key, value in recipe.items()},
        "prompts": dict(prompts),
        "models": dict(models),
        "versions": {"promptcot": __version__, "python": platform.python_version(), **installed(_PACKAGES)},
    }


def read_manifest(path: Path) -> dict[str, Any] | None:
    """The manifest beside an output, or in a run directory; None if there is none.

    The output may be remote.
    """
    where = manifest_path(path)
    try:
        if url_of(where) is not None and not is_file(where):
            return None
        with open_file(where) as content:
            manifest = loads(content.read())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    return manifest if isinstance(manifest, dict) else None


def manifest_path(path: Path) -> Path:
    """The path of the manifest."""
    return path / "recipe.json" if path.is_dir() else beside(path, "recipe.json")


def installed(packages: Iterable[str]) -> dict[str, str]:
    """The versions of the installed ones among these packages."""
    versions = {}
    for package in packages:
        with suppress(PackageNotFoundError):
            versions[package] = version(package)
    return versions

"""Reports this machine's processors, memory, GPUs, libraries and disk, and the extras that a recipe needs.

No heavy library is imported: versions are read from package metadata.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from promptcot.doctor.findings import Finding, note, ok, problem
from promptcot.engines.machine import Gpu, cores, memory_free, memory_total, visible_gpus
from promptcot.engines.opening import kind_of
from promptcot.recipe.recipe import Recipe
from promptcot.recipe.schema import Served

_INSTALL = {
    "torch": "pip install 'promptcot[local]'",
    "transformers": "pip install 'promptcot[local]'",
    "vllm": "pip install 'promptcot[vllm]'",
    "aiohttp": "pip install aiohttp",
    "pyarrow": "pip install 'promptcot[parquet]'",
    "trl": "pip install 'promptcot[train]'",
    "deepspeed": "pip install 'promptcot[train]'",
    "ray": "pip install 'promptcot[ray]'",
}
_NEEDED_BY = {"local": ("torch", "transformers"), "vllm": ("vllm", "aiohttp"), "openai": ("aiohttp",)}
_GB = 1e9
_LITTLE_DISK = 2e9


def look_at_machine(needed: Collection[str], output: Path) -> Iterator[Finding]:
    """Python, processors and memory; GPUs; libraries, of which `needed` are required; the disk of `output`."""
    yield ok(
        f"Python {platform.python_version()} on {platform.system()}, {cores()} cores, "
        f"{memory_free() / _GB:.0f} of {memory_total() / _GB:.0f} GB of memory free"
    )
    yield _gpus(visible_gpus())
    yield from _libraries(needed)
    yield _disk(output)


def needed_by(recipe: Recipe, served: Sequence[Served]) -> set[str]:
    """The libraries required by these models and the files in the recipe."""
    needed = {library for spec in served for library in _NEEDED_BY.get(kind_of(spec), ())}
    files = [recipe.concepts.path, recipe.encode.path, recipe.sample.prompt_like]
    return needed | ({"pyarrow"} if any(str(file).endswith(".parquet") for file in files) else set())


def version_of(library: str) -> str | None:
    """The installed version, under any distribution name (vLLM has several); None if it is not installed."""
    if importlib.util.find_spec(library) is None:
        return None
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        others = importlib.metadata.packages_distributions().get(library, [])
        return " ".join((importlib.metadata.version(others[0]), f"({others[0]})")) if others else "of unknown version"


def _gpus(gpus: Sequence[Gpu]) -> Finding:
    if gpus:
        described = (
            f"{g.index}: {g.name}, {g.memory_free / _GB:.0f} of {g.memory_total / _GB:.0f} GB free" for g in gpus
        )
        return ok(f"{len(gpus)} GPU{'s' * (len(gpus) > 1)} — {'; '.join(described)}")
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    why = "nvidia-smi shows none" + (f", and CUDA_VISIBLE_DEVICES is {hidden!r}" if hidden is not None else "")
    return note(f"no GPU ({why}): small models run here on the processor, larger ones need a server (--base-url)")


def _libraries(needed: Collection[str]) -> Iterator[Finding]:
    found = {library: version_of(library) for library in _INSTALL}
    there = [f"{library} {version}" for library, version in found.items() if version]
    if there:
        yield ok(f"installed: {', '.join(there)}")
    for library in (library for library, version in found.items() if not version and library in needed):
        yield problem(f"{library} is needed and not installed", f"install it: {_INSTALL[library]}")
    spare = [library for library, version in found.items() if not version and library not in needed]
    if spare:
        yield note(f"not installed, and not needed for this: {', '.join(spare)}")


def _disk(output: Path) -> Finding:
    place = next(folder for folder in (output.absolute(), *output.absolute().parents) if folder.exists())
    if not os.access(place, os.W_OK):
        return problem(f"{output}: {place} cannot be written to", "choose another folder with --output-dir")
    free = shutil.disk_usage(place).free
    space = f"{free / _GB:,.1f} GB free on the disk of {output}"
    return ok(space) if free > _LITTLE_DISK else problem(space, "make room, or choose another disk with --output-dir")

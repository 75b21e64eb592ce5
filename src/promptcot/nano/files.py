"""Where the models and data that ship with the nano world lie.

It knows names and places only; whoever loads a model or reads a file knows what is in it.
"""

from pathlib import Path

from promptcot.errors import InputError

ROLES = ("annotator", "base", "generator", "judge-a", "judge-b", "solver")
"""The roles that an embedded model plays."""

_PACKAGE = Path(__file__).parent


def path(role: str) -> Path:
    """The folder of the embedded model for a role; InputError if there is no such role, or no weights for it."""
    known = ", ".join(ROLES)
    if role not in ROLES:
        raise InputError(f"no embedded model has the role {role!r}; known roles: {known}")
    folder = _PACKAGE / "models" / role
    if not any(folder.glob("*.safetensors")):
        raise InputError(f"the weights of the embedded {role} are missing in {folder}; known roles: {known}")
    return folder


def benchmark_path() -> Path:
    """The held-out problems, as benchmark rows with `level`."""
    return _PACKAGE / "benchmark.jsonl"


def seeds_path() -> Path:
    """Problems to begin a cold start with, as rows of `problem`, `level` and `answer`."""
    return _PACKAGE / "seeds.jsonl"


def concepts_path() -> Path:
    """The catalogue of concepts, as rows with seed combinations."""
    return _PACKAGE / "concepts.jsonl"

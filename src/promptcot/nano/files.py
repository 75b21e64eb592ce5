"""The locations of the models and data of the nano world. Only names and paths; other modules load them."""

from pathlib import Path

from promptcot.errors import InputError

NAME = "nano"
"""The name of the world: of its models, domain, concepts, seed problems and benchmark."""
ROLES = ("annotator", "base", "generator", "judge-a", "judge-b", "solver", "verifier")
"""The roles that an embedded model plays."""

_PACKAGE = Path(__file__).parent


def path(role: str) -> Path:
    """The folder of the embedded model for a role; InputError for an unknown role, or missing weights."""
    known = ", ".join(ROLES)
    if role not in ROLES:
        raise InputError(
            f"no embedded model has the role {role!r}: name another model, or leave its step out; known roles: {known}"
        )
    folder = _PACKAGE / "models" / role
    if not any(folder.glob("*.safetensors")):
        raise InputError(f"the weights of the embedded {role} are missing in {folder}; known roles: {known}")
    return folder


def is_nano(model: str) -> bool:
    """Whether a model's name is an embedded one: `nano`, or `nano:ROLE`."""
    return model == NAME or model.startswith(f"{NAME}:")


def is_world(name: str) -> bool:
    """Whether the name of a domain, of concepts or of seed problems is that of the nano world."""
    return name == NAME


def resolve(model: str, role: str) -> str | Path:
    """The location of a model: `nano` (for `role`) and `nano:ROLE` ship with the package; other names are returned
    unchanged.
    """
    return path(model.removeprefix("nano").removeprefix(":") or role) if is_nano(model) else model


def judge_role(name: str) -> str:
    """The role of the embedded model for a judge of this name with the model `nano`: the judge of that name, or else
    the first.
    """
    judges = [role for role in ROLES if role.startswith("judge-")]
    return next((role for role in (name, f"judge-{name}") if role in judges), "judge-a")


def benchmark_path() -> Path:
    """The held-out problems, as benchmark rows with `level`."""
    return _PACKAGE / "benchmark.jsonl"


def seeds_path() -> Path:
    """Seed problems for a cold start, as rows of `problem`, `level` and `answer`."""
    return _PACKAGE / "seeds.jsonl"


def concepts_path() -> Path:
    """The catalogue of concepts, as rows with seed combinations."""
    return _PACKAGE / "concepts.jsonl"

"""A miniature world with verifiable truth: its checker, and the models and data that ship with the package.

`check` reads a problem as a model wrote it and solves it exactly. `nano/LANGUAGE.md` describes the language of the
world; the code that writes problems and trains the models is not part of the package and never imported here. Importing
this package is cheap: apart from `promptcot.errors` it needs the standard library only.
"""

from promptcot.nano.checker import REASONS, IllPosed, Operand, Reason, Solution, Step, check, concepts_used
from promptcot.nano.families import CONCEPTS
from promptcot.nano.files import (
    NAME,
    ROLES,
    benchmark_path,
    concepts_path,
    is_nano,
    is_world,
    judge_role,
    path,
    resolve,
    seeds_path,
)
from promptcot.nano.reading import mask_numbers

__all__ = [
    "CONCEPTS",
    "NAME",
    "REASONS",
    "ROLES",
    "IllPosed",
    "Operand",
    "Reason",
    "Solution",
    "Step",
    "benchmark_path",
    "check",
    "concepts_path",
    "concepts_used",
    "is_nano",
    "is_world",
    "judge_role",
    "mask_numbers",
    "path",
    "resolve",
    "seeds_path",
]

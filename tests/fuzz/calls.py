"""Calls of the Python API with invalid arguments, one for each seed.

A call returns, or raises an error of our tree; or TypeError for an argument that does not exist.
"""

from __future__ import annotations

import inspect
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import promptcot
from tests.fuzz import odd
from tests.fuzz.good import ROWS, fill
from tests.fuzz.replying import open_engine
from tests.fuzz.trying import Outcome, called

_WORKING = [
    "seed",
    "journal",
    "concurrency",
    "max_retries",
    "max_cost",
    "keep_going",
    "cluster",
    "on_progress",
    "shard",
]
_ASK = {"generate": "inputs", "judge": "written", "solve": "problems", "extract": "problems", "explain": "annotated"}
_SETTINGS = ["size", "temperature", "counts", "levels", "prompt_like"]
_BAND = ["min_agreement", "min_pass_rate", "max_pass_rate"]
_MORE = {"sample": _SETTINGS, "label": _BAND, **dict.fromkeys(_ASK, _WORKING)}
_NANO = {
    f"{key}.engine": "tests.fuzz.replying:open_engine" for key in ("generate", "judge.a", "judge.b", "verify", "solve")
}


@dataclass(frozen=True)
class Call:
    """A function of the API with its arguments."""

    name: str
    positional: list[Any]
    named: dict[str, Any]

    @property
    def shown(self) -> str:
        """The call as one would write it, about."""
        told = [_short(one) for one in self.positional] + [f"{name}={_short(one)}" for name, one in self.named.items()]
        return f"promptcot.{self.name}({', '.join(told)})"

    def tried(self, seed: int, folder: Path, seconds: float = 20.0) -> Outcome:
        """How the call ends in that folder."""
        return called(lambda: getattr(promptcot, self.name)(*self.positional, **self.named), folder, seed, seconds)


def call(seed: int, folder: Path) -> Call:
    """The call of that seed; its files are written into `folder`."""
    draws = random.Random(f"call {seed}")
    fill(folder)
    name = draws.choice(
        [
            *_ASK,
            *("sample", "encode", "filter", "dedup", "decontaminate", "label", "select", "export", "measure"),
            *("grade", "run", "evaluate", "merge", "load_run"),
        ]
    )
    positional, named = _good(name)
    parameters = inspect.signature(getattr(promptcot, name)).parameters.values()
    known = [one.name for one in parameters if one.kind in (one.KEYWORD_ONLY, one.POSITIONAL_OR_KEYWORD)]
    known = known[len(positional) :] + _MORE.get(name, [])
    for _ in range(draws.choice([1, 1, 2])):
        if positional and draws.random() < 0.25:
            positional[draws.randrange(len(positional))] = _odd(draws, "rows")
        elif known:
            key = draws.choice(known)
            named[key] = _odd(draws, key)
    return Call(name, positional, named)


def _good(name: str) -> tuple[list[Any], dict[str, Any]]:
    """Arguments with which the function does its work, quickly."""
    if name in _ASK:
        return [[dict(row) for row in ROWS[_ASK[name]]]], {"model": open_engine(None, "", None)}
    small = {"max_candidates": 3, "output_dir": "out", "set": {"encode.skip": True, **_NANO}}
    found: dict[str, tuple[list[Any], dict[str, Any]]] = {
        "sample": ([ROWS["concepts"], 3], {"size": 2}),
        "encode": ([["primes", "gcd"]], {"model": open_engine(None, "", None)}),
        "filter": ([ROWS["judged-0"], ROWS["judged-1"]], {}),
        "dedup": ([ROWS["problems"]], {"near": 0.9}),
        "decontaminate": ([ROWS["problems"]], {"against": "nano"}),
        "label": ([ROWS["traces"]], {"workers": 1}),
        "select": ([ROWS["labelled"]], {"size": 2}),
        "export": ([ROWS["labelled"], "out"], {"to": "verl"}),
        "measure": ([ROWS["labelled"], ROWS["problems"]], {"concepts": "nano"}),
        "grade": ([ROWS["traces"]], {"workers": 1}),
        "run": (["nano"], small),
        "evaluate": (["nano"], {"limit_rows": 1, "output_dir": "out", "set": {"n": 1, "model.engine": OURS}}),
        "merge": (["out", ["run-1", "run-2"]], {}),
        "load_run": (["run-1"], {}),
    }
    return found[name]


OURS = "tests.fuzz.replying:open_engine"


def _odd(draws: random.Random, key: str) -> Any:
    if key == "rows" and draws.random() < 0.5:
        rows = [odd.distort(row, draws, odd.IN_JSON) for row in ROWS[draws.choice(list(ROWS))]]
        return draws.choice([rows, iter(rows), tuple(rows), {"a": rows}, rows[0], [rows]])
    if draws.random() < 0.3:
        return draws.choice([*odd.ODD_OPTION.get(key, odd.PATHS), *odd.TEXTS])
    if key in ("set", "model") and draws.random() < 0.5:
        names = [
            "run.target",
            "sample.size",
            "generate",
            "judge.0.name",
            "model",
            "temperature",
            "",
            "max_tokens",
            3,
            None,
        ]
        return {draws.choice(names): odd.odd_value(draws, odd.IN_PYTHON)}
    return odd.odd_value(draws, odd.IN_PYTHON)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 200 else f"{text[:150]}…"

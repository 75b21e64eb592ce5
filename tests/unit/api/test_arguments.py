"""Arguments of the API of the wrong type raise UsageError before anything is opened."""

from __future__ import annotations

from typing import Any

import pytest

import promptcot
from promptcot.engines.scripted import ScriptedEngine

ROWS = [{"id": "1", "prompt": "p", "problem": "What?", "foundational_concepts": ["a"], "level": "AIME"}]
CASES: list[tuple[str, dict[str, Any]]] = [
    ("solve", {"max_retries": None}),
    ("solve", {"prompts": float("nan")}),
    ("solve", {"columns": [1]}),
    ("judge", {"name": "\x1b[31m"}),
    ("judge", {"prompts": ""}),
    ("generate", {"journal": "a\0b"}),
    ("generate", {"journal": "\ud800"}),
    ("generate", {"keep_going": "no"}),
    ("extract", {"n": ...}),
    ("extract", {"levels": "AIME"}),
    ("explain", {"prompt_like": 3}),
    ("encode", {"output_path": 1j}),
    ("filter", {"n_rewards": 0}),
    ("label", {"workers": True}),
    ("label", {"seed": None}),
    ("select", {"size": 0}),
    ("select", {"min_n": True}),
    ("select", {"min_agreement": "high"}),
    ("select", {"levels": ["AIME"]}),
    ("select", {"difficulty": {"0-1": "much"}}),
    ("select", {"balance": [1]}),
    ("select", {"pass_rate": (0.2, 0.8)}),
    ("select", {"order": None}),
    ("select", {"model": 3}),
    ("select", {"verifier": ["exact"]}),
    ("grade", {"ks": "123"}),
    ("grade", {"limit": float("inf")}),
    ("grade", {"benchmark": object()}),
    ("sample", {"seed": "1"}),
    ("run", {"output_dir": {}}),
    ("run", {"target": "10"}),
    ("run", {"until": b"filter"}),
    ("evaluate", {"limit_rows": [1]}),
    ("merge", {"shards": "run-1"}),
    ("merge", {"shards": [None]}),
    ("load_run", {"directory": None}),
]
_FIRST: dict[str, list[Any]] = {"run": ["nano"], "evaluate": ["nano"], "merge": ["out"], "load_run": []}


@pytest.mark.parametrize(("name", "named"), CASES, ids=[f"{name}-{next(iter(named))}" for name, named in CASES])
def test_an_argument_of_another_kind_is_refused_by_its_name(name: str, named: dict[str, Any]) -> None:
    if name in ("solve", "judge", "generate", "extract", "explain", "encode"):
        named = {"model": ScriptedEngine(lambda _: "x"), **named}
    with pytest.raises(promptcot.UsageError, match=rf"^({'|'.join(named)}): "):
        getattr(promptcot, name)(*_FIRST.get(name, [ROWS]), **named)


def test_an_argument_that_does_not_exist_is_pythons_own_error() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'temperature'"):
        promptcot.generate(ROWS, temperature=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="'shards'"):
        promptcot.merge("out", paths=[])  # type: ignore[call-arg]


def test_what_a_default_says_by_none_may_be_said_by_none(tmp_path: Any) -> None:
    model = ScriptedEngine(lambda _: "x")
    assert promptcot.solve(ROWS, model=model, style=None, prompts=None, columns=None, journal=None).counts.rows_in == 1


def test_a_run_below_a_file_is_not_there() -> None:
    with pytest.raises(promptcot.InputError, match="no such file"):
        promptcot.load_run("/dev/null/x")

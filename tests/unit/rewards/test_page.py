"""The examples of docs/rewards.md run, and its options and reasons are correct."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from promptcot.rewards import REASONS, Options, Rules
from tests.reward_stand_ins import stand_ins

PAGE = (Path(__file__).parents[3] / "docs" / "rewards.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("code", BLOCKS, ids=[code.splitlines()[0] for code in BLOCKS])
def test_an_example_runs(code: str) -> None:
    with stand_ins():
        exec(compile(code, "docs/rewards.md", "exec"), {"__name__": "example"})


def test_all_options_and_reasons_are_on_the_page() -> None:
    assert set(Options.__annotations__) == {one.name for one in fields(Rules)}
    assert [name for name in (*REASONS, *Options.__annotations__) if f"| `{name}` |" not in PAGE] == []
    assert len(BLOCKS) > 6

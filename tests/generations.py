"""Replies of generators for tests: a rationale and a problem between their markers."""

from __future__ import annotations

from promptcot.core.parsing import blocks


def render(rationale: str, problem: str) -> str:
    return blocks.render(read_as(rationale, problem))


def read_as(rationale: str, problem: str) -> dict[str, str]:
    return {"rationale": rationale, "problem": problem}

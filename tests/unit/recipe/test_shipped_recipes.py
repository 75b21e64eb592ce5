"""Every recipe that ships can be read, and shows its first prompts without any model."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from promptcot.chains.recipe import is_chain
from promptcot.cli.report.run import preview
from promptcot.pipeline.inputs import Inputs
from promptcot.recipe.loading import load, shipped

NEEDS = {"endpoint": {"server.base_url": "http://localhost:8000/v1"}}


@pytest.fixture
def wording(tmp_path: Path) -> str:
    """Rows that carry a wording to learn."""
    rows = [
        {"prompt": f"Level: {level}\nConcepts:\n1. one {number}\n2. two {number}\n3. three {number}\nWrite a problem."}
        for number, level in enumerate(["AIME", "USAMO", "AMC12", "HMMT-Feb"] * 3)
    ]
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    return str(path)


@pytest.mark.parametrize("name", [name for name in shipped() if not is_chain(name)])
def test_a_shipped_recipe_is_read_and_shows_its_first_prompts(name: str, wording: str, tmp_path: Path) -> None:
    changes = {"sample.prompt_like": wording} if name == "promptcot" else NEEDS.get(name, {})
    recipe = load(name, overrides=changes)
    told = "\n".join(preview(Inputs(recipe, tmp_path)))
    assert recipe.name == name
    for stage in ("generate", *(f"judge-{judge.name}" for judge in recipe.judge)):
        assert f"{stage}: " in told
    assert all(concept in told for concept in ("1. ", "2. ", "3. ") if max(recipe.sample.size) > 2)


def test_the_published_settings_are_those_of_the_paper() -> None:
    recipe = load("promptcot")
    assert [judge.model for judge in recipe.judge] == ["meta-llama/Llama-3.1-70B-Instruct", "Qwen/Qwen2.5-72B-Instruct"]
    assert {(judge.temperature, judge.max_tokens) for judge in recipe.judge} == {(0.6, 4096)}
    assert recipe.seed == 8000
    assert recipe.encode.model == "meta-llama/Llama-3.1-8B"
    assert recipe.filter.only_perfect

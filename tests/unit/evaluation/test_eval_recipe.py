"""Evaluation recipes: the shipped ones, and the errors for mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptcot import domains
from promptcot.errors import RecipeError
from promptcot.evaluation.paper_numbers import published
from promptcot.evaluation.recipe import SHIPPED_EVAL, load_eval
from promptcot.evaluation.registry import BENCHMARKS
from promptcot.recipe.loading import parse, shipped

PUBLIC = {"promptcot-ds-1.5b": 32768, "promptcot-ds-7b": 32768, "promptcot-qwq-32b": 16384}


def test_evaluation_recipes_are_no_recipes_of_runs() -> None:
    assert set(shipped(SHIPPED_EVAL)) == {"nano", "endpoint", *PUBLIC}
    assert set(shipped()).isdisjoint(PUBLIC)


@pytest.mark.parametrize("name", shipped(SHIPPED_EVAL))
def test_a_shipped_evaluation_recipe_names_what_exists(name: str) -> None:
    found = load_eval(name)
    assert found.name == name
    assert set(found.benchmarks) <= BENCHMARKS.keys()
    style = f"solve.{found.style}.jinja" if found.style else "solve.jinja"
    assert style in domains.load(found.prompts).hashes


@pytest.mark.parametrize(("name", "longest"), PUBLIC.items())
def test_the_public_settings_are_those_of_the_paper(name: str, longest: int) -> None:
    found = load_eval(name)
    assert (found.n, found.model.temperature, found.model.top_p, found.model.max_tokens) == (8, 0.6, 0.95, longest)
    assert found.benchmarks == ["gsm8k", "math500", "aime2024", "aime2025"]
    assert published(found.model.model, "gsm8k") is not None


def test_mistakes_are_reported_together_with_the_nearest_known_key(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('benchmark = ["nano"]\nn = 0\n[model]\ntop = 1\n')
    with pytest.raises(RecipeError) as caught:
        load_eval(str(path))
    said = str(caught.value)
    assert "benchmark: unknown key; did you mean benchmarks?" in said
    assert "model.top: unknown key; did you mean top_p?" in said
    assert "n: " in said


def test_an_unknown_name_is_told_the_evaluation_recipes(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="did you mean promptcot-ds-7b"):
        load_eval("promptcot-ds-7B")


def test_keys_are_changed_by_set_and_then_by_options() -> None:
    found = load_eval("nano", ["model.temperature=0.9", "n=3"], {"n": 2, "model.model": None})
    assert (found.n, found.model.temperature, found.model.model) == (2, 0.9, "nano:solver")


def test_recipes_of_runs_keep_their_own_keys() -> None:
    with pytest.raises(RecipeError, match="unknown key"):
        parse({"judge": [{"name": "a"}], "benchmarks": ["nano"]})

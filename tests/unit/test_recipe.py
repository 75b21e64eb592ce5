"""Recipes: every mistake at once, the nearest key named, changes from the command line."""

from pathlib import Path

import pytest

from promptcot.errors import RecipeError
from promptcot.recipe import load, parse, shipped

JUDGES = {"judge": [{"name": "a"}]}


@pytest.mark.parametrize("name", shipped())
def test_shipped_recipes_are_sound(name: str) -> None:
    assert load(name).name == name


def test_three_mistakes_are_reported_together_with_the_nearest_keys() -> None:
    table = {"generate": {"temprature": 1}, "sample": {"size": 0}, "sed": 1, **JUDGES}
    with pytest.raises(RecipeError) as caught:
        parse(table, "my.toml")
    assert len(caught.value.mistakes) == 3
    message = str(caught.value)
    assert message.startswith("my.toml: 3 mistakes")
    assert "generate.temprature: unknown key; did you mean temperature?" in message
    assert "sed: unknown key; did you mean seed?" in message
    assert "sample.size" in message


def test_an_unknown_key_inside_a_list_names_its_nearest_one() -> None:
    with pytest.raises(RecipeError, match=r"judge\.0\.modle: unknown key; did you mean model\?"):
        parse({"judge": [{"name": "a", "modle": "x"}]})


def test_two_judges_of_one_name_are_refused() -> None:
    with pytest.raises(RecipeError, match="same name"):
        parse({"judge": [{"name": "a"}, {"name": "a"}]})


@pytest.mark.parametrize("name", ["../a", "a b", ""])
def test_a_judges_name_must_be_a_file_name(name: str) -> None:
    with pytest.raises(RecipeError, match=r"judge\.0\.name"):
        parse({"judge": [{"name": name}]})


CHANGES = [
    ("generate.temperature=0.5", lambda recipe: recipe.generate.temperature, 0.5),
    ("generate.model=some/folder", lambda recipe: recipe.generate.model, "some/folder"),
    ("judge.1.model=x", lambda recipe: recipe.judge[1].model, "x"),
    ("sample.size=[2, 3]", lambda recipe: recipe.sample.size, [2, 3]),
    ("run.target=7", lambda recipe: recipe.run.target, 7),
    ('sample.levels=["AIME"]', lambda recipe: recipe.sample.levels, ["AIME"]),
]


@pytest.mark.parametrize(("change", "read", "expected"), CHANGES, ids=[change[0] for change in CHANGES])
def test_set(change: str, read: object, expected: object) -> None:
    assert read(load("nano", [change])) == expected  # type: ignore[operator]


WRONG = [
    ("nonsense", "write it as key=value"),
    ("generate.temprature=1", "did you mean temperature"),
    ("judge.9.model=x", "positions 0 to 1"),
    ("seed.x=1", "is a value"),
    ("seed=soon", "seed: "),
]


@pytest.mark.parametrize(("change", "message"), WRONG)
def test_set_wrongly(change: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        load("nano", [change])


def test_a_missing_recipe_names_the_nearest_shipped_one() -> None:
    with pytest.raises(RecipeError, match="did you mean nano"):
        load("nanoo")


def test_a_file_that_is_not_toml_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text("a = [")
    with pytest.raises(RecipeError, match="not TOML"):
        load(str(tmp_path / "x.toml"))

"""Malformed recipes: each gets a short error that says where it is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptcot.errors import RecipeError
from promptcot.evaluation.recipe import load_eval
from promptcot.recipe import import_path
from promptcot.recipe.loading import load, parse
from promptcot.training.recipe import load_train

WHOLES: dict[str, bytes] = {
    "UTF-16": 'name = "x"'.encode("utf-16"),
    "binary": bytes(range(256)),
    "a thousand brackets": b"a = " + b"[" * 1000 + b"]" * 1000,
    "a number of 5,000 digits": b"seed = " + b"9" * 5000,
    "a date that is none": b"a = 2025-02-30",
    "a thousand tables in each other": b"a." * 1000 + b"b = 1",
}


@pytest.mark.parametrize("content", WHOLES.values(), ids=WHOLES)
def test_a_file_that_is_no_recipe_is_refused_in_a_line(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "odd.toml"
    path.write_bytes(content)
    with pytest.raises(RecipeError, match=r"odd\.toml: 1 mistake") as raised:
        load(str(path))
    assert len(str(raised.value)) < 500


@pytest.mark.parametrize("value", ["9" * 5000, "[" * 1000, "2025-02-30"], ids=["digits", "brackets", "no date"])
def test_what_looks_like_a_value_and_is_none_is_a_text(value: str) -> None:
    with pytest.raises(RecipeError) as raised:
        load("nano", [f"seed={value}"])
    [mistake] = raised.value.mistakes
    assert mistake.startswith("seed: ")
    assert len(mistake) < 400


def test_tables_in_tables_are_refused_before_they_are_looked_through() -> None:
    with pytest.raises(RecipeError, match="more than 50 levels deep"):
        load("nano", [f"generate.extra_body.{'a.' * 60}a=1"])


@pytest.mark.parametrize("name", ["", " ", ".", "..", "../x", "/tmp/x", "a//b", "a\0b", "a\nb", "x" * 300])
def test_a_recipe_is_not_called_what_no_folder_can_be_called(name: str) -> None:
    with pytest.raises(RecipeError, match=r"name: this is also the name of a folder in `out`"):
        parse({"name": name, "judge": [{"name": "a"}]})
    for load_other in (load_eval, load_train):
        with pytest.raises(RecipeError, match="name: "):
            load_other("nano" if load_other is load_eval else "nano-student", overrides={"name": name})


@pytest.mark.parametrize("name", ["nano", "my-run", "größe", "team/run.v2", "a b"])
def test_any_word_is_a_name(name: str) -> None:
    assert parse({"name": name, "judge": [{"name": "a"}]}).name == name


@pytest.mark.parametrize(
    "key", ["generate.model", "concepts.path", "generate.stop", "generate.extra_body.x", "prompts"]
)
def test_half_characters_are_refused_before_anything_is_asked(key: str) -> None:
    with pytest.raises(RecipeError, match="not UTF-8 text"):
        load("nano", [], {key: "a\udcff"})


MODULES = {
    "ends the process": ("import sys; sys.exit(2)", "importing it raises SystemExit: 2"),
    "raises": ("1 / 0", "importing it raises ZeroDivisionError"),
    "is no Python": ("def (", "importing it raises SyntaxError"),
    "answers for no name": ("def __getattr__(name): raise ValueError(name)", "has no thing"),
}


@pytest.mark.parametrize(("content", "words"), MODULES.values(), ids=MODULES)
def test_a_module_that_cannot_be_used_is_named(
    content: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    module = f"odd_module_{list(MODULES).index(request.node.callspec.id)}"
    (tmp_path / f"{module}.py").write_text(content)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match=words):
        import_path.load(f"{module}:thing")

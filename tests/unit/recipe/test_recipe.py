"""Recipes: every mistake at once, the nearest key named, changes from the command line."""

import re
from pathlib import Path

import pytest

from promptcot.chains.recipe import is_chain
from promptcot.errors import RecipeError
from promptcot.recipe.loading import load, parse, shipped, with_changes

JUDGES = {"judge": [{"name": "a"}]}


@pytest.mark.parametrize("name", [name for name in shipped() if not is_chain(name)])
def test_shipped_recipes_are_sound(name: str) -> None:
    url = {"server.base_url": ["http://127.0.0.1:1/v1"]} if name == "endpoint" else None
    assert load(name, overrides=url).name == name


def test_the_recipe_for_a_server_says_that_it_needs_one() -> None:
    with pytest.raises(RecipeError, match=r"1 mistake\n.*--base-url"):
        load("endpoint")


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
    ("judge.b.model=x", lambda recipe: recipe.judge[1].model, "x"),
    ("sample.size=[2, 3]", lambda recipe: recipe.sample.size, [2, 3]),
    ("run.target=7", lambda recipe: recipe.run.target, 7),
    ('sample.levels=["AIME"]', lambda recipe: recipe.sample.levels, ["AIME"]),
]


@pytest.mark.parametrize(("change", "read", "expected"), CHANGES, ids=[change[0] for change in CHANGES])
def test_set(change: str, read: object, expected: object) -> None:
    assert read(load("nano", [change])) == expected  # type: ignore[operator]


def test_a_name_in_a_change_may_hold_dots() -> None:
    table = {"judge": [{"name": "qwen2"}, {"name": "qwen2.5-72b"}, {"name": "0"}]}
    changes = ["judge.qwen2.5-72b.max_tokens=9", "judge.qwen2.top_k=5", "judge.0.min_p=0.1"]
    assert with_changes(table, changes)["judge"] == [
        {"name": "qwen2", "top_k": 5, "min_p": 0.1},
        {"name": "qwen2.5-72b", "max_tokens": 9},
        {"name": "0"},
    ]


WRONG = [
    ("nonsense", "write it as key=value"),
    ("generate.temprature=1", "did you mean temperature"),
    ("judge.9.model=x", "positions 0 to 1, nor one of the names a, b"),
    ("judge.c.model=x", "judge.c.model: 'c' is not one of"),
    ("judge.a.model.x=1", "model is a value, not a table"),
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


HOSTED = {"base_url": "http://host:1/v1/", "model": "m", "price": {"prompt": 1, "completion": 2.5}}


def test_what_the_server_section_says_holds_where_no_other_says_otherwise() -> None:
    judges = [{"name": "a"}, {"name": "b", "model": "other"}]
    recipe = parse({"server": HOSTED, "generate": {"base_url": []}, "judge": judges})
    assert [judge.base_url for judge in recipe.judge] == [["http://host:1/v1"]] * 2
    assert [judge.model for judge in recipe.judge] == ["m", "other"]
    assert (recipe.encode.model, recipe.encode.base_url) == ("m", ["http://host:1/v1"])
    assert (recipe.generate.model, recipe.generate.base_url) == ("m", [])
    assert recipe.judge[0].price is not None
    assert recipe.judge[0].price.of(2_000_000, 1_000_000) == 4.5


def test_a_server_from_the_command_line_leaves_what_a_recipe_names() -> None:
    overrides = {"server.base_url": ["http://a/v1", "http://b/v1"], "server.model": "hosted"}
    recipe = load("nano", overrides=overrides)
    table = load("nano")
    assert recipe.generate.base_url == ["http://a/v1", "http://b/v1"]
    named = table.judge[0].model != "nano"
    assert recipe.judge[0].model == (table.judge[0].model if named else "hosted")


MISTAKES: list[tuple[str, dict[str, object], list[str]]] = [
    ("no URL", {"generate": {"engine": "openai"}}, ["generate: engine = .openai. needs base_url"]),
    ("vLLM at a URL", {"generate": {"engine": "vllm", "base_url": "http://h/v1"}}, ["generate: .*cannot be combined"]),
    ("a URL without its scheme", {"generate": {"base_url": "host:8000/v1"}}, ["http://HOST:PORT/v1"]),
    ("a negative price", {"generate": {"price": {"prompt": -1, "completion": 1}}}, [r"generate\.price\.prompt"]),
    ("half a price", {"generate": {"price": {"prompt": 1}}}, [r"generate\.price\.completion: Field required"]),
    (
        "a cap without a price",
        {"run": {"max_cost": 1}, "generate": {"base_url": "http://h/v1"}},
        ["max_cost needs the price of every hosted model; none is given for generate"],
    ),
    (
        "a cap, and the server has no price",
        {"run": {"max_cost": 1}, "server": {"base_url": "http://h/v1"}},
        ["none is given for generate, judge a"],
    ),
    ("an infinite temperature", {"generate": {"temperature": float("inf")}}, [r"generate\.temperature"]),
    ("an infinite penalty", {"generate": {"repetition_penalty": float("inf")}}, [r"generate\.repetition_penalty"]),
    ("no token to draw from", {"generate": {"top_k": 0}}, [r"generate\.top_k"]),
    ("no share", {"generate": {"min_p": float("nan")}}, [r"generate\.min_p"]),
    ("an empty stop string", {"generate": {"stop": ["END", ""]}}, [r"generate\.stop\.1"]),
    ("a cap of nothing", {"run": {"max_cost": 0}}, [r"run\.max_cost"]),
    ("one of [server], told once", {"server": {"n_gpus": -1}}, [r"server\.n_gpus"]),
    ("an unknown key of [server], told once", {"server": {"n_gps": 1}}, [r"server\.n_gps: .*did you mean n_gpus"]),
    ("a key that is none of [server]'s", {"server": {"temperature": 1}}, [r"server\.temperature: unknown key"]),
    (
        "of [server] and of a section, each told once",
        {"server": {"base_url": "h", "n_gpus": -1}, "generate": {"n_gpus": "x"}},
        [r"server\.n_gpus", r"server\.base_url", r"generate\.n_gpus"],
    ),
    ("engine and URL of [server], told once", {"server": {"engine": "vllm", "base_url": "http://h/v1"}}, ["server: "]),
    ("[server] is a value", {"server": 3}, ["server: "]),
]


@pytest.mark.parametrize(("table", "expected"), [m[1:] for m in MISTAKES], ids=[m[0] for m in MISTAKES])
def test_mistakes_about_servers_and_money(table: dict[str, object], expected: list[str]) -> None:
    with pytest.raises(RecipeError) as caught:
        parse({**JUDGES, **table})
    assert len(caught.value.mistakes) == len(expected), caught.value.mistakes
    for pattern in expected:
        assert any(re.search(pattern, mistake) for mistake in caught.value.mistakes)
    assert all(len(mistake) < 400 for mistake in caught.value.mistakes)  # no dump of a whole section


def test_a_cap_needs_no_price_of_models_that_run_here() -> None:
    recipe = parse({"run": {"max_cost": 1}, "generate": HOSTED, **JUDGES})
    assert recipe.run.max_cost == 1.0


def test_options_of_vllm_may_be_written_as_on_a_command_line() -> None:
    recipe = parse({"generate": {"engine_args": "--max-model-len 8192 --chat-template 'a b'"}, **JUDGES})
    assert recipe.generate.engine_args == ["--max-model-len", "8192", "--chat-template", "a b"]

"""The sections after `filter`: inherited values, requirements, and unchanged old recipes."""

from typing import Any

import pytest

from promptcot import domains
from promptcot.errors import RecipeError
from promptcot.pipeline.plan import steps_of
from promptcot.recipe.loading import parse, with_changes

SMALL: dict[str, Any] = {"name": "small", "judge": [{"name": "a"}]}
LABELLED = {"solve": {"model": "T"}, "label": {}}
PRICE = {"prompt": 1.0, "completion": 1.0}


def test_a_recipe_without_them_is_written_down_as_before() -> None:
    told = parse(SMALL).written_down()
    assert [*told] == [
        *("name", "seed", "prompts", "server", "run", "concepts", "encode", "sample", "generate", "judge", "filter")
    ]


def test_those_that_are_there_are_written_down_complete_and_read_again() -> None:
    recipe = parse({**SMALL, **LABELLED, "verify": {}, "dedup": {}, "decontaminate": {}, "select": {}})
    told = recipe.written_down()
    assert [*told][-6:] == ["verify", "dedup", "decontaminate", "solve", "label", "select"]
    assert (told["verify"]["votes"], told["solve"]["n"], told["dedup"]["near"]) == (5, 4, 0.85)
    assert parse(told).written_down() == told


def test_a_section_that_ships_may_be_left_out() -> None:
    recipe = parse(with_changes({**SMALL, "dedup": {}, "verify": {}}, ["verify=false"]))
    assert recipe.verify is None
    assert recipe.dedup is not None


def test_one_that_is_only_said_to_be_there_has_its_defaults() -> None:
    recipe = parse(with_changes({**SMALL, "server": {"model": "M"}}, ["verify=true", "dedup=true"]))
    assert recipe.verify is not None
    assert (recipe.verify.model, recipe.verify.votes, recipe.set_steps) == ("M", 5, ["verify", "dedup"])


def test_all_that_is_wrong_with_a_selection_is_told_at_once() -> None:
    asked = {"pass_rate": "0.8:0.2", "levels": {"a": -1}, "balance": ["x"], "order": "y"}
    with pytest.raises(RecipeError) as error:
        parse({**SMALL, **LABELLED, "select": asked})
    parts = ("pass-rate: '0.8:0.2'", "levels: the share of 'a'", "balance: 'x'", "order: 'y'")
    assert [str(error.value).count(part) for part in parts] == [1, 1, 1, 1]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"label": {"verifier": "nothing"}}, "verifier: 'nothing' is not a verifier"),
        ({"select": {"model": "S"}}, "model: 'S' is not the solver of this recipe, which is 'T'"),
    ],
)
def test_what_would_stop_a_run_at_its_end_stops_it_before_the_first_call(more: dict[str, Any], expected: str) -> None:
    recipe = parse({**SMALL, **LABELLED, **more})
    with pytest.raises(RecipeError, match=expected):
        steps_of(recipe, domains.load("math"))


def test_the_server_is_asked_by_all_of_them_that_name_no_other() -> None:
    server = {"base_url": "http://one:1/v1", "model": "M"}
    teacher = {"base_url": "http://two:2/v1", "model": "T"}
    table = {
        **SMALL,
        "server": server,
        "verify": {"temperature": 0.3, "voter": [{"name": "a"}, {"name": "b", "model": "V", "temperature": 0.9}]},
        "dedup": {"semantic": "E"},
        "solve": teacher,
        "label": {},
    }
    models = parse(table).models
    assert [*models] == ["generate", "judge-a", "verify-a", "verify-b", "embed-dedup", "solve"]
    assert [model.model for model in models.values()] == ["M", "M", "M", "V", "E", "T"]
    assert [models[f"verify-{name}"].temperature for name in "ab"] == [0.3, 0.9]
    assert models["embed-dedup"].base_url == ["http://one:1/v1"]
    assert models["solve"].base_url == ["http://two:2/v1"]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"label": {}}, "[label] needs [solve]"),
        ({"solve": {}}, "[solve] needs [label]"),
        ({"select": {}}, "[select] needs [label]"),
        ({"solve": {}, "select": {}}, "[solve] needs [label]: "),
        ({"solve": {}, "select": {}}, "(--set select=false leaves [select] out too)"),
        ({**LABELLED, "label": {"min_pass_rate": 0.8, "max_pass_rate": 0.2}}, "no problem could be kept"),
        ({"verify": {"votes": 1, "voter": [{"name": "a"}, {"name": "b"}]}}, "votes = 1 for 2 voters"),
        ({"verify": {"voter": [{"name": "a"}, {"name": "a"}]}}, "two voters have the same name (a, a)"),
        ({"verify": {"min_shares": 1}}, "verify.min_shares: unknown key; did you mean min_share?"),
        ({"decontaminate": {"confirm": "J"}}, "near by `semantic`, and semantic names no model"),
        ({"select": {"pass_rate": "0.8:0.2"}, **LABELLED}, "starts above its end"),
        ({"dedup": {"near": 2}}, "dedup.near: Input should be less than or equal to 1 (it is 2)"),
    ],
)
def test_mistakes_are_named(more: dict[str, Any], expected: str) -> None:
    with pytest.raises(RecipeError) as error:
        parse({**SMALL, **more})
    assert expected in str(error.value)


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"verify": {}}, "verify"),
        ({"verify": {"price": PRICE, "voter": [{"name": "a"}, {"name": "b", "price": None}]}}, "verify-b"),
        (LABELLED, "solve"),
        ({"decontaminate": {"semantic": "E"}}, "embed-decontaminate"),
    ],
)
def test_a_cap_needs_the_price_of_each_model_that_they_ask(more: dict[str, Any], named: str) -> None:
    priced = {"base_url": "http://one:1/v1", "price": PRICE}
    table = {"name": "s", "judge": [{"name": "a", **priced}], "generate": priced, "encode": priced}
    asked = {"base_url": "http://one:1/v1"}
    more = {name: {**section, **(asked if name in ("verify", "solve") else {})} for name, section in more.items()}
    if "decontaminate" in more:
        more["decontaminate"]["semantic"] = {"model": "E", **asked}
    with pytest.raises(RecipeError, match=f"none is given for {named} "):
        parse({**table, **more, "run": {"max_cost": 1}})

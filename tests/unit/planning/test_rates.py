"""Rates have an origin, and the better origin wins: set, measured, stated, assumed."""

import pytest

from promptcot.errors import RecipeError
from promptcot.planning.rates import Rate, resolve
from promptcot.recipe.loading import load, parse
from tests.unit.planning.rundirs import TABLE, recipe

MEASURED = {"generate": {"prompt_tokens": Rate(90, "measured", "out/x", 200, "calls")}}


def test_a_rate_says_where_it_is_from() -> None:
    plan = {"generate": {"gpus": {"value": 2, "source": "a page"}, "prompt_tokens": {"value": 5, "assumed": "a guess"}}}
    generate = resolve(recipe(plan=plan), {}).asked[0]
    assert generate["gpus"] == Rate(2, "stated", "a page")
    assert generate["prompt_tokens"] == Rate(5, "assumed", "a guess")
    assert generate["completion_tokens"] is None, "what is not stated is not put in"


def test_a_bare_number_is_assumed() -> None:
    assert resolve(recipe(plan={"filter": {"kept": 0.5}}), {}).filter["kept"] == Rate(0.5, "assumed")


@pytest.mark.parametrize(
    ("given", "mistake"),
    [
        ({"value": 1}, "say where it is from"),
        ({"value": 1, "source": "a", "assumed": True}, "say where it is from"),
        ({"value": 1, "source": ""}, "at least 1 character"),
        ({"value": 0, "assumed": True}, "greater than 0"),
        (float("nan"), "greater than 0|finite"),
        (float("inf"), "finite"),
        (True, "valid dictionary"),
    ],
)
def test_a_number_without_an_origin_and_no_number_are_refused(given: object, mistake: str) -> None:
    with pytest.raises(RecipeError, match=mistake):
        recipe(plan={"generate": {"prompt_tokens": given}})


@pytest.mark.parametrize(
    ("plan", "mistake"),
    [
        ({"filter": {"kept": 1.5}}, "less than or equal to 1"),
        ({"generate": {"gpus": 1.5}}, "integer"),
        ({"judge": {"b": {"gpus": 1}}}, r"plan\.judge\.b: there is no such judge; the judges are a"),
        ({"generate": {"gpu": 1}}, r"plan\.generate\.gpu: unknown key; did you mean gpus"),
        ({"judge": {"a": {"promt_tokens": 1}}}, r"plan\.judge\.a\.promt_tokens: unknown key; did you mean prompt_tok"),
    ],
)
def test_a_wrong_key_or_value_of_the_plan_is_named(plan: object, mistake: str) -> None:
    with pytest.raises(RecipeError, match=mistake):
        recipe(plan=plan)


def test_measured_goes_before_stated_and_set_before_measured() -> None:
    plan = {"generate": {"prompt_tokens": {"value": 50, "source": "a page"}}}
    assert resolve(recipe(plan=plan), MEASURED).asked[0].value("prompt_tokens") == 90
    set_now = resolve(recipe(plan=plan), MEASURED, ["plan.generate.prompt_tokens"]).asked[0]
    assert set_now["prompt_tokens"] == Rate(50, "stated", "set for this plan: a page")
    all_set = resolve(recipe(plan=plan), MEASURED, ["plan.generate"]).asked[0]
    assert all_set["prompt_tokens"] == Rate(50, "stated", "set for this plan: a page")


def test_a_rate_of_writing_that_is_set_goes_before_measured_seconds() -> None:
    plan = {"generate": {"completion_tokens": 10, "completion_tokens_per_second": 5}}
    measured = {"generate": {"seconds": Rate(7, "measured", "out/x", 200, "calls")}}
    assert resolve(recipe(plan=plan), measured).asked[0].gpu_seconds == 7
    given = ["plan.generate.completion_tokens_per_second"]
    assert resolve(recipe(plan=plan), measured, given).asked[0].gpu_seconds == 2


def test_reading_and_writing_follow_each_other() -> None:
    plan = {
        "generate": {
            "prompt_tokens": 100,
            "prompt_tokens_per_second": 50,
            "completion_tokens": 30,
            "completion_tokens_per_second": 10,
        }
    }
    assert resolve(recipe(plan=plan), {}).asked[0].gpu_seconds == 100 / 50 + 30 / 10


def test_n_gpus_of_the_recipe_is_a_replica_where_the_plan_says_nothing() -> None:
    writer = {"model": "org/writer", "n_gpus": 4}
    assert resolve(recipe(generate=writer), {}).asked[0].value("gpus") == 4
    stated = resolve(recipe(generate=writer, plan={"generate": {"gpus": 2}}), {})
    assert stated.asked[0].value("gpus") == 2


def test_a_hosted_model_takes_what_its_server_allows() -> None:
    hosted = {"model": "m", "base_url": "http://h.example/v1", "requests_per_minute": 120, "tokens_per_minute": 600}
    plan = {"generate": {"prompt_tokens": 10, "completion_tokens": 20}}
    stage = resolve(recipe(generate=hosted, plan=plan), {}).asked[0]
    assert stage.hosted
    assert stage.gpu_seconds is None
    assert stage.seconds_hosted == max(60 / 120, 60 * 30 / 600)


def test_an_address_with_gpus_of_ours_is_not_hosted() -> None:
    own = {"model": "m", "base_url": "http://h.example/v1"}
    assert not resolve(recipe(generate=own, plan={"generate": {"gpus": 1}}), {}).asked[0].hosted


def test_the_plan_does_not_change_what_is_written_down_about_a_run() -> None:
    plain, planned = recipe(), recipe(plan={"filter": {"kept": 0.5}})
    assert plain.model_dump() == planned.model_dump()
    assert "plan" not in plain.model_dump(mode="json")


def test_every_rate_of_the_shipped_recipe_has_an_origin() -> None:
    rates = resolve(load("promptcot"), {}, with_solve=True)
    assert [stage.name for stage in rates] == ["generate", "judge-llama", "judge-qwen", "solve"]
    for stage in rates:
        assert stage.gpu_seconds is not None
        assert all(rate.kind in ("stated", "assumed") for rate in stage.rates.values())
        assert all(rate.origin for rate in stage.rates.values() if rate.kind == "stated")
    assert {"kept"} <= rates.filter.keys()
    assert {"call_seconds", "row_seconds", "memory_bytes"} == rates.driver.keys()


def test_parse_takes_a_recipe_without_a_plan() -> None:
    assert resolve(parse(TABLE), {}).gpu_hour is None

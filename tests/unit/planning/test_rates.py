"""Rates have an origin, and the better origin wins: set, measured, stated, assumed."""

from typing import Any

import pytest

from promptcot.errors import RecipeError, UsageError
from promptcot.planning.rates import SET, Rate, resolve, with_rates
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
        ({"driver": {"row_seconds": 1}}, r"plan\.driver\.row_seconds: unknown key"),
        (
            {"rates": {"fp8": {"generate": {"gpu": 1}}}},
            r"plan\.rates\.fp8\.generate\.gpu: unknown key; did you mean gpus",
        ),
        ({"rates": {"fp8": {"judge": {"b": {"gpus": 1}}}}}, r"plan\.rates\.fp8\.judge\.b: there is no such judge"),
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
    assert {"call_seconds", "memory_bytes"} == rates.driver.keys()


@pytest.mark.parametrize("name", load("promptcot").plan.rates)
def test_other_rates_of_the_shipped_recipe_have_an_origin(name: str) -> None:
    recipe, given = with_rates(load("promptcot"), name, [])
    replaced = [rate for stage in resolve(recipe, {}, given) for rate in stage.rates.values() if SET in rate.origin]
    assert replaced
    assert all(rate.origin.removeprefix(SET) for rate in replaced)


OTHERS: dict[str, Any] = {
    "gpu": "old",
    "generate": {"gpus": 2, "prompt_tokens": 10, "completion_tokens": 10, "completion_tokens_per_second": 5},
    "rates": {
        "new": {
            "gpu": "new",
            "generate": {"completion_tokens_per_second": {"value": 10, "source": "a page"}},
            "judge": {"a": {"gpus": 1}},
        }
    },
}


def test_other_rates_take_the_place_of_what_they_state_and_of_nothing_else() -> None:
    changed, given = with_rates(recipe(plan=OTHERS), "new", [])
    rates = resolve(changed, {}, given)
    writer, judge = rates.asked
    assert (rates.gpu, writer.value("gpus"), judge.value("gpus")) == ("new", 2, 1)
    assert writer["completion_tokens_per_second"] == Rate(10, "stated", f"{SET}: a page")
    assert writer["prompt_tokens"] == Rate(10, "assumed"), "what they do not state stays, with its origin"


def test_other_rates_go_before_what_was_measured() -> None:
    measured = {"generate": {"seconds": Rate(7, "measured", "out/x", 200, "calls")}}
    changed, given = with_rates(recipe(plan=OTHERS), "new", [])
    assert resolve(recipe(plan=OTHERS), measured).asked[0].gpu_seconds == 7
    assert resolve(changed, measured, given).asked[0].gpu_seconds == 1


@pytest.mark.parametrize("key", ["plan.generate.completion_tokens_per_second", "plan.generate", "plan"])
def test_what_is_set_goes_before_other_rates(key: str) -> None:
    changed, given = with_rates(recipe(plan=OTHERS), "new", [key])
    assert resolve(changed, {}, given).asked[0].value("completion_tokens_per_second") == 5


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (OTHERS, r"--rates fp9: the recipe has new; to add alternative rates, write a section \[plan\.rates\.fp9\]"),
        ({}, "--rates fp9: the recipe has none"),
    ],
)
def test_other_rates_that_the_recipe_lacks_are_named(plan: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        with_rates(recipe(plan=plan), "fp9", [])


CALL = {"completion_tokens": 20, "completion_tokens_per_second": 5}
READ = {"prompt_tokens": 30, "prompt_tokens_per_second": 10}


@pytest.mark.parametrize(
    ("plan", "work"),
    [
        ({"generate": {**CALL, "kept": 0.5}, "judge": {"a": {**CALL, **READ}}}, {"generate": 4.0, "judge-a": 3.5}),
        ({"generate": CALL, "judge": {"a": CALL}}, {"generate": 4.0, "judge-a": 4.0}),
        ({"generate": CALL}, None),
        ({}, None),
    ],
    ids=["a judge sees what can be read", "nothing lost that is not stated", "no rate of the judge", "no rates"],
)
def test_the_work_of_a_combination_by_stage(plan: object, work: object) -> None:
    assert recipe(plan=plan).plan.work_of(["generate", "judge-a"], {}) == work


def test_parse_takes_a_recipe_without_a_plan() -> None:
    assert resolve(parse(TABLE), {}).gpu_hour is None

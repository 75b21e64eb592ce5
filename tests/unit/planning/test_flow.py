"""The plan, computed by hand: 800 combinations, half of them readable, a quarter of these accepted: 100 problems."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptcot.planning.flow import Plan, make_plan
from promptcot.planning.rates import Rate, resolve
from promptcot.planning.schedules import Driver, Schedule
from promptcot.planning.sharing import TooFewGpus
from promptcot.planning.supply import Supply
from tests.unit.planning.rundirs import recipe

WRITER = {
    "gpus": 1,
    "prompt_tokens": 100,
    "prompt_tokens_per_second": 100,
    "completion_tokens": 50,
    "completion_tokens_per_second": 50,
    "kept": 0.5,
    "file_bytes": 10,
    "journal_bytes": 5,
}
"""2 GPU-seconds of a call."""
JUDGE = {
    "gpus": 4,
    "prompt_tokens": 200,
    "completion_tokens": 30,
    "completion_tokens_per_second": 2,
    "file_bytes": 20,
    "journal_bytes": 6,
}
"""15 GPU-seconds of a call; how fast it reads is not told, so that is not counted."""
RATES: dict[str, Any] = {
    "gpu_hour": 3.0,
    "sample": {"seconds": 0.01, "file_bytes": 2},
    "generate": WRITER,
    "judge": {"a": JUDGE},
    "filter": {"kept": 0.25, "file_bytes": 7},
    "driver": {"call_seconds": 0.1, "memory_bytes": 9},
}


def planned(gpus: int = 5, target: int = 100, supply: Supply | None = None, **plan: Any) -> Plan:
    return make_plan(resolve(recipe(plan={**RATES, **plan}), {}), target, gpus, supply)


def test_rows_flow_from_the_target_backwards() -> None:
    plan = planned()
    assert plan.accepted is not None
    assert (plan.accepted.value, plan.candidates) == (0.125, 800)
    assert [(stage.name, stage.rows_in, stage.rows_out) for stage in plan.stages] == [
        ("sample", 800, 800),
        ("generate", 800, 400),
        ("judge-a", 400, 400),
        ("filter", 400, 100),
    ]


def test_hours_bytes_and_money_by_hand() -> None:
    plan = planned()
    generate, judge = plan.stages[1], plan.stages[2]
    assert generate.gpu_hours == 800 * 2 / 3600
    assert judge.gpu_hours == 400 * 15 / 3600
    assert plan.gpu_hours == pytest.approx(7600 / 3600)
    assert plan.money == pytest.approx(3 * 7600 / 3600)
    assert (generate.prompt_tokens, generate.completion_tokens) == (80_000, 40_000)
    assert plan.storage == 800 * 2 + 800 * 15 + 400 * 26 + 400 * 7
    assert plan.memory_bytes == 7200


def test_side_by_side_the_slowest_sets_the_pace() -> None:
    schedule = planned(gpus=5).side_by_side
    assert schedule.slowest == "generate"
    assert schedule.hours == pytest.approx(1600 / 3600)
    assert schedule.money == pytest.approx(5 * 3 * 1600 / 3600), "GPUs that wait are paid, too"


def test_in_turn_times_add_up() -> None:
    schedule = planned(gpus=4).in_turn
    assert schedule.hours == pytest.approx((1600 / 4 + 6000 / 4) / 3600)
    assert schedule.slowest == "judge-a"


def test_a_turn_lasts_until_the_driver_is_done_too() -> None:
    schedule = planned(gpus=100).in_turn
    writing, judging = 800 * 0.1 + 800 * 0.01, 6000 / 100
    assert writing > 1600 / 100, "the driver is the slower one in the first turn only"
    assert schedule.hours == pytest.approx((writing + judging) / 3600)


def driver_of(schedule: Schedule) -> Driver:
    assert schedule.driver is not None
    return schedule.driver


def test_a_driver_that_keeps_up_is_one() -> None:
    schedule = planned(gpus=5).side_by_side
    driver = driver_of(schedule)
    spent = 1200 * 0.1 + 800 * 0.01
    assert driver.hours == pytest.approx(spent / 3600)
    assert driver.share == pytest.approx(spent / 1600)
    assert (driver.calls_per_second, driver.capacity) == (pytest.approx(1200 / 1600), pytest.approx(10))
    assert (driver.shards, schedule.sharded_hours) == (1, None)


def test_gpus_that_do_not_hold_all_models_at_once_mean_turns() -> None:
    schedule = planned(gpus=4).side_by_side
    assert schedule.hours is None
    assert schedule.why == "one replica of each model takes 1 + 4 = 5 GPUs, so models take turns"


def test_too_few_gpus_for_one_replica_stop_the_plan() -> None:
    with pytest.raises(TooFewGpus, match="judge-a: one replica takes 4 GPUs"):
        planned(gpus=3)


def test_with_many_gpus_the_driver_sets_the_pace() -> None:
    plan = planned(gpus=1000)
    assert plan.side_by_side.slowest == "driver"
    driver = driver_of(plan.side_by_side)
    assert plan.side_by_side.hours == driver.hours
    assert driver.gpus == pytest.approx(7600 / (1200 * 0.1 + 800 * 0.01))


def test_shards_divide_the_calls_while_each_driver_draws_all_combinations() -> None:
    schedule = planned(gpus=100).in_turn
    driver = driver_of(schedule)
    models, drawing, calling = 7600 / 100, 800 * 0.01, 1200 * 0.1
    assert driver.shards == math.ceil(calling / (models - drawing)) == 2
    assert schedule.sharded_hours == pytest.approx((800 * 0.1 / 2 + drawing + 6000 / 100) / 3600)


@given(st.integers(5, 400))
def test_with_as_many_drivers_as_are_advised_the_models_set_the_pace(gpus: int) -> None:
    schedule = planned(gpus).side_by_side
    driver = driver_of(schedule)
    slowest = max(part.seconds for part in schedule.parts) / 3600
    if driver.shards is None:
        assert slowest / 2 < 800 * 0.01 / 3600, "more drivers do not draw faster"
        return
    assert (schedule.sharded_hours or schedule.hours) == pytest.approx(slowest)
    if driver.shards > 1:
        assert (1200 * 0.1 / (driver.shards - 1) + 800 * 0.01) / 3600 > slowest, "one driver fewer would not keep up"


@pytest.mark.parametrize("seconds", [1.1, 3.0])
def test_where_drawing_takes_most_of_the_time_no_shards_are_advised(seconds: float) -> None:
    schedule = planned(gpus=5, sample={"seconds": seconds}, driver={"call_seconds": 1.0}).side_by_side
    assert driver_of(schedule).drawing == pytest.approx(800 * seconds / 1600)
    assert driver_of(schedule).shards is None
    assert schedule.sharded_hours is None
    assert schedule.slowest == "driver"


def test_without_rates_of_the_driver_nothing_is_said_of_it() -> None:
    schedule = planned(gpus=5, driver={}, sample={}).side_by_side
    assert schedule.driver is None
    assert schedule.hours == pytest.approx(1600 / 3600)


def test_draws_that_bring_nothing_new_are_the_driver_s_work() -> None:
    supply = Supply(possible=10**6, draws=100, different=50, once=10, twice=5)
    draws = 100 + 750 / 0.1
    schedule = planned(gpus=5, supply=supply).side_by_side
    assert driver_of(schedule).hours == pytest.approx((1200 * 0.1 + draws * 0.01) / 3600)


def test_a_supply_that_is_used_up_does_not_make_time_infinite() -> None:
    schedule = planned(gpus=5, supply=Supply(3, 100, 3, 0, 0)).side_by_side
    assert schedule.hours is not None
    assert math.isfinite(schedule.hours)


def test_what_is_not_known_is_none_and_never_nothing() -> None:
    plan = planned(judge={"a": {"gpus": 4}})
    judge = plan.stages[2]
    assert judge.gpu_hours is None
    assert judge.missing == ("completion_tokens", "completion_tokens_per_second")
    assert plan.gpu_hours is None, "the sum of a known and an unknown number is not the known one"
    assert plan.storage is None
    assert plan.money is None
    assert plan.in_turn.hours is None
    assert plan.in_turn.why == "not known: judge-a (completion_tokens, completion_tokens_per_second)"


def test_without_an_accepted_share_there_is_no_plan() -> None:
    plan = planned(filter={})
    assert (plan.accepted, plan.candidates, plan.stages) == (None, None, ())


def test_without_prices_there_is_no_money() -> None:
    plan = planned(gpu_hour=None)
    assert plan.money is None
    assert plan.in_turn.money is None


def test_a_measured_share_has_an_interval() -> None:
    kept = {
        "generate": {"kept": Rate(0.8, "measured", "out/x", 200)},
        "filter": {"kept": Rate(50 / 160, "measured", "out/x", 160)},
    }
    plan = make_plan(resolve(recipe(plan=RATES), kept), 1000, 5)
    assert plan.accepted == Rate(0.25, "measured", "out/x", 200, "combinations")
    assert plan.candidates == 4000
    assert plan.interval is not None
    low, high = plan.interval
    assert high is not None
    assert low < 4000 < high
    assert (low, high) == (3182, 5127), "Wilson's interval of 50 in 200 is 19.5 to 31.4 %"


def test_an_assumed_share_has_none() -> None:
    assert planned().interval is None


def test_stages_with_one_model_share_its_replicas() -> None:
    judges = [{"name": name, "model": "org/judge"} for name in "ab"]
    rates = resolve(recipe(judge=judges, plan={**RATES, "judge": {"a": JUDGE, "b": JUDGE}}), {})
    schedule = make_plan(rates, 100, 5).side_by_side
    assert [(part.name, part.replicas) for part in schedule.parts] == [("generate", 1), ("judge-a + judge-b", 1)]
    assert schedule.hours == pytest.approx(2 * 6000 / 4 / 3600)


def test_embedded_models_differ_by_stage() -> None:
    rates = resolve(
        recipe(generate={}, judge=[{"name": "a"}], plan={**RATES, "judge": {"a": {**JUDGE, "gpus": 1}}}), {}
    )
    assert [part.name for part in make_plan(rates, 100, 2).side_by_side.parts] == ["generate", "judge-a"]


HOSTED = {"model": "m", "base_url": "http://h.example/v1", "requests_per_minute": 60}


def test_hosted_models_take_no_gpu_and_cost_tokens() -> None:
    price = {"prompt": 1.0, "completion": 2.0}
    tokens = {"prompt_tokens": 100, "completion_tokens": 50}
    made = recipe(
        generate={**HOSTED, "price": price},
        judge=[{"name": "a", **HOSTED, "model": "n", "price": price}],
        plan={"generate": {**tokens, "kept": 0.5}, "judge": {"a": tokens}, "filter": {"kept": 0.25}},
    )
    plan = make_plan(resolve(made, {}), 100, 0)
    assert plan.gpu_hours is None
    assert plan.money == pytest.approx((800 + 400) * (100 + 2 * 50) / 1e6)
    assert plan.side_by_side.hours == pytest.approx(800 / 3600), "one call a second"
    assert plan.in_turn.hours == pytest.approx(1200 / 3600)


def test_stages_that_ask_one_server_share_what_it_allows() -> None:
    made = recipe(
        generate=HOSTED,
        judge=[{"name": "a", **HOSTED}],
        plan={"generate": {"kept": 0.5}, "filter": {"kept": 0.25}},
    )
    assert make_plan(resolve(made, {}), 100, 0).side_by_side.hours == pytest.approx(1200 / 3600)


def test_a_hosted_model_without_limits_has_no_time() -> None:
    hosted = {key: value for key, value in HOSTED.items() if key != "requests_per_minute"}
    made = recipe(generate=hosted, plan={"generate": {"kept": 0.5}, "judge": {"a": JUDGE}, "filter": {"kept": 0.25}})
    schedule = make_plan(resolve(made, {}), 100, 4).in_turn
    assert schedule.why == "not known: generate (requests_per_minute or tokens_per_minute)"


SOLVE = {"gpus": 2, "traces": 3, "completion_tokens": 40, "completion_tokens_per_second": 4}


def test_traces_follow_with_all_gpus() -> None:
    rates = resolve(recipe(plan={**RATES, "solve": SOLVE}), {}, with_solve=True)
    plan, without = make_plan(rates, 100, 5), planned(gpus=5)
    solve = plan.stages[-1]
    assert (solve.name, solve.rows_in, solve.calls, solve.rows_out) == ("solve", 100, 300, 300)
    assert plan.in_turn.solve_hours == pytest.approx(300 * 10 / 4 / 3600)
    assert plan.in_turn.hours == pytest.approx((without.in_turn.hours or 0) + 300 * 10 / 4 / 3600)
    assert plan.in_turn.driver == without.in_turn.driver, "solve is a command of its own"


def test_traces_of_unknown_number_have_no_time() -> None:
    rates = resolve(recipe(plan={**RATES, "solve": {**SOLVE, "traces": None}}), {}, with_solve=True)
    assert make_plan(rates, 100, 5).in_turn.why == "not known: solve (traces)"


@given(st.integers(1, 10**8), st.integers(5, 4096))
def test_hours_are_proportional_to_the_target(target: int, gpus: int) -> None:
    one, ten = planned(gpus, target), planned(gpus, 10 * target)
    assert one.gpu_hours is not None
    assert ten.gpu_hours == pytest.approx(10 * one.gpu_hours, rel=1e-2, abs=0.02)
    assert one.stages[-1].rows_out == target
    assert one.candidates is not None
    assert one.candidates * 0.125 >= target


@given(st.integers(5, 500))
def test_more_gpus_are_never_slower(gpus: int) -> None:
    fewer, more = planned(gpus), planned(gpus + 1)
    assert (more.side_by_side.hours or 0) <= (fewer.side_by_side.hours or 0)
    assert (more.in_turn.hours or 0) <= (fewer.in_turn.hours or 0)

"""`promptcot plan` as a person meets it: what it prints, its mistakes, and that the guide shows its real output."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from promptcot.cli import main, plan
from promptcot.cli.report.plan import _cost, _number, _size, _time
from promptcot.planning.supply import Supply
from promptcot.recipe.loading import load
from tests.unit.planning.rundirs import books, recipe, write_run

GUIDE = Path(__file__).parents[3] / "docs" / "scale.md"
QUICK = ["--draws", "512", "--until", "filter"]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def nano_run(tmp_path: Path) -> Path:
    """A run of nano in the folder where `plan` looks for it."""
    stages = {name: books(160, 160, 160, 50.0) for name in ("judge_a", "judge_b")}
    return write_run(tmp_path / "out" / "nano", load("nano"), **stages)


def told(line: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What a command prints, with its lines joined."""
    assert main(line) == 0
    return re.sub(r"\s+", " ", capsys.readouterr().out)


def numbers(line: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert main([*line, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


PROMPTCOT = ["plan", "promptcot", "--target", "1000000", "--gpus", "64", *QUICK]


def test_every_rate_says_where_it_is_from(capsys: pytest.CaptureFixture[str]) -> None:
    said = told(PROMPTCOT, capsys)
    assert "rates as stated in the recipe; out/promptcot holds no finished run of 100 combinations or more" in said
    assert re.search(r"completion tokens written per GPU-second 1,300 stated \[\d+\]", said)
    assert re.search(r"\[\d+\] sgl-project/sglang, benchmark/benchmark_vllm_060", said)
    assert re.search(r"share of rows that are kept 0\.25 assumed \[\d+\]", said)
    assert "neither measured nor stated" not in said


def test_the_numbers_are_those_of_the_words(capsys: pytest.CaptureFixture[str]) -> None:
    found = numbers(PROMPTCOT, capsys)
    assert found["candidates"] == 4_210_527
    by_name = {stage["name"]: stage for stage in found["stages"]}
    judged, rates = by_name["judge-llama"], found["rates"]["judge-llama"]
    seconds = 1290 / rates["prompt_tokens_per_second"]["value"] + 300 / rates["completion_tokens_per_second"]["value"]
    assert judged["gpu_hours"] == pytest.approx(judged["rows_in"] * seconds / 3600)
    assert [part["replicas"] * part["gpus"] for part in found["side_by_side"]["parts"]] == [4, 32, 28]
    assert found["money"] == pytest.approx(3 * found["gpu_hours"])
    assert found["in_turn"]["slowest"] in ("judge-llama", "judge-qwen", "driver")
    driver = found["side_by_side"]["driver"]
    assert driver["capacity"] == pytest.approx(1 / 0.00039)
    asked = sum(stage["calls"] for stage in found["stages"])
    assert driver["calls_per_second"] * found["side_by_side"]["hours"] * 3600 == pytest.approx(asked)


RICH = ["--set", "sample.counts=log1p", "--set", "sample.temperature=1"]


@pytest.mark.parametrize(
    ("gpus", "advice"),
    [
        ("64", "One driver is enough for 64 GPUs"),
        (
            "2048",
            "2,048 GPUs need 3 drivers, each with its share of the rows and of the GPUs: --shard 1/3 to --shard 3/3",
        ),
    ],
)
def test_the_plan_says_what_one_driver_can_do_and_when_to_shard(
    gpus: str, advice: str, capsys: pytest.CaptureFixture[str]
) -> None:
    said = told([*PROMPTCOT[:5], gpus, *QUICK, *RICH], capsys)
    assert "one driver makes up to 2,564 calls a second; it keeps up with the models up to about 950 GPUs" in said
    assert advice in said
    assert ("with 3 drivers (--shard, see below)" in said) == (gpus == "2048")


def test_draws_that_take_most_of_the_time_are_not_a_matter_of_shards(capsys: pytest.CaptureFixture[str]) -> None:
    said = told([*PROMPTCOT[:5], "2048", *QUICK, "--set", "plan.sample.seconds=1"], capsys)
    assert re.search(
        r"Drawing combinations alone takes [\d,]+% of the models' time, and each driver draws all of them", said
    )
    assert "--shard" not in said


def test_rates_by_name_take_the_place_of_the_recipe_s_own(capsys: pytest.CaptureFixture[str]) -> None:
    said = told([*PROMPTCOT, "--rates", "fp8"], capsys)
    assert "on 64 GPUs (H100 80 GB, FP8 weights)" in said
    assert "the rates in plan.rates.fp8 take precedence over both" in said
    assert re.search(r"completion tokens written per GPU-second 3,010 stated \[\d+\]", said)
    assert re.search(r"\[\d+\] set for this plan: NVIDIA/TensorRT-LLM 1\.0", said)
    kept = numbers([*PROMPTCOT, "--rates", "fp8", "--set", "plan.judge.llama.gpus=4"], capsys)["rates"]
    assert [kept[name]["gpus"]["value"] for name in ("judge-llama", "judge-qwen")] == [4, 2]


def test_too_few_concepts_are_a_warning_and_none_where_there_are_enough(capsys: pytest.CaptureFixture[str]) -> None:
    assert "WARNING: 4.21 million combinations are needed" in told(PROMPTCOT, capsys)
    assert "WARNING" not in told([*PROMPTCOT[:3], "20", *PROMPTCOT[4:]], capsys)


def test_more_than_all_combinations_are_too_few(nano_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = told(["plan", "nano", "--target", "1000000", "--gpus", "1", *QUICK], capsys)
    assert "TOO FEW: 4.00 million combinations are needed, 12.3 thousand are possible" in said


def test_a_run_in_the_usual_folder_is_used_and_its_n_said(nano_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = told(["plan", "nano", "--target", "1000", "--gpus", "4", "--run-gpus", "1", *QUICK], capsys)
    assert "measured in out/nano (200 combinations)" in said
    assert "25.000% of combinations (measured, n = 200 combinations), so 4,000 are needed" in said
    assert "(95 % interval 3,182 to 5,127)" in said
    assert "everything below scales with this number: over the interval, 0.80 to 1.28 times as much" in said
    assert "GPU-seconds per call 0.5 measured, n = 200 calls" in said


def test_a_small_run_is_used_only_if_it_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few = {
        "sample": books(16, 16),
        "generate": books(16, 16, 16, 4.0),
        "judge_a": books(16, 16, 16, 4.0),
        "judge_b": books(16, 16, 16, 4.0),
        "filter": books(16, 12),
    }
    run = write_run(tmp_path / "out" / "nano", load("nano"), **few)
    line = ["plan", "nano", "--target", "100", "--gpus", "3", *QUICK]
    assert "n/a, and so is everything that depends on it" in told(line, capsys)
    assert "(measured, n = 16 combinations), so 134 are needed" in told([*line, "--run", str(run)], capsys)


def test_without_any_rate_the_plan_says_what_is_missing_and_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    said = told(["plan", "nano", "--target", "100", "--gpus", "1", *QUICK], capsys)
    assert "plan.generate.kept, plan.filter.kept are neither measured nor stated" in said
    assert "promptcot run" in said
    assert "completion tokens per call n/a neither measured nor stated" in said


def test_what_is_set_goes_before_what_was_measured(nano_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["plan", "nano", "--target", "100", "--gpus", "3", *QUICK, "--set", "plan.filter.kept=0.5"]
    found = numbers(line, capsys)
    kept = found["rates"]["filter"]["kept"]
    assert (kept["value"], kept["kind"], kept["origin"]) == (0.5, "assumed", "set for this plan")
    assert found["candidates"] == 250, "half of the 80 % that were written readably"


def test_nothing_accepted_says_so_unless_a_share_is_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stages = {name: books(160, 160, 160, 50.0) for name in ("judge_a", "judge_b")}
    write_run(tmp_path / "out" / "nano", load("nano"), **stages, filter=books(160, 0))
    line = ["plan", "nano", "--target", "100", "--gpus", "3", *QUICK]
    assert main(line) == 1
    assert "none of its 200 combinations was accepted" in capsys.readouterr().err
    assert "set for this plan" in told([*line, "--set", "plan.filter.kept=0.1"], capsys)


def test_gpus_for_one_replica_but_not_for_all_at_once_mean_turns(capsys: pytest.CaptureFixture[str]) -> None:
    said = told([*PROMPTCOT[:5], "8", *QUICK], capsys)
    assert "one replica of each model takes 1 + 4 + 4 = 9 GPUs, so models take turns" in said


def test_hosted_models_need_no_gpus(capsys: pytest.CaptureFixture[str]) -> None:
    changes = {
        "server.base_url": "http://h.example/v1",
        "server.price": "{prompt=1.0, completion=2.0}",
        "server.requests_per_minute": 60,
        "plan.generate": "{kept=0.5, prompt_tokens=100, completion_tokens=50}",
        "plan.judge.first": "{prompt_tokens=100, completion_tokens=50}",
        "plan.judge.second": "{prompt_tokens=100, completion_tokens=50}",
        "plan.filter.kept": 0.5,
    }
    sets = [part for key, value in changes.items() for part in ("--set", f"{key}={value}")]
    found = numbers(["plan", "endpoint", "--target", "100", "--gpus", "0", *QUICK, *sets], capsys)
    assert found["candidates"] == 400
    assert found["money"] == pytest.approx((400 + 200 + 200) * 200 / 1e6)
    assert found["side_by_side"]["hours"] == pytest.approx(800 / 3600), "all three ask one server, one call a second"


def test_traces_are_counted_if_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert "solve" not in numbers(PROMPTCOT, capsys)["rates"]
    with_traces = numbers([*PROMPTCOT, "--solve"], capsys)
    assert with_traces["stages"][-1]["calls"] == 4_000_000
    assert with_traces["in_turn"]["solve_hours"] > 0


WRONG = [
    ("unknown recipe", "plan nanoo --target 1 --gpus 1", 1, "did you mean nano?"),
    ("a chain", "plan distill-nano --target 1 --gpus 1", 1, "a chain of commands, not one run of the pipeline"),
    ("no target", "plan nano --target 0 --gpus 1", 2, "--target: 0 is not in the range"),
    ("no number of GPUs", "plan nano --target 1", 2, "--gpus"),
    ("fewer GPUs than none", "plan nano --target 1 --gpus -1", 2, "--gpus: -1 is not in the range"),
    ("too few GPUs", "plan promptcot --target 1 --gpus 3", 1, "judge-llama: one replica takes 4 GPUs, and there are 3"),
    ("no such run", "plan nano --target 1 --gpus 1 --run nowhere", 1, "nowhere/summary.json: no such file"),
    ("GPUs of no run", "plan nano --target 1 --gpus 1 --run-gpus 2", 2, "contains no run to measure; name"),
    ("unknown rate", "plan nano --target 1 --gpus 1 --set plan.generate.gpu=1", 1, "did you mean gpus?"),
    ("a rate of former versions", "plan nano --target 1 --gpus 1 --set plan.driver.row_seconds=1", 1, "unknown key"),
    ("unknown rates", "plan promptcot --target 1 --gpus 9 --rates fp9", 2, "--rates fp9: the recipe has fp8"),
    ("unknown judge", "plan nano --target 1 --gpus 1 --set plan.judge.c.gpus=1", 1, "the judges are a, b"),
    ("a share above one", "plan nano --target 1 --gpus 1 --set plan.filter.kept=2", 1, "less than or equal to 1"),
    (
        "a value under another one's source",
        "plan promptcot --target 1 --gpus 9 --set plan.gpu_hour.value=1",
        2,
        "Set plan.gpu_hour with a source of its own",
    ),
]


@pytest.mark.parametrize(("line", "code", "message"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG])
def test_mistakes(line: str, code: int, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(line.split()) == code
    said = capsys.readouterr()
    assert message in said.err
    assert said.out == ""


def test_a_run_of_another_recipe_gives_only_what_holds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "other", recipe())
    said = told(["plan", "promptcot", "--target", "10", "--gpus", "9", "--run", str(run), *QUICK], capsys)
    assert "generate used org/writer, but the recipe names xl-zhao/PromptCoT-Problem-Generation-Model" in said
    assert "(assumed; 0.95 readable × 0.25 accepted)" in said


@pytest.mark.parametrize(
    ("value", "word"),
    [(None, "n/a"), (0.5, "0.5"), (12, "12"), (9999, "9,999"), (9999.6, "10.0 thousand"), (4_210_527, "4.21 million")],
)
def test_numbers_in_words(value: float | None, word: str) -> None:
    assert _number(value) == word


def test_sizes_times_and_costs_in_words() -> None:
    assert [_size(999.4), _size(999_600), _size(5.47e9), _size(None)] == ["999 B", "1.00 MB", "5.47 GB", "n/a"]
    assert [_time(0.5), _time(30), _time(148), _time(None)] == ["30 min", "30.0 h", "148 h (6 days)", "n/a"]
    assert [_cost(4.2), _cost(4215.4), _cost(None)] == ["4.20", "4,215", "n/a"]


# The guide


TRIALS = {
    ("raw", 0.2, 20_480): Supply(20_563_703_400_240, 20_480, 2_149, 649, 275),
    ("log1p", 1.0, 20_480): Supply(20_563_703_400_240, 20_480, 20_480, 20_480, 0),
    ("log1p", 1.0, 40_960): Supply(20_563_703_400_240, 40_960, 40_960, 40_960, 0),
}
"""What trials with the settings of the guide give; each takes seconds (`try_out(sampler, 8000, draws)`)."""


def blocks() -> Iterator[tuple[str, str]]:
    """The commands of the guide that show their output, and the output."""
    for block in re.findall(r"```\n\$ (promptcot plan .*?)\n```", GUIDE.read_text(encoding="utf-8"), re.DOTALL):
        command, _, shown = block.partition("\n")
        yield command, shown


def show(command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    """What a command of the guide prints, without making its trial again."""

    words = command.split()
    sets = dict(word.split("=") for word in words if "=" in word)
    key = (sets.get("sample.counts", "raw"), float(sets.get("sample.temperature", 0.2)))
    draws = int(words[words.index("--draws") + 1]) if "--draws" in words else 20_480
    monkeypatch.setattr(plan, "try_out", lambda *_: TRIALS[*key, draws])
    assert main(words[1:]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize(("command", "shown"), list(blocks()), ids=[command for command, _ in blocks()])
def test_the_guide_shows_what_is_printed(
    command: str, shown: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = show(command, monkeypatch, capsys)
    assert shown.removeprefix("  …\n") in printed


def test_the_guide_has_its_four_plans() -> None:
    assert len(list(blocks())) == 4


TABLE = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in re.findall(r"^\| [\d,]+ \|.*\|$", GUIDE.read_text("utf-8"), re.MULTILINE)
]


@pytest.mark.parametrize("row", TABLE, ids=[row[0] for row in TABLE])
def test_the_guide_s_table_of_gpus_is_computed(
    row: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gpus = row[0].replace(",", "")
    command = f"promptcot plan promptcot --until filter --target 1000000 --gpus {gpus} {' '.join(RICH)} --json"
    own = json.loads(show(command, monkeypatch, capsys))
    fp8 = json.loads(show(f"{command} --rates fp8", monkeypatch, capsys))
    beside, quicker = own["side_by_side"], fp8["side_by_side"]
    times = [f"{one['sharded_hours'] or one['hours']:.1f} h" for one in (beside, own["in_turn"], quicker)]
    drivers = [str(one["driver"]["shards"]) for one in (beside, quicker)]
    assert row[1:] == [*times[:2], f"{beside['driver']['share']:.0%}", drivers[0], times[2], drivers[1]]


def test_the_guide_s_table_of_gpus_is_there() -> None:
    assert len(TABLE) == 6

"""What a run shows at its end of the worth of its steps: shares of samples of rows, on the screen and in the report."""

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from nano.problems import Design, DesignError, completion
from nano.texts import generated
from promptcot import domains
from promptcot.cli.report.truth import worth_lines
from promptcot.engines.scripted import ScriptedEngine
from promptcot.nano import worth as worth_module
from promptcot.nano.worth import NAMED, worth
from promptcot.pipeline.plan import steps_of
from promptcot.pipeline.run import Run
from promptcot.recipe.loading import parse
from promptcot.records import Request
from promptcot.report.gathering import gather
from promptcot.report.page import report_html
from promptcot.report.truth import truth_table, wrong_rows
from tests.small_runs import make

SOUND: dict[str, Any] = {
    "problem": "Let A be the larger root of x^2 - 11x + 28 = 0. Find the number halfway between A and 19.",
    "level": "AIME",
    "foundational_concepts": ["integer roots", "midpoints"],
}
ILL = {**SOUND, "problem": SOUND["problem"].replace("28", "27")}
LABELLED = {**SOUND, "answer": "12", "agreement": 0.75}


def files(folder: Path, **stages: Sequence[dict[str, Any]]) -> dict[str, Path]:
    """A file for each stage, whose rows are numbered."""
    for name, rows in stages.items():
        lines = [json.dumps({"id": f"{name}-{place}", **row}) for place, row in enumerate(rows)]
        (folder / f"{name}.jsonl").write_text("".join(f"{line}\n" for line in lines))
    return {name: folder / f"{name}.jsonl" for name in stages}


def shares(stage: dict[str, Any]) -> dict[str, tuple[int, int]]:
    return {name: (one["part"], one["n"]) for name, one in stage.items() if isinstance(one, dict)}


@pytest.fixture
def made(tmp_path: Path) -> dict[str, Path]:
    rows = {"generate": [SOUND, ILL, SOUND, ILL], "filter": [SOUND, ILL], "label": [LABELLED]}
    return files(tmp_path, sample=[SOUND] * 4, **rows)


def test_each_stage_has_its_shares_and_wrong_rows_of_the_result_are_named(made: dict[str, Path]) -> None:
    found = worth("nano", made, made["label"])
    assert found is not None
    assert list(found["stages"]) == ["generated", "accepted", "labelled"]
    assert shares(found["stages"]["generated"]) == {
        "well_posed": (2, 4), "level": (2, 2), "concepts": (2, 2), "wholly_right": (2, 4),
    }  # fmt: skip
    assert shares(found["stages"]["labelled"])["label_agreed"] == (0, 1)
    assert found["stages"]["generated"]["well_posed"]["interval"] == pytest.approx((0.150, 0.850), abs=0.001)
    assert found["wrong"] == [
        {"id": "label-0", "problem": SOUND["problem"], "wrong": ["label wrong: 12, not 13"]},
    ]


def test_the_set_is_a_stage_of_its_own(made: dict[str, Path]) -> None:
    found = worth("nano", {"set": made["label"], **made}, made["label"])
    assert found is not None
    assert list(found["stages"]) == ["generated", "accepted", "labelled", "in the set"]


def test_a_value_of_another_type_is_passed_over(tmp_path: Path) -> None:
    """A step of the user's own may write what it likes into the rows."""
    odd = [{**LABELLED, "agreement": "1.0", "answer": 13}, {**LABELLED, "agreement": []}, LABELLED]
    made = files(tmp_path, sample=[SOUND], label=odd)
    found = worth("nano", made, made["label"])
    assert found is not None
    assert (shares(found["stages"]["labelled"])["label"], shares(found["stages"]["labelled"])["label_agreed"]) == (
        (0, 2),
        (0, 1),
    )


def test_the_screen_shows_the_stages_side_by_side_each_share_with_its_interval_and_n(made: dict[str, Path]) -> None:
    found = worth("nano", made, made["label"])
    assert found is not None
    lines = [" ".join(line.split()) for line in worth_lines(found, Path("out/nano"))]
    assert lines[0].endswith("(promptcot nano check out/nano)")
    assert lines[1:7] == [
        "generated accepted labelled",
        "problems 4 2 1",
        "well-posed 50.0 % 50.0 % 100.0 %",
        "95 % interval 15 to 85 9 to 91 21 to 100",
        "level, of the well-posed 100.0 % 100.0 % 100.0 %",
        "95 % interval 34 to 100 21 to 100 21 to 100",
    ]
    assert lines[7] == "n 2 1 1"
    assert "label right n/a n/a 0.0 %" in lines
    assert list(worth_lines({}, Path("x"))) == []


def test_only_a_sample_of_a_large_file_is_checked_and_its_size_is_stated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worth_module, "MOST", 100)
    made = files(tmp_path, sample=[SOUND], generate=[SOUND, ILL, ILL, ILL, SOUND] * 50)
    found = worth("nano", made, made["generate"])
    assert found is not None
    raw = found["stages"]["generated"]
    assert (raw["rows"], raw["checked"]) == (250, 84)
    assert abs(raw["well_posed"]["share"] - 0.4) < 0.05
    assert len(found["wrong"]) == worth_module.NAMED
    assert "of which checked 84" in [" ".join(line.split()) for line in worth_lines(found, tmp_path)]


@pytest.mark.parametrize(
    ("prompts", "row"),
    [
        ("math", SOUND),
        ({"name": "nano"}, SOUND),
        ("nano", {"problem": "x", "foundational_concepts": ["integer roots", "homothety"]}),
        ("nano", {"problem": "x"}),
    ],
)
def test_problems_of_other_worlds_are_not_checked(tmp_path: Path, prompts: object, row: dict[str, Any]) -> None:
    made = files(tmp_path, sample=[row], generate=[row])
    assert worth(prompts, made, made["generate"]) is None


def test_rows_without_a_problem_and_empty_files_are_no_trouble(tmp_path: Path) -> None:
    made = files(tmp_path, sample=[SOUND], generate=[{**SOUND, "problem": None}, SOUND], filter=[])
    found = worth("nano", made, made["filter"])
    assert found is not None
    assert [(one["rows"], one["checked"]) for one in found["stages"].values()] == [(2, 1), (0, 0)]
    assert list(worth_lines(found, tmp_path))
    assert worth("nano", {}, tmp_path / "none") is None


def test_the_report_shows_it_and_names_wrong_rows(tmp_path: Path, made: dict[str, Path]) -> None:
    run = make(tmp_path / "run")
    assert "What is true of it" not in report_html(gather(run))
    summary = json.loads((run / "summary.json").read_text())
    (run / "summary.json").write_text(json.dumps({**summary, "truth": worth("nano", made, made["label"])}))
    page = report_html(gather(run))
    assert 'href="#truth">What is true of it' in page
    assert "label wrong: 12, not 13" in page
    assert "n = 4" in page
    assert f"<code>promptcot nano check {run} --wrong</code>" in page
    assert "The first" not in page
    truth = json.loads((run / "summary.json").read_text())["truth"]
    many = {**truth, "wrong": [{"id": "1", "problem": "x", "wrong": ["y"]}] * NAMED}
    (run / "summary.json").write_text(json.dumps({**summary, "truth": many}))
    assert f"The first {NAMED} that were found" in report_html(gather(run))


@pytest.mark.parametrize(
    "truth",
    [
        {},
        {"stages": 3, "wrong": 3},
        {"stages": {"raw": []}, "wrong": [3, {"wrong": "x"}, {"wrong": [4]}]},
        {"stages": {"raw": {"rows": 3, "checked": "x", "well_posed": {"share": "x", "n": 4}}}},
        {"stages": {"raw": {"rows": 3, "checked": 3, "well_posed": {"share": 0.5, "n": -1 << 70}}}},
    ],
)
def test_a_damaged_summary_is_read_as_far_as_it_goes(truth: dict[str, Any]) -> None:
    assert truth_table(truth) is None
    assert list(wrong_rows(truth)) == []


def perfect(_: Request) -> str:
    """A judge's reply."""
    names = ("Format", "Factual Accuracy", "Difficulty Alignment", "Concept Coverage", "Solvability", "Final Judgement")
    return "\n".join(f"{name}: perfect" for name in names)


async def test_a_run_writes_what_is_true_into_its_summary(tmp_path: Path) -> None:
    made = [one for number in range(24) if (one := designed(number)) is not None]
    texts = {f"{place:02d}": completion(one.rationale, one.problem) for place, one in enumerate(made)}
    rows = (
        {"id": name, "foundational_concepts": list(one.concepts), "level": one.level, "prompt": name}
        for name, one in zip(texts, made, strict=True)
    )
    solver = {"solve": {"n": 2}, "label": {}}
    recipe = parse({"name": "x", "prompts": "nano", "run": {"max_candidates": 24}, "judge": [{"name": "a"}], **solver})
    engines = {
        "generate": ScriptedEngine(lambda ask: texts[str(ask.prompt)]),
        "judge-a": ScriptedEngine(perfect),
        "solve": ScriptedEngine(lambda ask: "<think>\n</think>\nThe answer is \\boxed{7}."),
    }
    run = Run(steps_of(recipe, domains.load("nano")), recipe.run, tmp_path / "run", engines, rows)
    await run.run({"recipe": recipe.model_dump(mode="json")})
    truth = json.loads((tmp_path / "run" / "summary.json").read_text())["truth"]
    assert truth == json.loads(json.dumps(run.truth))
    assert list(truth["stages"]) == ["generated", "accepted", "labelled", "in the set"]
    assert truth["stages"]["in the set"]["label"]["n"] == len(texts)
    assert shares(truth["stages"]["generated"])["well_posed"] == (len(texts), len(texts))
    assert "What is true of it" in report_html(gather(tmp_path / "run"))


def designed(number: int) -> Design | None:
    """What a generator without mistakes designs; None where the concepts do not go together."""
    try:
        return generated(random.Random(number))
    except DesignError:
        return None

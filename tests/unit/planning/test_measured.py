"""Rates measured in a run directory, and what cannot be measured."""

import json
from pathlib import Path

import pytest

from promptcot.errors import InputError
from promptcot.planning.measured import has_enough, read_run
from promptcot.planning.rates import Rate
from tests.unit.planning.rundirs import books, recipe, write_run


def test_rates_by_hand(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", recipe())
    found = read_run(run, recipe(), gpus=4)
    where = str(run)
    assert found.combinations == 200
    assert found.stages["generate"] == {
        "prompt_tokens": Rate(10, "measured", where, 200, "calls"),
        "completion_tokens": Rate(20, "measured", where, 200, "calls"),
        "seconds": Rate(100 * 4 / 200, "measured", where, 200, "calls"),
        "kept": Rate(0.8, "measured", where, 200, "rows"),
    }
    assert found.stages["judge-a"]["seconds"] == Rate(50 * 4 / 160, "measured", where, 160, "calls")
    assert found.stages["filter"]["kept"] == Rate(50 / 160, "measured", where, 160, "rows")


def test_bytes_are_of_all_files_of_a_stage_and_journals_of_all_calls(tmp_path: Path) -> None:
    run = write_run(tmp_path, recipe())
    (run / "generate.jsonl").write_text("x" * 600)
    (run / "generate.dropped.jsonl").write_text("x" * 200)
    (run / "generate.journal").mkdir()
    (run / "generate.journal" / "calls.jsonl").write_text("x" * 1000)
    found = read_run(run, recipe()).stages["generate"]
    assert found["file_bytes"] == Rate(800 / 200, "measured", str(run), 200, "rows")
    assert found["journal_bytes"] == Rate(1000 / 200, "measured", str(run), 200, "calls")


def test_without_the_number_of_gpus_seconds_say_nothing(tmp_path: Path) -> None:
    found = read_run(write_run(tmp_path, recipe()), recipe())
    assert "seconds" not in found.stages["generate"]
    assert "--run-gpus" in " ".join(found.notes)


def test_a_run_that_only_read_its_journal_tells_no_speed(tmp_path: Path) -> None:
    read_again = {**books(200, 160, 200, 3.0), "calls": 0}
    found = read_run(write_run(tmp_path, recipe(), generate=read_again), recipe(), gpus=1).stages["generate"]
    assert "seconds" not in found
    assert found["completion_tokens"].value == 20, "what its calls said is still known"


def test_rows_beyond_the_target_are_not_the_run_s(tmp_path: Path) -> None:
    beyond = {"dropped": {"beyond target": 40}}
    run = write_run(tmp_path, recipe(), sample={**books(240, 200), **beyond}, generate={**books(240, 160), **beyond})
    found = read_run(run, recipe())
    assert found.combinations == 200
    assert found.stages["generate"]["kept"] == Rate(0.8, "measured", str(run), 200, "rows")


def test_another_model_is_not_measured_and_neither_is_the_share(tmp_path: Path) -> None:
    run = write_run(tmp_path, recipe())
    found = read_run(run, recipe(judge=[{"name": "a", "model": "org/other"}]), gpus=1)
    assert "judge-a" not in found.stages
    assert "kept" not in found.stages.get("filter", {})
    assert found.stages["generate"]["kept"].value == 0.8
    said = " ".join(found.notes)
    assert "judge-a used org/judge, but the recipe names org/other" in said
    assert "the accepted share depends on them" in said


@pytest.mark.parametrize(
    "sections",
    [{"filter": {"only_perfect": False}}, {"judge": [{"name": n, "model": "org/judge"} for n in "ab"]}],
    ids=["another filter", "one more judge"],
)
def test_the_share_of_another_filter_or_of_fewer_judges_is_not_used(
    sections: dict[str, object], tmp_path: Path
) -> None:
    found = read_run(write_run(tmp_path, recipe()), recipe(**sections))
    assert "kept" not in found.stages.get("filter", {})


def test_other_settings_are_said(tmp_path: Path) -> None:
    run = write_run(tmp_path, recipe())
    other = recipe(generate={"model": "org/writer", "max_tokens": 99}, sample={"temperature": 0.5})
    said = " ".join(read_run(run, other).notes)
    assert "generate.max_tokens = 4096, and the recipe has 99" in said
    assert "generate.top_k" not in said
    assert "sample.temperature = 0.2, and the recipe has 0.5" in said


def test_a_setting_that_only_one_of_them_has_is_said(tmp_path: Path) -> None:
    drawn = recipe(generate={"model": "org/writer", "top_k": 20})
    said = " ".join(read_run(write_run(tmp_path / "a", recipe()), drawn).notes)
    assert "generate.top_k = None, and the recipe has 20" in said
    said = " ".join(read_run(write_run(tmp_path / "b", drawn), recipe()).notes)
    assert "generate.top_k = 20, and the recipe has None" in said


def test_a_run_in_turns_needs_no_note_about_waiting(tmp_path: Path) -> None:
    turns = recipe(run={"models": "in turn"})
    assert "side by side" in " ".join(read_run(write_run(tmp_path / "a", recipe()), recipe(), gpus=1).notes)
    assert "side by side" not in " ".join(read_run(write_run(tmp_path / "b", turns), recipe(), gpus=1).notes)


def write_traces(run: Path) -> Path:
    """Four traces of each of 100 problems, by `promptcot solve --output_path RUN/solve.jsonl`."""
    (run / "solve.summary.json").write_text(json.dumps({"stages": {"solve": books(400, 400, 400, 200.0)}}))
    (run / "solve.recipe.json").write_text(json.dumps({"recipe": {"model_path": "org/teacher", "n": 4}}))
    (run / "solve.jsonl").write_text("x" * 8000)
    return run


def test_traces_beside_the_run_are_read(tmp_path: Path) -> None:
    found = read_run(write_traces(write_run(tmp_path, recipe())), recipe(), gpus=2).stages["solve"]
    assert found["seconds"].value == 1.0
    assert found["traces"] == Rate(4, "measured", str(tmp_path), 400, "traces")
    assert found["file_bytes"].value == 80, "of a problem, with its four traces"


def test_traces_of_another_teacher_are_not_measured(tmp_path: Path) -> None:
    other = recipe(plan={"solve": {"model": "org/other"}})
    found = read_run(write_traces(write_run(tmp_path, recipe())), other, gpus=2)
    assert "solve" not in found.stages
    assert "solve used a model other than org/other, so it was not measured" in found.notes


def test_a_run_in_which_nothing_was_accepted_tells_no_share(tmp_path: Path) -> None:
    run = write_run(tmp_path, recipe(), filter=books(160, 0))
    with pytest.raises(InputError, match=r"none of its 200 combinations was accepted.*plan\.filter\.kept"):
        read_run(run, recipe())
    assert "kept" not in read_run(run, recipe(), may_accept_none=True).stages.get("filter", {})


def test_a_run_without_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no combinations"):
        read_run(write_run(tmp_path, recipe(), sample=books(0, 0)), recipe())


def test_no_summary_no_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"summary\.json: no such file.*when it ends"):
        read_run(tmp_path, recipe())
    assert not has_enough(tmp_path)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"stages": 1}', '{"stages": {"train": {}}}'])
def test_what_is_no_summary_of_a_run_is_said(content: str, tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_text(content)
    with pytest.raises(InputError, match=r"summary\.json"):
        read_run(tmp_path, recipe())


def test_without_its_recipe_nobody_knows_which_models_a_run_had(tmp_path: Path) -> None:
    (write_run(tmp_path, recipe()) / "recipe.json").unlink()
    with pytest.raises(InputError, match=r"recipe\.json: no such file; it records the models"):
        read_run(tmp_path, recipe())


def test_a_small_run_is_not_used_unasked(tmp_path: Path) -> None:
    assert has_enough(write_run(tmp_path / "large", recipe()))
    assert not has_enough(write_run(tmp_path / "small", recipe(), sample=books(99, 99)))

"""Custom steps and engines that use public names only: the code that they need, and what they get.

Each test writes a module of its own and names it in a recipe, as a user would.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import promptcot
from promptcot.cli import main
from promptcot.pipeline.trouble import problem_of

MODULE = Path(__file__).with_name("own_steps.py")
SHORT = {"name": "short", "use": "own_steps:Short", "options": {"longest": 8}}
GROW = {"name": "grow", "use": "own_steps:Grow", "model": {"engine": "own_steps:open_writer"}}


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """A recipe whose every model is an engine of the module's, with these steps behind the filter."""
    (tmp_path / "own_steps.py").write_text(MODULE.read_text())
    (tmp_path / "concepts.jsonl").write_text(
        "".join(
            json.dumps({"concepts": [f"c{a}", f"c{b}", f"c{(a * b) % 20}x"]}) + "\n"
            for a in range(20)
            for b in range(a)
        )
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))

    def made(*steps: dict[str, Any], **limits: Any) -> dict[str, Any]:
        engine = {"engine": "own_steps:open_writer"}
        return {
            "name": "own",
            "prompts": "nano",
            "concepts": {"path": "concepts.jsonl"},
            "encode": {"skip": True},
            "sample": {"size": 2},
            "generate": engine,
            "judge": [{"name": "a", **engine}, {"name": "b", **engine}],
            "run": {"max_candidates": 60, **limits},
            "step": list(steps),
        }

    return made


Table = Callable[..., dict[str, Any]]


def test_a_step_of_ones_own_has_its_file_counts_and_summary(table: Table, tmp_path: Path) -> None:
    found = promptcot.run(table(SHORT), output_dir="out")
    counts = found.counts["short"]
    assert counts.rows_in == counts.rows_out + counts.dropped["too long"] == found.counts["filter"].rows_out
    assert counts.dropped["too long"] > 0
    places = [row["place"] for row in found.accepted]
    assert places == sorted(places)
    assert all(len(row["problem"]) <= 8 for row in found.rows("short"))
    assert found.summary["short"] == {"seen": counts.rows_in}
    assert found.summary["stages"]["short"]["in"] == counts.rows_in
    assert (tmp_path / "out" / "short.dropped.jsonl").exists()


def test_a_stage_of_ones_own_has_a_journal_and_its_failures_are_rows(table: Table, tmp_path: Path) -> None:
    found = promptcot.run(table(GROW), output_dir="out")
    assert found.counts["grow"].failed["refused"] == len(found.failed("grow")) > 0
    assert all(row["problem"].startswith("Grow: Find") for row in found.accepted)
    accepted = list(found.accepted)
    again = promptcot.run(table(GROW), output_dir="out")
    assert again.counts["grow"].reused == found.counts["grow"].calls == len(accepted)
    assert list(again.accepted) == accepted


def test_a_step_may_stand_between_others(table: Table) -> None:
    found = promptcot.run(table({**SHORT, "after": "generate"}), output_dir="out")
    assert [*found.counts] == ["sample", "generate", "short", "judge-a", "judge-b", "filter"]
    assert found.counts["judge-a"].rows_in == found.counts["short"].rows_out
    assert len(found.accepted) == found.counts["filter"].rows_out


def test_rows_may_be_held_back_and_those_left_over_dropped_in_the_end(table: Table) -> None:
    pairs = {"name": "pairs", "use": "own_steps:Pairs"}
    found = promptcot.run(table(pairs, max_candidates=61), output_dir="out")
    counts = found.counts["pairs"]
    assert counts.rows_in == counts.rows_out + counts.dropped.total()
    assert len(found.accepted) == counts.rows_in // 2
    assert counts.dropped["alone"] == counts.rows_in % 2 == len(found.dropped("pairs"))


@pytest.mark.parametrize("target", [None, 9])
def test_a_selection_gives_its_rows_when_all_have_come_and_a_target_counts_before_it(
    table: Table, target: int | None
) -> None:
    shortest = {"name": "shortest", "use": "own_steps:Shortest", "options": {"size": 4}, "at_end": True}
    found = promptcot.run(table(shortest), output_dir="out", target=target)
    came = found.counts["shortest"].rows_in
    assert came == (target or found.counts["filter"].rows_out) == len(found.rows("filter"))
    assert len(found.accepted) == 4
    assert found.counts["shortest"].dropped == {"not selected": came - 4}
    lengths = [len(row["problem"]) for row in found.accepted]
    assert lengths == sorted(lengths)
    assert max(lengths) <= min(len(row["problem"]) for row in found.dropped("shortest"))


@pytest.mark.parametrize("target", [1, 3, 7])
def test_a_target_counts_rows_of_the_last_step_and_ends_all_files_at_the_same_row(table: Table, target: int) -> None:
    whole = promptcot.run(table(GROW, SHORT | {"options": {"longest": 14}}), output_dir="whole")
    found = promptcot.run(table(GROW, SHORT | {"options": {"longest": 14}}), output_dir="out", target=target)
    assert [row["id"] for row in found.accepted] == [row["id"] for row in whole.accepted][:target]
    last = found.accepted[-1]["id"]
    for step in ("sample", "generate", "judge-a", "judge-b", "filter", "grow", "short"):
        assert found.rows(step)[-1]["id"] == last, step
        assert [row["id"] for row in found.rows(step)] == [row["id"] for row in whole.rows(step)][
            : len(found.rows(step))
        ]


GROUPED = {"name": "groups", "use": "own_steps:Groups", "options": {"size": 7}, "after": "generate"}
COPIED = {"name": "several", "use": "own_steps:Several", "options": {"copies": 5}, "after": "generate"}


HELD = {**GROUPED, "options": {"size": 1000}}


@pytest.mark.parametrize(
    "steps",
    [[GROUPED], [COPIED], [GROUPED, GROW], [COPIED, GROW], [HELD, GROW]],
    ids=["groups", "several of one", "groups, and a model behind", "several, and a model behind", "all in the end"],
)
def test_files_of_a_target_do_not_depend_on_how_many_calls_there_are_at_a_time(table: Table, steps: Any) -> None:
    uneven = {"generate.engine": "own_steps:open_uneven"}
    uneven |= {f"judge.{place}.engine": "own_steps:open_uneven" for place in range(2)}
    found = [
        promptcot.run(
            table(*steps, concurrency=calls), output_dir=f"out{calls}", target=12, max_candidates=60, set=uneven
        )
        for calls in (1, 3, 64)
    ]
    assert len(found[0].accepted) >= 12
    for name in found[0].counts:
        assert list(found[0].rows(name)) == list(found[1].rows(name)) == list(found[2].rows(name)), name


def test_rows_that_are_held_back_are_not_taken_for_rejected_ones(table: Table) -> None:
    found = promptcot.run(table(GROUPED, concurrency=64), output_dir="out", target=20, max_candidates=1000)
    assert found.counts["sample"].dropped["beyond target"] <= 200  # about as many as an assumed share of 15 % starts


@pytest.mark.parametrize("until", ["sample", "generate", "judge-a", "judge", "filter", "grow", "short"])
def test_a_run_may_end_at_any_step_and_go_on_from_there(table: Table, until: str) -> None:
    recipe = table(GROW, SHORT)
    whole = promptcot.run(recipe, output_dir="whole")
    part = promptcot.run(recipe, output_dir="out", until=until)
    ended = "judge-b" if until == "judge" else until
    assert [*part.counts][-1] == ended
    assert len(part.rows(ended)) == len(whole.rows(ended))
    on = promptcot.run(recipe, output_dir="out")
    assert list(on.accepted) == list(whole.accepted)
    assert on.counts["generate"].calls == (60 if until == "sample" else 0)


def test_the_command_line_shows_and_runs_own_steps(
    table: Table, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "own.toml").write_text(_toml(table(GROW, SHORT)))
    assert main(["run", "own.toml", "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert "grow: nano, temperature 0.6" in shown
    assert "short: own_steps:Short (longest = 8)" in shown
    assert main(["run", "own.toml", "--output-dir", "out", "--until", "grow"]) == 3
    assert "rows of grow: out/grow.jsonl" in capsys.readouterr().out
    assert main(["plan", "own.toml", "--target", "100", "--gpus", "8"]) == 0
    assert "grow" in capsys.readouterr().out


WRONG = [
    ("an unknown place", {**SHORT, "after": "filtre"}, promptcot.RecipeError, "did you mean filter?"),
    ("beside a judge", {**SHORT, "after": "judge-a"}, promptcot.RecipeError, "runs in parallel with judge-b"),
    ("a name twice", {**SHORT, "name": "filter"}, promptcot.RecipeError, "has a step of this name already"),
    ("no such module", {**SHORT, "use": "nowhere:Short"}, promptcot.RecipeError, "No module named 'nowhere'"),
    ("no such name", {**SHORT, "use": "own_steps:Shrt"}, promptcot.RecipeError, "own_steps has no Shrt"),
    ("no object", {**SHORT, "use": "own_steps"}, promptcot.RecipeError, "write it as MODULE:NAME"),
    ("other options", {**SHORT, "options": {}}, promptcot.RecipeError, "its options do not fit"),
    ("neither step", {**SHORT, "use": "own_steps:no_step", "options": {}}, promptcot.RecipeError, "must make a step"),
    (
        "a stage without a model",
        {"name": "g", "use": "own_steps:Short", "model": {}},
        promptcot.RecipeError,
        "own_steps:Short",
    ),
    ("an unknown key", {**SHORT, "uses": 1}, promptcot.RecipeError, "did you mean use?"),
    (
        "it raises",
        {**GROW, "use": "own_steps:Broken"},
        promptcot.SystematicFailure,
        "`read` failed for row .*KeyError: 'b'",
    ),
    (
        "it gives nonsense",
        {**GROW, "use": "own_steps:Nonsense"},
        promptcot.SystematicFailure,
        "returned str; expected a list of rows",
    ),
    (
        "it ends with an error",
        {"name": "w", "use": "own_steps:Worse", "options": {"how": "raises"}},
        promptcot.StageFault,
        "`finish` failed: raised KeyError",
    ),
    (
        "it ends with nothing",
        {"name": "w", "use": "own_steps:Worse", "options": {"how": "nothing"}},
        promptcot.StageFault,
        "`finish` failed",
    ),
    (
        "it ends with texts",
        {"name": "w", "use": "own_steps:Worse", "options": {"how": "texts"}},
        promptcot.StageFault,
        "gave str; expected rows",
    ),
    (
        "it leaves out what it did not hold",
        {"name": "w", "use": "own_steps:Worse", "options": {"how": "drops"}},
        promptcot.InputError,
        "drops more rows than it held back",
    ),
    (
        "its summary is none",
        {"name": "w", "use": "own_steps:Worse", "options": {"how": "summary"}},
        promptcot.StageFault,
        "`summary` failed: returned int",
    ),
    (
        "a secret among its options",
        {**SHORT, "options": {"longest": 3, "api_key": "sk"}},
        promptcot.RecipeError,
        "put the key into the variable",
    ),
    ("a name that is a companion's", {**SHORT, "name": "generate.dropped"}, promptcot.RecipeError, "step.0.name"),
    (
        "an engine that is nowhere",
        {**GROW, "model": {"engine": "nowhere:open"}},
        promptcot.RecipeError,
        "No module named 'nowhere'",
    ),
    (
        "an engine that is no engine",
        {**GROW, "model": {"engine": "own_steps:no_engine"}},
        promptcot.InputError,
        "returned int, which is not an engine",
    ),
    (
        "an engine that raises",
        {**GROW, "model": {"engine": "own_steps:open_broken"}},
        promptcot.EngineUnusable,
        "raised ZeroDivisionError",
    ),
    ("it asks no request", {**GROW, "use": "own_steps:Silent"}, promptcot.SystematicFailure, "`ask` failed .*NoneType"),
]


@pytest.mark.parametrize(("step", "error", "words"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG])
def test_a_mistake_in_a_step_is_one_clear_error(
    table: Table, step: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        promptcot.run(table(step), output_dir="out")


def test_a_row_over_which_a_step_fails_is_left_out_and_told_with_an_example(table: Table) -> None:
    found = promptcot.run(table({"name": "fragile", "use": "own_steps:Fragile"}), output_dir="out")
    lost, counts = found.dropped("fragile"), found.counts["fragile"]
    assert {row["reason"] for row in lost} == {"step failed: KeyError: 'title'"}
    assert 0 < len(lost) == counts.dropped.total() < counts.rows_in == len(lost) + len(found.accepted)
    trouble = problem_of(counts, Path("out/fragile.jsonl"))
    assert trouble is not None
    assert f"fragile: its code failed on {len(lost)} of {counts.rows_in} rows (step failed: KeyError" in trouble
    assert f"for example row {lost[0]['id']}" in trouble
    assert "remedy: fix the step's own code" in trouble


def test_what_a_step_remembers_on_disk_is_made_again(table: Table, tmp_path: Path) -> None:
    recipe = table({"name": "on-disk", "use": "own_steps:OnDisk"})
    for _ in range(2):
        found = promptcot.run(recipe, output_dir="out")
        assert [row["seen"] for row in found.accepted] == list(range(1, len(found.accepted) + 1))
    assert not (tmp_path / "out" / "on-disk.state").exists()


@pytest.mark.parametrize("target", [None, 3])
def test_what_a_step_changes_in_place_is_not_the_row_of_the_step_before(table: Table, target: int | None) -> None:
    found = promptcot.run(table({"name": "changes", "use": "own_steps:Changes"}), output_dir="out", target=target)
    assert {row["problem"] for row in found.accepted} == {"CHANGED"}
    assert "CHANGED" not in {row["problem"] for row in [*found.rows("filter"), *found.rows("generate")]}


def test_judges_that_lack_a_verdict_lose_no_row_before_a_step_at_the_end(table: Table) -> None:
    recipe = table(
        {"name": "all", "use": "own_steps:Shortest", "options": {"size": 99}, "after": "judge-b", "at_end": True}
    )
    recipe["judge"][1]["engine"] = "own_steps:open_refusing"
    found = promptcot.run(recipe, output_dir="out")
    assert found.counts["judge-b"].failed.total() > 0
    assert found.counts["filter"].rows_in == found.counts["judge-a"].rows_in
    assert found.counts["filter"].dropped["missing verdict"] == found.counts["judge-b"].failed.total()


def test_models_that_take_turns_are_opened_again_and_stop_when_the_target_is_counted(table: Table) -> None:
    once = {"name": "one", "use": "own_steps:Shortest", "options": {"size": 1}, "at_end": True}
    recipe = table(once, max_candidates=900, models="in turn")
    recipe["generate"] = {"engine": "own_steps:open_once"}
    found = promptcot.run(recipe, output_dir="out", target=3)
    assert (len(found.accepted), found.counts["one"].rows_in) == (1, 3)
    assert found.counts["generate"].calls == 39
    more = promptcot.run(recipe, output_dir="out", target=300)
    assert more.counts["one"].rows_in == 300


def test_until_means_the_step_of_that_name_and_no_other(table: Table) -> None:
    recipe = table({**SHORT, "name": "filter-x"}, {**SHORT, "name": "generate-x", "after": "generate"})
    recipe["judge"][1]["name"] = "a-b"
    for until in ("generate", "judge-a", "filter"):
        assert [*promptcot.run(recipe, output_dir=until, until=until).counts][-1] == until
    with pytest.raises(promptcot.UsageError, match="no step 'gen'"):
        promptcot.run(recipe, output_dir="out", until="gen")


def test_a_recipe_may_hold_classes_of_the_notebook_itself(table: Table) -> None:
    class Local:
        name = "local"

        def apply(self, row: dict[str, Any]) -> list[dict[str, Any]]:
            return [row]

        def finish(self) -> tuple[()]:
            return ()

    found = promptcot.run(promptcot.load_recipe(table({"name": "local", "use": Local})), output_dir="out", target=2)
    assert len(found.accepted) == 2


def test_a_stage_may_ask_nothing_about_a_row(table: Table) -> None:
    quiet = {**GROW, "use": "own_steps:Quiet"}
    found = promptcot.run(table(quiet), output_dir="out")
    assert {row["replies"] for row in found.accepted} == {0}
    assert found.counts["grow"].calls == 0


def _toml(value: dict[str, Any]) -> str:
    """The few kinds of values of a recipe as TOML."""

    def shown(value: Any) -> str:
        if isinstance(value, dict):
            return "{" + ", ".join(f"{key} = {shown(part)}" for key, part in value.items()) + "}"
        return json.dumps(value) if not isinstance(value, list) else "[" + ", ".join(map(shown, value)) + "]"

    return "\n".join(f"{key} = {shown(part)}" for key, part in value.items())

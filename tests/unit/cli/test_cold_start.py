"""From seed problems to training rows, as a person runs it, with scripted models."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from promptcot import domains
from promptcot.cli import main
from promptcot.core.parsing import extraction
from promptcot.engines.opening import Engines
from promptcot.errors import EngineUnusable
from promptcot.records import Completion, Request
from promptcot.stages.sample import read_table
from promptcot.storage.rows import read_rows
from tests.generations import render
from tests.unit.cli import annotating

SEEDS = [
    {"id": f"p{number}", "problem": f"Find the number {'x' * number}.", "level": "AIME", "source": "own"}
    for number in range(1, 7)
]


def jsonl(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def run(line: str) -> int:
    return main(line.split())


def rows(path: str) -> list[dict[str, Any]]:
    return list(read_rows(path, may_be_empty=True))


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    jsonl(tmp_path / "seeds.jsonl", SEEDS)


def two_annotators(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    scripts = dict.fromkeys(("slow", "quick"), annotating.annotate)
    return annotating.play(monkeypatch, {**scripts, "judge": annotating.judge})


ASKED = "--annotator s=slow --annotator q=quick"
EXTRACT = f"extract --data_path seeds.jsonl --output_path extracted.jsonl {ASKED}"
EXPLAIN = f"explain --data_path extracted.jsonl --output_path explained.jsonl {ASKED}"


def test_every_annotator_names_the_concepts_of_every_problem_in_the_order_of_the_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    two_annotators(monkeypatch)
    assert run(EXTRACT) == 0
    found = rows("extracted.jsonl")
    assert [row["id"] for row in found] == [f"p{number}-{name}" for number in range(1, 7) for name in "sq"]
    assert [row["annotator"] for row in found] == ["s", "q"] * 6
    assert all(len(row["foundational_concepts"]) == 5 for row in found)
    assert found[0] == {
        **SEEDS[0],
        "id": "p1-s",
        "annotator": "s",
        "foundational_concepts": found[0]["foundational_concepts"],
    }
    assert "extract: 12 in = 12 out + 0 dropped + 0 failed" in capsys.readouterr().out
    recipe = json.loads(Path("extracted.recipe.json").read_bytes())
    assert recipe["models"] == {"extract-s": "slow", "extract-q": "quick"}
    assert recipe["recipe"]["annotators"] == {"s": "slow", "q": "quick"}
    assert {"extract.jinja", "explain.jinja"} <= set(recipe["prompts"])


def test_an_annotator_more_changes_no_row_of_the_others_and_asks_them_nothing_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    two_annotators(monkeypatch)
    assert run(EXTRACT.removesuffix(" --annotator q=quick")) == 0
    alone = rows("extracted.jsonl")
    engines = two_annotators(monkeypatch)
    assert run(EXTRACT) == 0
    assert [row for row in rows("extracted.jsonl") if row["annotator"] == "s"] == alone
    assert (engines["slow"].asked, engines["quick"].asked) == (0, 6)
    assert "6 finished calls reused" in capsys.readouterr().out


def test_what_cannot_be_read_is_asked_again_and_then_dropped_and_takes_no_other_row_with_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def moody(request: Request) -> Completion | str:
        if " xxx." in request.prompt:
            return "I would rather not."
        if " xx." in request.prompt and not request.attempt:
            return "```python\n['gcd']\n```"
        return annotating.annotate(request)

    engines = annotating.play(monkeypatch, {"slow": moody, "quick": annotating.annotate})
    assert run(f"{EXTRACT} --max_retries 1") == 0
    assert len(rows("extracted.jsonl")) == 11
    [dropped] = rows("extracted.dropped.jsonl")
    assert (dropped["id"], dropped["annotator"]) == ("p3-s", "s")
    assert (dropped["reason"], dropped["raw"]) == ("unreadable: no list", ["I would rather not."])
    said = capsys.readouterr().out
    assert "12 in = 11 out + 1 dropped (unreadable: no list: 1) + 0 failed" in said
    assert "1 retried: wrong number" in said
    assert engines["slow"].asked == 8


def test_sizes_and_levels_are_drawn_for_each_problem_alike_for_all_annotators(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    two_annotators(monkeypatch)
    bare = [{"problem": f"Find n{number}."} for number in range(40)] + [{"problem": "Find m.", "level": "own"}]
    jsonl(Path("bare.jsonl"), bare)
    told = f"extract --data_path bare.jsonl --output_path out.jsonl {ASKED} --n 2 --n 3 --level AIME --level USAMO"
    assert run(told) == 0
    found = rows("out.jsonl")
    of_s, of_q = ([row for row in found if row["annotator"] == name] for name in "sq")
    assert [(len(row["foundational_concepts"]), row["level"]) for row in of_s] == [
        (len(row["foundational_concepts"]), row["level"]) for row in of_q
    ]
    assert {len(row["foundational_concepts"]) for row in found} == {2, 3}
    assert {row["level"] for row in of_s[:-1]} == {"AIME", "USAMO"}
    assert of_s[-1]["level"] == "own"
    assert len({row["id"] for row in found}) == 82


def test_benchmark_rows_are_read_and_the_problem_is_named_in_its_own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    two_annotators(monkeypatch)
    jsonl(Path("seeds.jsonl"), [{"prompt": "<|im_start|>user\nFind 1+1.<|im_end|>", "reference_solution": "#### 2"}])
    assert run(f"{EXTRACT} --level AIME") == 0
    assert run(EXPLAIN) == 0
    found = rows("explained.jsonl")
    assert [row["problem"] for row in found] == ["Find 1+1."] * 2
    assert found[0]["prompt"].startswith("You design problems")
    assert found[0]["reference_solution"] == "#### 2"


def test_a_row_goes_to_the_annotator_that_it_names_and_any_other_to_all(monkeypatch: pytest.MonkeyPatch) -> None:
    engines = two_annotators(monkeypatch)
    concepts = {"concepts": ["gcd", "parity"], "level": "AIME"}
    mixed = [
        {"id": "a", "problem": "Find a.", "annotator": "q", **concepts},
        {"id": "b", "problem": "Find b.", **concepts},
        {"id": "c", "problem": "Find c.", "annotator": "s", **concepts},
    ]
    jsonl(Path("extracted.jsonl"), mixed)
    assert run(EXPLAIN) == 0
    assert [(row["id"], row["annotator"]) for row in rows("explained.jsonl")] == [
        ("a", "q"),
        ("b-s", "s"),
        ("b-q", "q"),
        ("c", "s"),
    ]
    assert (engines["slow"].asked, engines["quick"].asked) == (2, 2)


def test_explained_rows_look_as_if_a_generator_had_written_them(monkeypatch: pytest.MonkeyPatch) -> None:
    two_annotators(monkeypatch)
    assert run(EXTRACT) == 0
    assert run(EXPLAIN) == 0
    row = rows("explained.jsonl")[0]
    concepts = row["foundational_concepts"]
    assert row["prompt"] == domains.load("math").render("generate", concepts=concepts, level="AIME")
    assert row["completion"] == render(row["rationale"], SEEDS[0]["problem"])
    assert (row["finish_reason"], row["annotator"], row["id"]) == ("stop", "s", "p1-s")
    assert row["completion_tokens"] > 0


def test_the_wording_of_the_generators_prompt_may_be_learnt_from_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    two_annotators(monkeypatch)
    assert run(EXTRACT) == 0
    prompt = "At {level}, with\n1. a\n2. b\n3. c\n4. d\n5. e\nwrite a problem."
    jsonl(Path("like.jsonl"), [{"prompt": prompt.format(level=level)} for level in ("AIME", "USAMO")])
    assert run(f"{EXPLAIN} --prompt-like like.jsonl") == 0
    row = rows("explained.jsonl")[0]
    assert row["prompt"].startswith(f"At AIME, with\n1. {row['foundational_concepts'][0]}\n2. ")


def cold_start() -> None:
    assert run(EXTRACT) == 0
    assert run(EXPLAIN) == 0
    for name in ("a", "b"):
        told = f"judge --data_path explained.jsonl --output_path judged-{name}.jsonl --judge {name} --model_path judge"
        assert run(told) == 0
    assert run("filter --template judged-*.jsonl --output_path accepted.jsonl") == 0


def test_judge_and_filter_take_explained_rows_and_train_rows_takes_what_they_accept(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    two_annotators(monkeypatch)
    jsonl(Path("seeds.jsonl"), [*SEEDS, {"id": "p7", "problem": "Find the flawed one.", "level": "AIME"}])
    cold_start()
    assert len(rows("accepted.jsonl")) == 12
    told = "train-rows --data_path accepted.jsonl --output_path train.jsonl --concepts_path concepts.jsonl"
    assert run(told) == 0
    explained = {row["id"]: row for row in rows("explained.jsonl")}
    for row in rows("train.jsonl"):
        source = explained[row["id"]]
        assert list(row) == [
            *("id", "prompt", "completion", "foundational_concepts", "level", "annotator", "source"),
        ]
        assert {name: source[name] for name in row} == row
    # both annotators of a problem name the same concepts here, which count once
    assert [row["problem"] for row in rows("concepts.jsonl")] == [row["problem"] for row in SEEDS]
    assert set(rows("concepts.jsonl")[0]) == {"concepts", "level", "source", "problem"}
    said = capsys.readouterr().out
    assert "train-rows: 12 in = 12 out + 0 dropped + 0 failed" in said
    assert "concepts: 12 in = 6 out + 6 dropped (duplicate: 6) + 0 failed" in said
    assert json.loads(Path("train.summary.json").read_bytes())["stages"]["train-rows"]["out"] == 12
    assert json.loads(Path("train.recipe.json").read_bytes())["recipe"]["sources"] == ["accepted.jsonl"]
    assert read_table("concepts.jsonl").frequency.sum() == 30
    sampled = "sample --data_path concepts.jsonl --output_path sampled.jsonl --data_size 3"
    assert run(sampled) == 0


def test_public_annotated_rows_become_training_rows_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    annotated = [
        {"concepts": ["gcd", "parity"], "rationale": "Take 6.", "problem": "Find a.", "reference_solution": "#### 1"},
        {"concepts": ["gcd"], "rationale": "Take 7.", "problem": "Find b.", "level": "USAMO", "prompt": "Solve: b"},
    ]
    jsonl(Path("annotated.jsonl"), annotated)
    told = "train-rows --data_path annotated.jsonl --output_path train.jsonl --level AIME --prompts nano"
    assert run(told) == 0
    one, other = rows("train.jsonl")
    assert one["prompt"] == "Concepts:\n1. gcd\n2. parity\nLevel: AIME\n"
    assert one["completion"] == render("Take 6.", "Find a.")
    assert other["prompt"] == "Concepts:\n1. gcd\nLevel: USAMO\n"


@pytest.mark.skipif("PROMPTCOT_SHARED_DATA" not in os.environ, reason="PROMPTCOT_SHARED_DATA is not set")
def test_the_annotated_problems_are_all_learnt_and_their_concepts_would_be_read(
    capsys: pytest.CaptureFixture[str],
) -> None:
    source = Path(os.environ["PROMPTCOT_SHARED_DATA"]) / "annotated_problems.jsonl"
    told = f"train-rows --data_path {source} --output_path train.jsonl --concepts_path c.jsonl --level AIME"
    assert run(told) == 0
    annotated = rows(str(source))
    assert [row["completion"] for row in rows("train.jsonl")] == [
        render(row["rationale"].strip(), row["problem"].strip()) for row in annotated
    ]
    for concepts in (row["concepts"] for row in annotated):
        reply = f"```json\n{json.dumps(concepts, indent=2)}\n```"
        assert extraction.parse(reply, len(concepts)) == tuple(" ".join(concept.split()) for concept in concepts)


def test_rows_that_lack_something_are_dropped_with_the_reason_and_repeated_ones_too(
    capsys: pytest.CaptureFixture[str],
) -> None:
    whole = {"concepts": ["gcd"], "rationale": "r", "problem": "p", "level": "AIME"}
    bad = [{key: value for key, value in whole.items() if key != left_out} for left_out in whole]
    bad += [{**whole, "problem": "p <!-- END PROBLEM -->"}, {**whole, "completion": "nothing"}, {**whole, "id": "x"}]
    jsonl(Path("one.jsonl"), [whole, *bad])
    jsonl(Path("two.jsonl"), [whole])
    assert run("train-rows --data_path one.jsonl --data_path two.jsonl --output_path train.jsonl") == 0
    assert len(rows("train.jsonl")) == 1
    assert [row["reason"] for row in rows("train.dropped.jsonl")] == [
        *("no concepts", "no rationale", "no problem", "no level"),
        *("unreadable: repeated END PROBLEM", "unreadable: no BEGIN RATIONALE", "duplicate", "duplicate"),
    ]
    assert "9 in = 1 out + 8 dropped" in capsys.readouterr().out


def test_what_a_model_wrote_around_the_markers_is_not_learnt() -> None:
    text = "Sure!\n" + render("r", "p") + "\nAnother one?"
    jsonl(Path("in.jsonl"), [{"id": "1", "prompt": "q", "completion": text, "concepts": ["a"], "level": "AIME"}])
    assert run("train-rows --data_path in.jsonl --output_path train.jsonl") == 0
    [row] = rows("train.jsonl")
    assert (row["prompt"], row["completion"]) == ("q", render("r", "p"))


CONCEPTS = {"foundational_concepts": ["a"], "level": "AIME"}
MISTAKES: list[tuple[str, str, dict[str, Any], list[str]]] = [
    ("a model path as well", f"{EXTRACT} --model_path x", {}, ["cannot be combined"]),
    ("one name twice", "extract --data_path seeds.jsonl --output_path o.jsonl --annotator a=x --annotator a=y", {}, []),
    ("no name", "extract --data_path seeds.jsonl --output_path o.jsonl --annotator a/b=x", {}, ["is not a valid name"]),
    ("no problem", EXPLAIN, {"concepts": ["a"], "level": "AIME"}, ["row 1", "`problem`"]),
    ("no concepts", EXPLAIN, {"problem": "p", "level": "AIME"}, ["`foundational_concepts`"]),
    ("no level", EXPLAIN, {"problem": "p", "concepts": ["a"]}, ["--level"]),
    ("unknown annotator", EXPLAIN, {"problem": "p", **CONCEPTS, "annotator": "z"}, ["--annotator z=MODEL"]),
    ("no wording", f"{EXPLAIN} --prompts own", {"problem": "p", **CONCEPTS}, ["there is no explain.jinja"]),
    (
        "judged rows",
        "train-rows --data_path extracted.jsonl --output_path o.jsonl",
        {"judgement": "bad"},
        ["row 1", "`filter`"],
    ),
    (
        "one name for two files",
        "train-rows --data_path extracted.jsonl --output_path o.jsonl --concepts_path o.jsonl",
        {"a": 1},
        ["same name"],
    ),
    ("over its input", "train-rows --data_path extracted.jsonl --output_path extracted.jsonl", {"a": 1}, ["replaced"]),
]


@pytest.mark.parametrize(("line", "row", "words"), [case[1:] for case in MISTAKES], ids=[case[0] for case in MISTAKES])
def test_a_mistake_is_one_clear_error_before_any_model_is_opened(
    line: str,
    row: dict[str, Any],
    words: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    engines = two_annotators(monkeypatch)
    jsonl(Path("extracted.jsonl"), [row])
    own = Path("own")
    own.mkdir()
    for name in ("generate.jinja", "judge.jinja", "criteria.toml"):
        (own / name).write_text((Path(domains.__file__).parent / "math" / name).read_text())
    assert run(line) in (1, 2)
    said = capsys.readouterr().err
    assert all(word in said for word in words), said
    assert not engines
    assert "Traceback" not in said


def test_a_set_of_prompts_without_the_annotators_wordings_still_serves_the_others(tmp_path: Path) -> None:
    for name in ("generate.jinja", "judge.jinja", "criteria.toml"):
        (tmp_path / name).write_text((Path(domains.__file__).parent / "math" / name).read_text())
    assert domains.load(tmp_path).render("generate", concepts=["a"], level="AIME")


def test_the_only_model_of_a_server_is_not_called_after_the_embedded_one(monkeypatch: pytest.MonkeyPatch) -> None:
    annotating.play(monkeypatch, {"nano": annotating.annotate})
    told = "extract --data_path seeds.jsonl --output_path out.jsonl --base-url http://localhost:1/v1"
    assert run(told) == 0
    assert [row["id"] for row in rows("out.jsonl")][:2] == ["p1-annotator", "p2-annotator"]
    assert json.loads(Path("out.recipe.json").read_bytes())["recipe"]["prompts"] == "math"


def test_the_embedded_annotator_gets_its_own_wording_sizes_and_problems(monkeypatch: pytest.MonkeyPatch) -> None:
    annotating.play(monkeypatch, {"nano": annotating.annotate})
    assert run("extract --data_path nano --output_path out.jsonl --limit-rows 30") == 0
    found = rows("out.jsonl")
    assert len(found) == 30
    assert {row["annotator"] for row in found} == {"nano"}
    assert {len(row["foundational_concepts"]) for row in found} == {2, 3}


def test_models_that_do_not_fit_together_are_refused_with_a_way_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    two_annotators(monkeypatch)
    monkeypatch.setattr(Engines, "place", lambda self, specs: len(specs) < 2)
    assert run(EXTRACT) == 2
    assert "run each in a separate command" in capsys.readouterr().err
    assert run(EXTRACT.removesuffix(" --annotator q=quick")) == 0


def test_when_one_annotator_cannot_be_asked_at_all_the_command_stops_and_keeps_what_was_finished(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(request: Request) -> Exception:
        return EngineUnusable("no such model")

    annotating.play(monkeypatch, {"slow": annotating.annotate, "quick": broken})
    assert run(EXTRACT) == 1
    assert "no such model" in capsys.readouterr().err
    assert not Path("extracted.jsonl").exists()
    two_annotators(monkeypatch)
    assert run(EXTRACT) == 0
    assert len(rows("extracted.jsonl")) == 12


@pytest.mark.parametrize("verb", ["extract", "explain", "train-rows"])
def test_each_verb_has_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "--help"]) == 0
    assert f"Usage: promptcot {verb}" in capsys.readouterr().out

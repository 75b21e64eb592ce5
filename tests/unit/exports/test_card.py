"""The card of an exported folder: correct, readable by the Hub, and without claims about unknown facts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import DatasetCard

from promptcot.exports.card import Described, card
from promptcot.exports.licences import licence_of
from promptcot.exports.origin import Origin, origin_of

SHARDS = [f"train-{n:05}-of-00002.parquet" for n in range(2)]
MADE = {
    "format": "promptcot-export/1",
    "recipe_sha256": "ab" * 32,
    "data_sha256": {"set.jsonl": "cd" * 32},
    "command": "promptcot export --to verl",
    "versions": {"promptcot": "0.1.0"},
}
HOSTILE = (
    "<script>alert(1)</script> [x](javascript:y) ![i](http://e/p.png) | `a` **b** $z$ # \x1b[2J\u202e @me\n# Heading"
)


def exported(**changes: Any) -> Described:
    told = {"to": "verl", "kind": "rl", "rows": {"train": 1500}, "files": {"train": SHARDS}, "made": MADE}
    return Described(**{**told, **changes})


def stage(rows_in: int, out: int, **dropped: int) -> dict[str, Any]:
    return {"in": rows_in, "out": out, "dropped": dropped, "failed": {}}


def origin(models: dict[str, str] | None = None, **summary: Any) -> Origin:
    """A run of these models, by step."""
    asked = models or {"generate": "meta-llama/Llama-3.1-8B", "solve": "somebody/model"}
    recipe = {"name": "mine", "seed": 7, "prompts": "math", "server": {}, **{k: {"model": v} for k, v in asked.items()}}
    stages = {"sample": stage(100, 100), "generate": stage(100, 90, unreadable=10), "label": stage(90, 60, tie=30)}
    return Origin("mine", {"recipe": recipe, "models": dict.fromkeys(asked, "x")}, {"stages": stages, **summary})


def test_the_hub_reads_its_head() -> None:
    data = DatasetCard(card(origin(), exported(license="cc-by-4.0"))).data.to_dict()
    assert data == {
        "license": "cc-by-4.0",
        "language": ["en"],
        "task_categories": ["text-generation"],
        "pretty_name": "mine",
        "size_categories": ["1K<n<10K"],
        "tags": ["promptcot", "synthetic", "reinforcement-learning", "math"],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": "train", "path": ["train-*-of-00002.parquet"]}],
            }
        ],
    }


@pytest.mark.parametrize(
    ("rows", "size"),
    [(0, "n<1K"), (999, "n<1K"), (1000, "1K<n<10K"), (10**6, "1M<n<10M"), (5 * 10**9, "1B<n<10B")],
)
def test_sizes_are_named_as_the_hub_names_them(rows: int, size: str) -> None:
    data = DatasetCard(card(origin(), exported(rows={"train": rows}))).data.to_dict()
    assert data["size_categories"] == [size]


def test_it_says_what_was_lost_where_and_by_which_command() -> None:
    text = card(origin(), exported(left_out={"no answer": 12}))
    assert "| generate | 100 | 90 | 10 unreadable |" in text
    assert "| no answer | 12 |" in text
    assert f"| sha256 of the recipe | {'ab' * 32} |" in text
    assert f"| sha256 of set.jsonl | {'cd' * 32} |" in text
    assert "```sh\npromptcot export --to verl\n```" in text
    assert "Not measured" in text


def test_of_a_plain_file_it_says_that_nothing_is_known() -> None:
    text = card(Origin("rows"), exported(kind="sft", to="trl", made={**MADE, "command": None}))
    assert "It is not known how the rows were made" in text
    assert "Not known: there is no recipe beside the rows." in text
    assert "It is not known which models wrote or rated these rows" in text
    assert "Whether benchmark problems are among the rows is not known" in text
    assert "No licence is stated" in text
    assert DatasetCard(text).data.to_dict()["license"] == "unknown"
    assert "language" not in DatasetCard(text).data.to_dict()


def test_decontamination_is_said_with_benchmarks_rules_and_counts_or_that_there_was_none() -> None:
    told = {
        "status": "decontaminated",
        "against": {"math500": 500},
        "not_at_hand": {"aime2025": "why"},
        "found": {"math500": 3},
        "rules": {"exact": 1, "share": 2},
    }
    text = card(origin(contamination=told), exported())
    assert "3 rows that are in a benchmark were left out (by rule: exact 1, share 2)." in text
    assert "| math500 | 500 |" in text
    assert "Not available, so not compared: aime2025." in text
    assert "Not decontaminated" in card(origin(), exported())
    assert "no row is in a benchmark." in card(origin(contamination={**told, "found": {}, "rules": {}}), exported())


def test_judges_are_named_only_where_there_were_some_and_a_kind_of_training_is_no_reader() -> None:
    found = origin()
    judged = Origin("x", found.manifest, {"stages": {**found.stages, "judge-a": stage(90, 90)}})
    assert "from combinations of concepts." in card(found, exported())
    assert "including judges" in card(judged, exported())
    assert "in columns for supervised fine-tuning, as read by TRL 1" in card(
        found, exported(to="sft", kind="sft", framework="TRL 1")
    )


def test_it_says_which_command_made_the_rows_and_whether_they_were_changed_since() -> None:
    written = {"command": "promptcot run mine.toml", "data_sha256": MADE["data_sha256"]}
    text = card(origin(made=written), exported())
    assert "Made by:\n\n```sh\npromptcot run mine.toml\n```" in text
    assert "were changed after the run" not in text
    assert "were changed after the run" in card(origin(made={"data_sha256": {"set.jsonl": "ee"}}), exported())


def test_licences_are_those_of_the_table_and_nothing_is_guessed() -> None:
    text = card(origin(), exported())
    assert "| meta-llama/Llama-3.1-8B | generate | Llama 3.1 Community License |" in text
    assert "a name that begins with `Llama`" in text
    assert "| somebody/model | solve | not known: look it up |" in text


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("meta-llama/Llama-3.1-70B-Instruct", "Llama 3.1 Community License"),
        ("meta-llama/Llama-3.2-3B-Instruct", "Llama 3.2 Community License"),
        ("meta-llama/Meta-Llama-3-8B", "Llama 3 Community License"),
        ("Qwen/Qwen2.5-72B-Instruct", "Qwen License Agreement"),
        ("Qwen/Qwen2.5-3B-Instruct", "Qwen Research License Agreement"),
        ("Qwen/Qwen2.5-1.5B-Instruct", "Apache 2.0"),
        ("Qwen/QwQ-32B", "Apache 2.0"),
        ("deepseek-ai/DeepSeek-R1", "MIT"),
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", "MIT"),
        ("deepseek-ai/DeepSeek-R1-Distill-Llama-8B", "Llama 3.1 Community License"),
        ("nano:solver", "MIT, with promptcot"),
        ("Qwen2.5-72B-Instruct", None),
        ("somebody/Qwen2.5-72B-Instruct", None),
        ("Qwen/Qwen2.5-72B-Instruct-AWQ", None),
        ("/models/Qwen/QwQ-32B", None),
        ("xl-zhao/PromptCoT-Problem-Generation-Model", None),
        ("gpt-4o", None),
    ],
)
def test_a_licence_is_known_by_the_whole_name_only(model: str, name: str | None) -> None:
    found = licence_of(model)
    assert (found and found.name) == name


def test_what_models_wrote_is_text_and_nothing_else() -> None:
    hostile = origin({"generate": HOSTILE, "solve": "</details>```"})
    stages = {HOSTILE: stage(3, 1, **{HOSTILE: 2})}
    told = {"levels": {HOSTILE: 1}}
    contamination = {"against": {HOSTILE: 1}, "not_at_hand": {HOSTILE: ""}, "rules": {HOSTILE: 1}}
    evil = Origin(
        HOSTILE,
        {**hostile.manifest, "recipe": {**hostile.recipe, "name": HOSTILE, "note": "```\n</details><img src=x>"}},
        {"stages": stages, "measure": told, "contamination": contamination, "agreement": [{"judges": [HOSTILE]}]},
    )
    text = card(evil, exported(left_out={HOSTILE: 1}, split_by=HOSTILE))
    _, head, body = text.split("---\n", 2)
    assert DatasetCard(text).data.to_dict()["tags"]
    assert "Heading" in head
    before, _, rest = body.partition("````json")
    recipe, _, after = rest.partition("\n````\n")
    assert "<img src=x>" in recipe
    for part in (before, after):
        assert "<script" not in part
        assert "](" not in part
        assert "\n# Heading" not in part
        assert "\x1b" not in part
        assert "\u202e" not in part
        assert all(line.count("|") in (0, 3, 4, 5, 6) for line in part.splitlines())


def test_a_secret_of_a_recipe_is_in_no_card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_API_KEY", "s3cret-of-mine-1234")
    found = origin()
    recipe = {**found.recipe, "server": {"base_url": ["https://me:s3cret-of-mine-1234@host/v1"]}}
    assert "s3cret" not in card(Origin("x", {**found.manifest, "recipe": recipe}, found.summary), exported())


def test_the_same_export_has_the_same_card() -> None:
    assert card(origin(), exported()) == card(origin(), exported())


def test_what_lies_beside_rows_is_found_for_runs_files_in_them_outputs_and_plain_files(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "recipe.json").write_text(json.dumps({"recipe": {"name": "mine"}, "models": {}}))
    (run / "summary.json").write_text(json.dumps({"stages": {"sample": stage(1, 1)}}))
    (run / "set.jsonl").write_text("{}\n")
    (tmp_path / "out.jsonl").write_text("{}\n")
    (tmp_path / "out.recipe.json").write_text(json.dumps({"recipe": {"model_path": "a/b"}, "models": {"solve": "b"}}))
    (tmp_path / "rows.jsonl").write_text("{}\n")
    assert origin_of(run) == origin_of(run / "set.jsonl")
    assert origin_of(run).name == "mine"
    assert [*origin_of(run).stages] == ["sample"]
    assert [*origin_of(run / "sample.jsonl").stages] == ["sample"]
    assert origin_of(run / "mine.jsonl") == Origin("mine")
    assert [*origin_of(tmp_path / "out.jsonl").models()] == [("solve", "a/b")]
    assert origin_of(tmp_path / "rows.jsonl") == Origin("rows")


def test_a_model_that_a_server_calls_nano_is_not_ours() -> None:
    found = origin()
    recipe = {**found.recipe, "server": {"base_url": ["http://host/v1"]}, "generate": {"model": "nano"}}
    models = dict(Origin("x", {"recipe": recipe, "models": {"generate": "nano"}}).models())
    assert licence_of(models["generate"]) is None


def test_of_the_rows_of_a_step_nothing_is_said_of_what_comes_behind_it(tmp_path: Path) -> None:
    stages = {name: stage(9, 9) for name in ("generate", "filter", "decontaminate", "solve")}
    models = {"generate": "a/b", "solve": "c/d"}
    (tmp_path / "recipe.json").write_text(json.dumps({"recipe": {"name": "mine"}, "models": models}))
    (tmp_path / "summary.json").write_text(json.dumps({"stages": stages, "contamination": {}, "measure": {}}))
    found = origin_of(tmp_path / "filter.jsonl")
    assert [*found.stages] == ["generate", "filter"]
    assert [*found.models()] == [("generate", "a/b")]
    assert "Not decontaminated" in card(found, exported())


def test_the_home_directory_is_in_no_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = str(tmp_path / "home" / "jane_doe")
    monkeypatch.setenv("HOME", home)
    recipe = {"name": "mine", "generate": {"model": f"{home}/models/mine"}, "data_path": f"{home}/rows.jsonl"}
    (tmp_path / "recipe.json").write_text(json.dumps({"recipe": recipe, "models": {"generate": "mine"}}))
    told = {"status": "decontaminated", "against": {f"{home}/benchmark.jsonl": 5}}
    (tmp_path / "summary.json").write_text(json.dumps({"stages": {"generate": stage(1, 1)}, "contamination": told}))
    text = card(origin_of(tmp_path), exported())
    assert "jane" not in text
    assert "~/rows.jsonl" in text
    assert "&#126;/models/mine" in text

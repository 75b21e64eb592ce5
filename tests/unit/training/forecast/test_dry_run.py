"""What a dry run counts and what it assumes, and that each number is labelled accordingly."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from promptcot.cli.report.training import lines
from promptcot.cli.root import run
from promptcot.errors import InputError
from promptcot.training.data.tokenizers import load_tokenizer
from promptcot.training.data.tokens import open_store
from promptcot.training.forecast import counting
from promptcot.training.forecast.dry_run import DryRun, dry_run
from promptcot.training.recipe import load_train
from tests.programs import python
from tests.unit.training.materials import CHATML

PROMPT, COMPLETION = "x" * 100, "y" * 250


@pytest.fixture
def rows(tmp_path: Path) -> str:
    """A hundred rows of 350 characters."""
    path = tmp_path / "rows.jsonl"
    row = json.dumps({"prompt": PROMPT, "completion": COMPLETION})
    path.write_text("".join(f"{row}\n" for _ in range(100)), encoding="utf-8")
    return str(path)


def tried(name: str = "nano-student", **changes: Any) -> DryRun:
    return dry_run(load_train(name, overrides={key.replace("__", "."): value for key, value in changes.items()}))


def told(found: DryRun) -> str:
    """What is printed, with its line breaks taken out."""
    return re.sub(r"\s+", " ", " ".join(lines(found)))


def test_rows_of_a_file_are_counted_and_tokens_by_the_models_tokenizer(rows: str) -> None:
    found = tried(data__path=[rows], model__path="nano:solver")
    assert found.counted.rows == 100
    assert found.counted.measured == 100
    assert found.counted.lengths is not None
    assert 10 < found.counted.lengths.mean <= 351
    assert "100 rows (counted in" in told(found)
    assert "tokens a row (mean of 100 sampled rows)" in told(found)
    assert "data.revision" not in told(found)


def test_without_a_tokenizer_characters_are_divided_and_that_is_said(rows: str) -> None:
    found = tried("promptcot-ds-1.5b", data__path=[rows], data__tokens_per_row=None)
    assert found.counted.rows == 100
    recipe = found.recipe.model_copy(update={"data": found.recipe.data.model_copy(update={"tokens_per_row": None})})
    again = dry_run(recipe)
    assert again.counted.lengths is not None
    assert again.counted.lengths.mean == 100  # 350 characters
    assert "(assumed: 3.5 characters per token" in told(again)


def test_limit_and_held_out_share_lower_the_rows(rows: str) -> None:
    assert tried(data__path=[rows], data__limit=50).counted.rows == 50
    assert tried(data__path=[rows], data__limit=50, data__validation=0.1).counted.rows == 45


def test_a_large_file_is_sampled_alike_each_time(rows: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "SAMPLED", 7)
    path = Path(rows)
    path.write_text(
        "".join(json.dumps({"prompt": "a", "completion": "b " * n}) + "\n" for n in range(1, 201)), encoding="utf-8"
    )
    one, two = (tried(data__path=[rows], model__path="nano:solver").counted for _ in range(2))
    assert one == two
    assert (one.rows, one.measured) == (200, 7)
    assert one.lengths is not None
    assert one.lengths.mean > 20  # not the first seven, which are the shortest


def test_chats_are_counted_by_what_is_said_in_them(rows: str) -> None:
    chat = {"messages": [{"role": "user", "content": PROMPT}, {"role": "assistant", "content": COMPLETION}]}
    Path(rows).write_text(json.dumps(chat) + "\n", encoding="utf-8")
    found = tried(data__path=[rows], model__path="nano:solver")
    assert found.counted.lengths is not None
    assert found.counted.lengths.mean > 10


def test_rows_that_cannot_be_learnt_from_give_no_length(rows: str) -> None:
    Path(rows).write_text('{"text": "no pair"}\n', encoding="utf-8")
    found = tried(data__path=[rows])
    assert found.counted.lengths is None
    assert "no row is usable" in told(found)


def test_a_dry_run_leaves_out_what_the_training_leaves_out_and_counts_its_tokens(rows: str, tmp_path: Path) -> None:
    template = tmp_path / "t.jinja"
    template.write_text(CHATML, encoding="utf-8")
    turns = [{"role": "user", "content": "1 + 1?"}, {"role": "assistant", "content": "2"}]
    mixed: list[dict[str, Any]] = [
        {"prompt": turns[:1], "completion": turns[1:]},
        {"messages": turns},
        {"messages": [turns[0], {"role": "assistant", "content": [{"type": "text", "text": "2"}]}]},
        {"messages": [turns[0], {**turns[1], "reasoning_content": "1 and 1."}]},
        {"messages": [turns[0], {"role": "assistant", "content": None, "tool_calls": [{"id": "a"}]}]},
        {"text": "?"},
    ]
    Path(rows).write_text("".join(json.dumps(row) + "\n" for row in mixed), encoding="utf-8")
    found = tried(data__path=[rows], model__path="nano:solver", model__chat_template=str(template))
    store = open_store(found.recipe, load_tokenizer(found.recipe), cache=tmp_path / "cache")
    assert (found.counted.rows, dict(found.counted.left_out)) == (store.counts.kept, store.counts.dropped)
    assert found.counted.lengths is not None
    assert found.counted.lengths.mean == store.counts.tokens / store.counts.kept
    assert "left out, as in training: 1 × calls of tools, 1 × no prompt" in told(found)


@pytest.mark.parametrize("chat", [False, True], ids=["pairs", "chats"])
def test_rows_that_do_not_fit_by_their_tokens_are_left_out_as_the_training_leaves_them_out(
    chat: bool, rows: str, tmp_path: Path
) -> None:
    template = tmp_path / "t.jinja"
    template.write_text(CHATML, encoding="utf-8")
    end = str(load_tokenizer(load_train("nano-student", overrides={"model.path": "nano:solver"})).eos_token)
    pairs = [("1 + 1?", "2"), ("1 + 1? " * 400, "2"), ("1 + 1?", f"It ends with {end} and goes on"), ("1?", f"1{end}")]
    mixed = [_pair_or_chat(*pair, chat) for pair in pairs]
    Path(rows).write_text("".join(json.dumps(row) + "\n" for row in mixed), encoding="utf-8")
    named = {"model__chat_template": str(template)} if chat else {}
    found = tried(data__path=[rows], model__path="nano:solver", **named)
    store = open_store(found.recipe, load_tokenizer(found.recipe), cache=tmp_path / "cache")
    assert (found.counted.rows, dict(found.counted.left_out)) == (store.counts.kept, store.counts.dropped)
    assert found.counted.rows == 2
    assert "1 × prompt too long" in told(found)


def _pair_or_chat(prompt: str, completion: str, chat: bool) -> dict[str, Any]:
    turns = [{"role": "user", "content": prompt}, {"role": "assistant", "content": completion}]
    return {"messages": turns} if chat else {"prompt": prompt, "completion": completion}


def test_rows_with_a_pair_and_messages_are_counted_as_the_pair_where_there_is_no_template(
    rows: str, tmp_path: Path
) -> None:
    row = {**_pair_or_chat("1 + 1?", "2", False), **_pair_or_chat("what is 1 + 1 then?", "2", True)}
    Path(rows).write_text(json.dumps(row) + "\n", encoding="utf-8")
    found = tried(data__path=[rows], model__path="nano:solver")
    store = open_store(found.recipe, load_tokenizer(found.recipe), cache=tmp_path / "cache")
    assert found.counted.lengths is not None
    assert found.counted.lengths.mean == store.counts.tokens
    assert "template" not in told(found)


def test_chats_without_a_template_are_counted_and_the_way_out_is_named(rows: str) -> None:
    Path(rows).write_text(json.dumps({"question": "1 + 1?", "answer": "#### 2"}) + "\n", encoding="utf-8")
    text = told(tried(data__path=[rows], model__path="nano:solver"))
    assert "rows look like GSM8K: problem = question, completion = answer" in text
    assert "no template for them, with which the training would stop: name one as model.chat_template" in text


def test_rows_that_are_chats_and_pairs_are_counted_as_the_pairs_that_are_learnt_without_a_template(rows: str) -> None:
    said = [{"role": "user", "content": PROMPT * 9}, {"role": "assistant", "content": COMPLETION}]
    pair = {"prompt": PROMPT, "completion": COMPLETION}
    Path(rows).write_text(json.dumps({**pair, "messages": said}) + "\n", encoding="utf-8")
    both = tried(data__path=[rows], model__path="nano:solver")
    Path(rows).write_text(json.dumps(pair) + "\n", encoding="utf-8")
    alone = tried(data__path=[rows], model__path="nano:solver")
    assert both.counted.lengths == alone.counted.lengths
    assert "template" not in told(both)


def test_missing_data_is_not_made_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = tried()
    assert (found.counted.rows, found.counted.lengths, found.work) == (None, None, None)
    assert "rows not known: rows.jsonl is not on this machine; set data.rows" in told(found)
    assert "work not computed" in told(found)


def test_assumed_rows_and_lengths_name_their_source() -> None:
    text = told(tried("promptcot-ds-1.5b"))
    assert "406,000 rows, 4,100 tokens a row (assumed: the number of rows is from the dataset's page on the Hub" in text
    assert "assumed: log-normal lengths with σ = 0.6" in text
    assert "assumed: an MFU of 30%–50% (hardware.mfu) of 312 TFLOP/s: estimated from MosaicML's" in text
    assert "1.0 GiB assumed for the device context" in text


def test_hours_stand_beside_the_published_ones_with_what_would_explain_the_difference() -> None:
    found = tried("promptcot-ds-1.5b")
    assert found.work is not None
    assert found.counted.lengths is not None
    lengths, text = found.counted.lengths, told(found)
    low, high = (found.work.gpu_hours(312e12, mfu) for mfu in (0.5, 0.3))
    assert f"GPU-hours packed: {low * lengths.packed:,.0f}–{high * lengths.packed:,.0f} h, or " in text
    padded = [hours * lengths.padded for hours in (low, high)]
    assert "padded instead: {:,.0f}–{:,.0f} h".format(*padded) in text
    assert f"240 GPU-hours, padded: {240 / padded[1]:.1f}–{240 / padded[0]:.1f} times the computed hours" in text
    assert f"an MFU of {0.5 * padded[0] / 240:.0%} with rows of this length" in text


def test_a_measured_utilisation_is_one_number_and_hours_within_the_interval_are_said_to_be() -> None:
    text = told(tried("promptcot-ds-1.5b", hardware__mfu=0.5))
    assert "an MFU of 50% (hardware.mfu)" in text
    assert re.search(r"packed: \d+ h, or [\d.]+ h on 8 devices", text)
    assert "within the range computed for padded rows" in told(tried("promptcot-ds-1.5b", published__gpu_hours=150))


def test_steps_stand_beside_the_published_ones() -> None:
    text = told(tried("promptcot-ds-1.5b"))
    assert 'each step 64 rows = 8 devices × micro_batch 1 × accumulation 8 (schedule.step_by = "rows"), packed' in text
    assert "in all 12,688 steps, 3.33 B tokens published 12,688 steps of 64 rows, about 262,400 tokens each" in text
    packs = told(tried("promptcot-ds-1.5b", schedule__step_by="sequences"))
    assert '64 packed sequences = 8 devices × micro_batch 1 × accumulation 8 (schedule.step_by = "sequences")' in packs
    assert "about 251 rows" in packs
    assert "assumed: 98% full" in packs


def test_disk_has_checkpoints_model_tokens_and_data(rows: str) -> None:
    found = tried(data__path=[rows], model__path="nano:solver").disk
    assert found is not None
    assert found.checkpoints == 3 * found.checkpoint
    assert found.data == Path(rows).stat().st_size
    assert not found.fetched
    assert found.base == 0
    assert found.tokens is not None
    assert found.total == found.checkpoints + found.model + found.tokens + found.data
    hub = tried("promptcot-ds-1.5b")
    assert hub.disk is not None
    assert hub.disk.fetched
    text = told(hub)
    for line in ("checkpoints 185.4 GiB", "the model 3.3 GiB", "the base 3.3 GiB", "tokens 6.2 GiB", "data 10.9 GiB"):
        assert line in text


def test_the_tokens_on_disk_are_about_what_the_store_takes(rows: str, tmp_path: Path) -> None:
    found = tried(data__path=[rows], model__path="nano:solver")
    open_store(found.recipe, load_tokenizer(found.recipe), cache=tmp_path / "cache")
    taken = sum(path.stat().st_size for path in (tmp_path / "cache").rglob("*.bin"))
    assert found.disk is not None
    assert found.disk.tokens == pytest.approx(taken, rel=0.05)


def test_host_memory_is_ours_and_deepspeeds() -> None:
    text = told(tried("promptcot-ds-1.5b"))
    assert "on the host 26.5 GiB" in text
    assert "by DeepSpeed 79.4 GiB its own estimate for one machine's host: 1.5 times its count" in text


def test_unknown_rows_are_shown_for_a_round_number() -> None:
    text = told(tried("promptcot-qwq-32b"))
    assert "rows not known" in text
    assert "for 100,000 rows" in text
    assert "published 16 rows a step, about 96,000 tokens each" in text
    assert "published 240" not in text


def test_what_does_not_fit_is_said_with_keys_to_change() -> None:
    found = tried("promptcot-ds-7b", parallelism__zero=0, parallelism__offload_optimizer=False)
    text = told(found)
    assert found.fits is False
    assert "DOES NOT FIT" in text
    assert "to make it fit, the best first --set parallelism.zero=1 " in text


def test_an_unknown_device_has_neither_hours_nor_verdict() -> None:
    text = told(tried("promptcot-ds-1.5b", hardware__device="Abacus 9"))
    assert "the memory of 'Abacus 9' is not known here" in text
    assert "the peak of 'Abacus 9' is not known" in text
    assert "fits" not in text


def test_a_model_of_unknown_shape_has_no_memory_but_a_batch(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "mixtral"}', encoding="utf-8")
    recipe = load_train("nano-student", overrides={"model.path": str(tmp_path)})
    text = told(dry_run(recipe))
    assert "size of a model of type 'mixtral' cannot be computed" in text
    assert "packed sequences = 1 device" in text


def test_a_broken_tokenizer_is_an_error_that_names_the_file(rows: str, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match=r"tokenizer\.json: cannot be loaded"):
        tried(data__path=[rows], model__path=str(tmp_path))


def test_lines_fit_a_terminal() -> None:
    for name in ("promptcot-ds-1.5b", "promptcot-qwq-32b", "generator-llama3.1-8b", "nano-student"):
        assert max(map(len, "\n".join(lines(tried(name))).splitlines())) <= 110


def test_the_command_prints_it_and_loads_no_heavy_library(rows: str) -> None:
    program = (
        "import sys; from promptcot.cli.root import run; code = run(sys.argv[1:]); "
        "print('LOADED', *sorted({'torch', 'transformers', 'trl'} & set(sys.modules))); sys.exit(code)"
    )
    arguments = ["train", "nano-student", "--dry-run", "--data_path", rows, "--set", "schedule.epochs=5"]
    done = python(program, *arguments)
    assert done.returncode == 0, done.stderr
    assert "5 epochs" in done.stdout
    assert done.stdout.rstrip().endswith("LOADED")


def test_other_data_and_another_model_drop_what_was_true_of_the_recipes_own(
    rows: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["train", "promptcot-ds-1.5b", "--dry-run", "--data_path", rows, "--model_path", "some/other"]) == 0
    text = re.sub(r"\s+", " ", capsys.readouterr().out)
    assert "some/other: size unknown: some/other is not on this machine" in text
    assert "406,000" not in text
    assert "4,100" not in text
    assert "published" not in text


def test_processes_count_as_devices(capsys: pytest.CaptureFixture[str]) -> None:
    more = ["--dry-run", "--processes", "2"]
    assert run(["train", "nano-student", "--set", "schedule.accumulation=2", *more]) == 0
    assert "4 packed sequences = 2 devices × micro_batch 2 × accumulation 1" in capsys.readouterr().out
    assert run(["train", "promptcot-ds-1.5b", *more]) == 0
    assert "64 rows = 2 devices × micro_batch 1 × accumulation 32" in capsys.readouterr().out
    assert run(["train", "promptcot-ds-1.5b", "--dry-run", "--processes", "3"]) == 1
    assert "3 processes can share a step of 64 rows, but a dry run needs a number" in capsys.readouterr().err
    assert run(["train", "nano-student", *more]) == 1  # as the training itself would say
    assert "which 2 processes with 2 at a time cannot share evenly" in capsys.readouterr().err


def test_without_the_libraries_training_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        "promptcot.cli.train.importlib.util.find_spec", lambda name: None if name == "trl" else object()
    )
    assert run(["train", "nano-student"]) == 1
    assert "training needs trl; install with: pip install 'promptcot[train]'" in capsys.readouterr().err


def test_a_mistyped_recipe_is_an_error_that_names_the_near_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train", "nano-studnt", "--dry-run"]) == 1
    assert "did you mean nano-student?" in capsys.readouterr().err


def test_a_pair_is_counted_once_and_lost_with_either_of_its_sides(tmp_path: Path) -> None:
    path, long = tmp_path / "pairs.jsonl", "y" * 4000
    answers = [("1", "2"), ("1", long), (long, "2"), ("1 <eos> 2", "2"), ("1", "1"), ("3", "4")]
    rows = [{"prompt": f"{n}\n", "chosen": one, "rejected": other} for n, (one, other) in enumerate(answers)]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    found = tried("nano-dpo", data__path=[str(path)])
    assert found.counted.left_out == {"chosen and rejected are equal": 1, "special token in the completion": 1}
    assert (found.counted.rows, found.counted.lengths and found.counted.lengths.kept) == (4, 0.5)
    assert found.work is not None
    assert found.work.rows == 2


def test_preferences_and_rewards_are_promised_neither_packing_nor_files_of_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    preferences, rewards = tried("dpo-7b"), tried("grpo-7b")
    for found in (preferences, rewards):
        assert "packed instead" not in told(found)
        assert "no source is given" not in told(found)
    assert "the files of data.path, assumed: 3.5 characters per token" in told(preferences)
    assert rewards.disk is not None
    assert (rewards.disk.tokens, rewards.disk.data) == (None, None)
    assert "log-normal" not in told(rewards)  # all completions are taken to be as long as they can be


@pytest.mark.parametrize(
    ("save", "words"),
    [("merged", "in bfloat16"), ("adapter", "its adapters alone, in float32"), ("both", "bfloat16, and its adapters")],
)
def test_what_is_saved_of_adapters_is_what_the_disk_takes(save: str, words: str) -> None:
    found = tried("promptcot-ds-1.5b", method__lora={"rank": 8, "save": save})
    assert found.disk is not None
    assert found.shape is not None
    model, adapters = 2 * found.shape.parameters, 4 * found.shape.adapter_parameters(8)
    assert found.disk.model == {"merged": model, "adapter": adapters, "both": model + adapters}[save]
    assert words in told(found)

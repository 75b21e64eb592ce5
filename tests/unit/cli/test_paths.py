"""All verbs: paths are declared as what they are, and no output replaces an input, whichever option names it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from promptcot import domains
from promptcot.cli import main
from promptcot.cli.parameters import NewFolder, Target, Touches
from promptcot.cli.root import VERBS, root

TEXTS = {
    *("pass_rate", "difficulty", "levels"),
    *("api_key_env", "base_url", "engine_args", "extra_body", "levels", "omit", "stop", "style"),
    *("changes", "judge", "name", "until", "other_rates", "host", "models", "api_key", "ray_address", "role"),
    *("actors", "server_ports", "batch_size", "pass_rate", "difficulty", "model_name", "to", "layout"),
    *("push", "license", "language", "row_id", "reviewer"),
}
"""Parameters that are texts, and name no file."""


def commands() -> Iterator[tuple[str, click.Command]]:
    """All commands by the words that call them."""
    for verb in VERBS:
        found = root.get_command(click.Context(root), verb)
        assert found is not None
        inner = found.commands.items() if isinstance(found, click.Group) else [("", found)]
        yield from ((f"{verb} {name}".strip(), command) for name, command in inner)


COMMANDS = dict(commands())
_COUNTS = [("run", "target"), ("plan", "target")]


@pytest.mark.parametrize("words", COMMANDS)
def test_every_parameter_that_may_name_a_file_says_so(words: str) -> None:
    undeclared = [
        str(param.name)
        for param in COMMANDS[words].params
        if (isinstance(param.type, click.Path) or param.type is click.STRING)
        and not isinstance(param.type, Touches)
        and param.name not in TEXTS
    ]
    assert undeclared == [], "give it a type of cli.parameters, or add it to TEXTS where it names no file"


@pytest.mark.parametrize("words", COMMANDS)
def test_every_output_has_a_kind(words: str) -> None:
    """Else nobody would know what lies beside it."""
    named = ("output_path", "output_dir", "target", "details", "sft_path", "pairs_path", "rl_path", "concepts_path")
    for param in COMMANDS[words].params:
        if param.name in named and (words, param.name) not in [("doctor", "output_dir"), *_COUNTS]:
            assert isinstance(param.type, NewFolder | Target), param.name


ROWS = {
    "concepts.jsonl": [{"concepts": ["a", "b", "c"]}, {"concepts": ["a", "d", "e"]}],
    "vectors.jsonl": [{"sentence": name, "embedding": [1.0, 0.5]} for name in "abcde"],
    "prompts.jsonl": [{"id": "1", "prompt": "p", "foundational_concepts": ["a", "b"], "level": "AIME"}],
    "judged.jsonl": [{"id": "1", "prompt": "p", "completion": "c", "judgement": "perfect"}],
    "judged.failed.jsonl": [{"id": "2", "prompt": "p", "cause": "x", "error": "y"}],
    "traces.jsonl": [
        {"id": "1", "problem": "1+1?", "sample": 0, "completion": r"\boxed{2}", "answer": "2", "source": "s"}
    ],
    "bench.jsonl": [{"source": "s", "problem": "1+1?", "answer": "2"}],
    "rows.jsonl": [{"concepts": ["a"], "level": "AIME", "rationale": "r", "problem": "p"}],
}


@pytest.fixture(autouse=True)
def _in_a_folder_of_inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, rows in ROWS.items():
        Path(name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    for folder in ("model", "prompts", "shard", "out"):
        Path(folder).mkdir()
    Path("model/config.json").write_text("{}")
    Path("model/model.safetensors").write_bytes(bytes(16))
    for name in ("generate.jinja", "judge.jinja", "criteria.toml", "verify.jinja", "verify.toml"):
        Path("prompts", name).write_bytes((Path(domains.__file__).parent / "math" / name).read_bytes())
    Path("shard/filter.jsonl").write_text("{}\n")
    Path("recipe.toml").write_text('name = "r"\n')
    os.symlink("traces.jsonl", "link.jsonl")
    os.link("concepts.jsonl", "hard.jsonl")


LINES = [
    "sample --data_path concepts.jsonl --output_path concepts.jsonl",
    "sample --data_path hard.jsonl --output_path concepts.jsonl",
    "sample --data_path concepts.jsonl --embed_path vectors.jsonl --output_path vectors.jsonl",
    "sample --data_path concepts.jsonl --embed_path v.safetensors --output_path v.jsonl",
    "sample --data_path concepts.jsonl --prompt_like prompts.jsonl --output_path ./out/../prompts.jsonl",
    "sample --data_path concepts.jsonl --prompts ./prompts --output_path prompts/generate.jinja",
    "encode --data_path concepts.jsonl --output_path concepts.jsonl",
    "encode --data_path concepts.jsonl --output_path concepts.safetensors",
    "encode --data_path concepts.jsonl --model_path model --output_path model/model.safetensors",
    "generate --data_path prompts.jsonl --output_path prompts.jsonl",
    "generate --data_path judged.failed.jsonl --output_path judged.jsonl",
    "judge --data_path rows.jsonl --output_path rows.jsonl --prompts ./prompts",
    "judge --data_path judged.jsonl --output_path judged.failed.jsonl",
    "solve --data_path bench.jsonl --output_path bench.jsonl",
    "solve --data_path bench.jsonl --output_path model/tokenizer.jsonl --tokenizer_path ./model",
    "extract --data_path rows.jsonl --output_path rows.jsonl",
    "extract --data_path rows.jsonl --annotator one=model --output_path model/tokenizer.jsonl",
    "explain --data_path rows.jsonl --prompt_like prompts.jsonl --output_path prompts.jsonl",
    "filter --template judged.jsonl --output_path judged.jsonl",
    "filter --template judged.failed.jsonl --output_path judged.jsonl",
    "filter --template judg*.jsonl --output_path judged.jsonl",
    "filter --template judged{}.jsonl --n_rewards 2 --output_path judged1.jsonl",
    "label --data_path traces.jsonl --output_path traces.jsonl",
    "label --data_path link.jsonl --output_path traces.jsonl",
    "label --data_path traces.jsonl --output_path o.jsonl --sft_path traces.jsonl",
    "label --data_path traces.jsonl --output_path o.jsonl --pairs_path link.jsonl",
    "label --data_path traces.jsonl --output_path o.jsonl --rl_path o.jsonl",
    "label --data_path traces.jsonl --output_path o.jsonl --rl_path o.parquet",
    "select --data_path rows.jsonl --output_path rows.jsonl",
    "select --data_path bench.jsonl --data_path rows.jsonl --output_path rows.jsonl",
    "grade --output-path traces.jsonl --details traces.jsonl",
    "grade --output-path traces.jsonl --details traces.grades.json",
    "grade --output-path traces.jsonl --details bench.jsonl --benchmark bench.jsonl",
    "train-rows --data_path rows.jsonl --output_path rows.jsonl",
    "train-rows --data_path rows.jsonl --output_path o.jsonl --concepts_path rows.jsonl",
    "merge shard shard",
    "merge judged.jsonl judged.jsonl",
    "chain fresh --data_path rows.jsonl --output_path rows.jsonl --eval-recipe nano",
    "chain fresh --data_path rows.jsonl --output_path bench.jsonl --eval-recipe nano --set benchmarks=['bench.jsonl']",
    "chain mismatch --data_path traces.jsonl --output_path link.jsonl",
    "chain generators --prompts-path prompts.jsonl --trained-on rows.jsonl --before judged.jsonl --after judged.jsonl "
    "--output_path judged.failed.jsonl",
    "chain students --before shard --after shard --output_path shard/results.json",
    "chain students --before nano --after out --output_path nano/results.json",
    "chain students --before shard --after out --model-path model --output_path model/README.md",
    "run nano --output-dir out --set concepts.path=out/sample.jsonl",
    "run nano --output-dir prompts --set prompts=./prompts",
    "run nano --output-dir out --set sample.prompt_like=out/filter.dropped.jsonl",
    "run nano --output-dir out --set encode.path=out/generate.journal/calls.jsonl",
    "run nano --output-dir model --set generate.model=model --set generate.engine=local",
    "eval nano --output-dir out --benchmarks out/s.jsonl",
    "train nano-student --output-dir out --data-path out/log.jsonl",
    "train nano-student --output-dir out --data-path rows.jsonl --model-path out/model",
    "train nano-student --output-dir out --data-path out/checkpoint-3/rows.jsonl",
]
"""Each would replace an input, or one output by another."""
MORE = {
    "nano/results.json": "rows.jsonl",
    "out/sample.jsonl": "concepts.jsonl",
    "out/filter.dropped.jsonl": "prompts.jsonl",
    "out/generate.journal/calls.jsonl": "vectors.jsonl",
    "out/s.jsonl": "bench.jsonl",
    "out/log.jsonl": "rows.jsonl",
    "out/checkpoint-3/rows.jsonl": "rows.jsonl",
    "out/model/model.safetensors": "model/model.safetensors",
}


def content() -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(Path().rglob("*")) if path.is_file()}


@pytest.mark.parametrize("line", LINES)
def test_no_output_replaces_an_input(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    for name, like in MORE.items():
        if name in line or str(Path(name).parent) in line.split():
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            Path(name).write_bytes(Path(like).read_bytes())
    before = content()
    code = main(line.split())
    said = capsys.readouterr().err
    assert code in (1, 2), said
    assert any(words in said for words in ("would be replaced", "two outputs", "one output is among")), said
    assert content() == before


FINE = [
    "sample --data_path concepts.jsonl --size 2 --data_size 2 --output_path drawn.jsonl",
    "filter --template judged.jsonl --output_path accepted.jsonl",
    "label --data_path traces.jsonl --output_path labels.jsonl --sft_path sft.jsonl",
    "grade --output-path traces.jsonl --details details.jsonl",
    "grade --compare traces.jsonl traces.jsonl",
]


@pytest.mark.parametrize("line", FINE)
def test_what_an_earlier_call_left_is_no_obstacle(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        assert main(line.split()) in (0, 1), capsys.readouterr().err  # 1: nothing was kept
        assert "replaced" not in capsys.readouterr().err


@pytest.mark.parametrize("name", ["nano", "contest"])
def test_a_folder_called_like_what_ships_is_not_meant(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(name).mkdir()
    Path(name, "config.json").write_text("{}")
    line = f"sample --data_path {name} --data_size 2 --prompts math --output_path {name}/tokens.jsonl"
    assert main(line.split()) == 0, capsys.readouterr().err

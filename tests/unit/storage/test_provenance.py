"""The provenance of outputs: reproducible hashes, and a command line without secrets."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

import promptcot
from promptcot.cli import main
from promptcot.storage.provenance import command, command_line, commanded, file_sha256, provenance, recipe_sha256

SMALL = ["--max-candidates", "6", "--set", "encode.skip=true"]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def made(directory: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(Path(directory, "summary.json").read_bytes())["made"]
    return found


def test_a_run_names_the_hashes_of_its_recipe_and_of_its_data_and_its_command() -> None:
    main(["run", *SMALL, "--output-dir", "out"])
    found = made("out")
    [(name, digest)] = dict(found["data_sha256"]).items()  # type: ignore[call-overload]
    assert name == "set.jsonl"
    assert hashlib.sha256(Path("out", name).read_bytes()).hexdigest() == digest
    told = json.loads(Path("out/recipe.json").read_bytes())
    told = {key: value for key, value in told.items() if key not in ("format", "versions")}
    text = json.dumps(told, sort_keys=True, separators=(",", ":"))
    assert found["recipe_sha256"] == hashlib.sha256(text.encode()).hexdigest()
    assert found["command"] == "promptcot run --max-candidates 6 --set encode.skip=true --output-dir out"
    main(["run", *SMALL, "--until", "filter", "--output-dir", "short"])
    assert made("short")["format"] is None
    assert list(made("short")["data_sha256"]) == ["filter.jsonl"]  # type: ignore[call-overload]
    assert found["versions"]["promptcot"] == promptcot.__version__  # type: ignore[index]
    assert found["format"] == "promptcot-set/1"


def test_what_is_run_again_is_made_of_the_same_and_python_has_no_command() -> None:
    main(["run", *SMALL, "--output-dir", "out"])
    first = made("out")
    main(["run", *SMALL, "--output-dir", "out"])
    assert made("out") == first
    promptcot.run(output_dir="api", max_candidates=6, set={"encode.skip": True})
    assert made("api") == {**first, "command": None}


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["run", "my recipe.toml"], "promptcot run 'my recipe.toml'"),
        (["run", "--output-dir", "HOME/a b"], "promptcot run --output-dir '~/a b'"),
        (["run", "--output-dir=HOME/out"], "promptcot run --output-dir=~/out"),
        (["run", "--base-url", "https://me:pass-w0rd@host/v1"], "promptcot run --base-url 'https://***@host/v1'"),
        (["run", "--set", "a=hf_abcdefghijklmnopqrstuv"], "promptcot run --set 'a=***'"),
        (["run", "x\x1b[2Jy\nz\u202e"], "promptcot run 'x�y\\nz\\u202e'"),
        (["run", "half \udcff"], "promptcot run 'half \\udcff'"),
    ],
)
def test_a_command_line_is_written_down_without_home_secrets_and_controls(
    arguments: list[str], shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/some one")
    home = os.path.expanduser("~")
    assert command_line([one.replace("HOME", home) for one in arguments]) == shown


def test_the_hash_of_a_recipe_depends_on_what_is_asked_and_not_on_order_or_versions() -> None:
    one = {"format": 1, "recipe": {"seed": 1, "name": "x"}, "prompts": {}, "versions": {"numpy": "2"}}
    same = {"versions": {"numpy": "3"}, "prompts": {}, "recipe": {"name": "x", "seed": 1}}
    other = {**one, "recipe": {"seed": 2, "name": "x"}}
    assert recipe_sha256(one) == recipe_sha256(same) != recipe_sha256(other)
    assert recipe_sha256({"recipe": {"path": "\udcff", "huge": 10**30}})


def test_a_command_is_known_only_while_it_runs(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("{}\n")
    with commanded(["export"]):
        found = provenance({"recipe": {}}, {"rows.jsonl": tmp_path / "rows.jsonl"}, "x/1")
    assert found["command"] == "promptcot export"
    assert found["data_sha256"] == {"rows.jsonl": file_sha256(tmp_path / "rows.jsonl")}
    assert command() is None

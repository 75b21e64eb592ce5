"""The folder that `init` writes: complete, loadable, and it replaces nothing."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from promptcot import domains
from promptcot.cli import main
from promptcot.domains.new import write_domain
from promptcot.errors import InputError, UsageError
from promptcot.mock_server.replies import kind_of
from promptcot.recipe.loading import load
from promptcot.stages.sample import read_table
from promptcot.storage.rows import read_rows


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_folder_has_all_that_a_domain_needs() -> None:
    written = write_domain("puzzles", Path("puzzles"))
    assert {path.name for path in written} == {
        *("generate.jinja", "judge.jinja", "verify.jinja", "solve.jinja", "extract.jinja", "explain.jinja"),
        *("criteria.toml", "verify.toml", "domain.toml", "concepts.jsonl", "recipe.toml", "README.md"),
    }
    found = domains.load("puzzles")
    assert found.asks_for_marks("judge")
    assert found.asks_for_marks("verify")
    assert found.settings.verifier == "exact"
    assert not any("@" in path.read_text().replace("@own", "") for path in written)


def test_each_conversation_is_recognised_and_no_comment_is_sent() -> None:
    write_domain("puzzles", Path("puzzles"))
    found = domains.load("puzzles")
    variables = {**found.judging(["a", "b"], "easy", "material"), "problem": "Which door?", "n": 3}
    asked = {name: found.render(name, **variables) for name in ("generate", "judge", "solve", "extract", "explain")}
    asked["verify"] = found.render("verify", **found.verifying("Which door?", 0))
    kinds = {name: kind_of(text) for name, text in asked.items()}
    assert kinds == {
        "generate": "blocks", "judge": "judgement", "verify": "judgement", "solve": "trace", "extract": "concepts",
        "explain": "blocks",
    }  # fmt: skip
    assert not any("To change" in text or text.startswith("\n") for text in asked.values())


def test_twenty_concepts_stand_in_forty_combinations() -> None:
    write_domain("puzzles", Path("puzzles"))
    rows = list(read_rows(Path("puzzles/concepts.jsonl")))
    assert len(rows) == len({tuple(sorted(row["concepts"])) for row in rows}) == 40
    assert len(read_table("puzzles/concepts.jsonl").names) == 20


@pytest.mark.parametrize("folder", ["puzzles", "a folder", 'quo"ted', "deep/er"])
def test_the_recipe_finds_the_folder_wherever_it_is(folder: str) -> None:
    write_domain("puzzles", Path(folder))
    found = load(str(Path(folder, "recipe.toml")), overrides={"server.base_url": ["http://127.0.0.1:8000/v1"]})
    assert (found.name, found.prompts, found.sample.size) == ("puzzles", folder, [2, 3])
    assert Path(found.concepts.path).is_file()


def test_a_folder_that_holds_something_is_left_alone() -> None:
    Path("puzzles").mkdir()
    write_domain("puzzles", Path("puzzles"))
    Path("puzzles/solve.jinja").write_text("Solve {{ problem }}")
    before = {path: path.read_bytes() for path in Path("puzzles").iterdir()}
    with pytest.raises(InputError, match="already exists and is not empty"):
        write_domain("puzzles", Path("puzzles"))
    assert before == {path: path.read_bytes() for path in Path("puzzles").iterdir()}
    Path("file").touch()
    with pytest.raises(InputError, match="already exists and is not empty"):
        write_domain("puzzles", Path("file"))


def test_what_an_interrupted_call_has_begun_is_completed() -> None:
    written = write_domain("puzzles", Path("puzzles"))
    before = {path: path.read_bytes() for path in written}
    for path in written[4:]:
        path.unlink()
    Path("puzzles/generate.jinja.partial").touch()
    write_domain("puzzles", Path("puzzles"))
    assert {path: path.read_bytes() for path in written} == before


def test_prompts_that_were_changed_are_not_taken_for_an_interrupted_call() -> None:
    *_, recipe = write_domain("puzzles", Path("puzzles"))
    recipe.unlink()
    Path("puzzles/judge.jinja").write_text("my own")
    with pytest.raises(InputError, match="already exists and is not empty"):
        write_domain("puzzles", Path("puzzles"))
    assert Path("puzzles/judge.jinja").read_text() == "my own"


@pytest.mark.parametrize(
    ("name", "folder", "why"),
    [
        ("math", "elsewhere", "math is a domain that ships"),
        ("puzzles", "nano", "nano is a domain that ships"),
        ("a/b", "a", "is not a valid name of a domain.*; to write to another folder, use --output-dir"),
        ("a" * 101, "a", "is not a valid name of a domain"),
        ("-x", "x", "is not a valid name of a domain"),
        ("", "x", "is not a valid name of a domain"),
        ("puzzles", "new\nline", "cannot be printed"),
    ],
)
def test_a_name_that_would_be_misunderstood_is_refused(name: str, folder: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        write_domain(name, Path(folder))
    assert not Path(folder).exists()


def test_the_command_says_what_it_wrote_and_what_comes_next(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "puzzles", "--output-dir", "my puzzles"]) == 0
    said = capsys.readouterr().out
    assert "12 files in my puzzles" in said
    assert "promptcot run 'my puzzles/recipe.toml' --base-url http://127.0.0.1:8000/v1" in said
    assert main(["init", "puzzles", "--output-dir", "my puzzles"]) == 0  # as after a kill in its last moment
    Path("my puzzles/README.md").write_text("Mine.")
    assert main(["init", "puzzles", "--output-dir", "my puzzles"]) == 1
    assert main(["init", "nano"]) == 2


def test_the_recipe_asks_for_a_server(capsys: pytest.CaptureFixture[str]) -> None:
    """An embedded model would not understand a word."""
    write_domain("puzzles", Path("puzzles"))
    assert tomllib.loads(Path("puzzles/recipe.toml").read_text())["server"] == {"engine": "openai"}
    assert main(["run", "puzzles/recipe.toml"]) != 0
    assert "base_url" in capsys.readouterr().err

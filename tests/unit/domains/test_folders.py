"""Loading the folder of a domain, and its defaults."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from promptcot import domains
from promptcot.core.parsing.blocks import Blocks
from promptcot.errors import InputError, RecipeError
from promptcot.recipe.loading import parse

JUDGES = [{"name": "a"}]


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder as it was before there was a `domain.toml`."""
    folder = tmp_path / "own"
    shutil.copytree(domains.folder_of("math"), folder, ignore=shutil.ignore_patterns("domain.toml"))
    return folder


def test_what_ships_says_what_it_is() -> None:
    assert domains.names() == ["math", "nano"]
    math, nano = map(domains.settings, domains.names())
    assert (math.sizes, math.levels[0], len(math.levels), math.verifier) == ((5,), "AMC12", 8, "mathematics")
    assert (nano.sizes, nano.levels, nano.concepts) == ((2, 3), ("AMC12", "AIME", "HMMT-Feb"), "nano")


def test_a_folder_without_a_domain_toml_is_like_mathematics(own: Path) -> None:
    assert domains.load(own).settings == domains.settings("math")
    assert domains.load(own).hashes == domains.load("math").hashes


def test_what_a_domain_toml_leaves_out_is_like_mathematics(own: Path) -> None:
    (own / "domain.toml").write_text('levels = ["easy"]\n')
    found = domains.load(own)
    assert found.settings == domains.settings("math").model_copy(update={"levels": ("easy",)})
    assert "domain.toml" in found.hashes


def test_a_domain_toml_that_cannot_be_read_is_not_taken_for_none(own: Path) -> None:
    (own / "domain.toml").symlink_to("nowhere")
    for look in (domains.load, domains.settings):
        with pytest.raises(InputError, match=r"domain\.toml cannot be read"):
            look(own)
    (own / "domain.toml").unlink()
    (own / "domain.toml").mkdir()
    with pytest.raises(InputError, match=r"domain\.toml cannot be read"):
        domains.load(own)


def test_a_system_turn_that_would_never_be_asked_is_told(own: Path) -> None:
    (own / "judge.system.jinja").write_text("You are strict.")
    (own / "domain.toml").write_text("")
    found = domains.load(own)
    assert found.messages("judge", **found.judging(["gcd"], "AIME", "a problem"))[0].content == "You are strict."
    (own / "generate.system.jinja").write_text("You are inventive.")
    with pytest.raises(InputError, match=r"generate\.system\.jinja would never be used"):
        domains.load(own)


def test_concepts_lie_beside_the_file_that_names_them(own: Path) -> None:
    (own / "domain.toml").write_text('concepts = "mine/concepts.jsonl"\n')
    assert domains.settings(own).concepts == str(own / "mine/concepts.jsonl")
    (own / "domain.toml").write_text('concepts = "contest"\n')
    assert domains.settings(own).concepts == "contest"


def test_mistakes_name_the_folder_and_the_file(own: Path) -> None:
    (own / "domain.toml").write_text('level = ["easy"]\nsizes = [0]\n')
    with pytest.raises(RecipeError, match=r"own: domain\.toml: 2 mistakes") as caught:
        domains.load(own)
    assert "level: unknown key; did you mean levels?" in str(caught.value)
    with pytest.raises(RecipeError, match="2 mistakes"):
        parse({"prompts": str(own), "judge": JUDGES})


def test_a_generator_that_is_asked_for_other_blocks_is_a_mistake(own: Path) -> None:
    (own / "domain.toml").write_text('blocks = ["rationale", "problem", "tests"]\n')
    with pytest.raises(InputError, match=r"no markers of the block tests \(<!-- BEGIN TESTS -->\)"):
        domains.load(own)
    (own / "domain.toml").write_text('blocks = ["problem", "rationale"]\n')
    with pytest.raises(InputError, match=r"in another order: the blocks of domain\.toml are problem, rationale"):
        domains.load(own)
    (own / "domain.toml").write_text('blocks = ["problem"]\n')
    with pytest.raises(InputError, match="shows <!-- BEGIN RATIONALE -->, which begins no block"):
        domains.load(own)


def test_what_shows_no_markers_is_for_a_generator_that_knows_them(own: Path) -> None:
    (own / "domain.toml").write_text('blocks = ["rationale", "problem", "tests"]\n')
    (own / "generate.jinja").write_text("{# <!-- BEGIN NOTES --> #}You know what to do.\n")
    assert domains.load(own).settings.written == Blocks(("rationale", "problem", "tests"))


def test_a_conversation_that_is_not_there_is_told_with_those_that_are(own: Path) -> None:
    (own / "extract.jinja").unlink()
    with pytest.raises(InputError, match=r"no extract\.jinja, so it has no prompt to extract; there are explain, gen"):
        domains.load(own).render("extract", problem="p", n=2, mark="m")


def test_a_recipe_takes_what_it_does_not_say_from_its_domain(own: Path) -> None:
    (own / "domain.toml").write_text('levels = ["easy"]\nsizes = [2]\nconcepts = "concepts.jsonl"\n')
    found = parse({"prompts": str(own), "judge": JUDGES})
    assert (found.sample.size, found.sample.levels) == ([2], ["easy"])
    assert found.concepts.path == str(own / "concepts.jsonl")
    said = parse(
        {
            "prompts": str(own),
            "judge": JUDGES,
            "sample": {"levels": ["hard"]},
            "concepts": {"path": "contest"},
        }
    )
    assert (said.sample.size, said.sample.levels, said.concepts.path) == ([2], ["hard"], "contest")


def test_a_recipe_without_a_domain_is_one_of_contest_mathematics() -> None:
    found = parse({"judge": JUDGES})
    assert (found.sample.size, len(found.sample.levels), found.concepts.path) == ([5], 8, "nano")


def test_a_recipe_of_the_nano_world_draws_what_its_models_know() -> None:
    found = parse({"prompts": "nano", "judge": JUDGES})
    assert (found.sample.size, found.sample.levels) == ([2, 3], ["AMC12", "AIME", "HMMT-Feb"])


def test_a_domain_that_is_nowhere_is_told_where_prompts_are_loaded() -> None:
    assert parse({"prompts": "./nowhere", "judge": JUDGES}).prompts == "./nowhere"
    for look in (domains.load, domains.settings):
        with pytest.raises(
            InputError, match=r"neither a domain that ships with promptcot \(math, nano\) nor a local folder"
        ):
            look("./nowhere")

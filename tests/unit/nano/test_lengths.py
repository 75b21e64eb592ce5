"""Each role has room in the shipped recipes for what it has learnt to write: no true reply is cut off."""

import re
import tomllib
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from tokenizers import Tokenizer

from nano.models import VOCABULARY
from nano.texts import example
from promptcot.recipe.loading import SHIPPED

REPLIES = 500
MODEL = re.compile(r"nano:([\w-]+)")


def limits(table: dict[str, Any]) -> Iterator[tuple[str, int]]:
    """Role and `max_tokens` of each part of a recipe that has an embedded model."""
    if (found := MODEL.search(str([table.get("model"), table.get("annotators")]))) and "max_tokens" in table:
        yield found[1].replace("base", "solver"), table["max_tokens"]
    for part in table.values():
        for inner in part if isinstance(part, list) else [part]:
            if isinstance(inner, dict):
                yield from limits(inner)


CASES = sorted(
    (path.relative_to(SHIPPED).as_posix(), *limit)
    for path in SHIPPED.rglob("*.toml")
    for limit in limits(tomllib.loads(path.read_text(encoding="utf-8")))
)


@cache
def longest(role: str) -> int:
    """The tokens of the longest of many true replies, with the one that ends it."""
    tokenizer = Tokenizer.from_file(str(VOCABULARY / "tokenizer.json"))
    texts = [example(role, 777, index).completion for index in range(REPLIES)]
    return 1 + max(len(one.ids) for one in tokenizer.encode_batch(texts))


@pytest.mark.parametrize(("recipe", "role", "limit"), CASES)
def test_the_longest_true_reply_fits(recipe: str, role: str, limit: int) -> None:
    assert longest(role) <= limit


def test_every_role_of_the_pipeline_and_of_the_cold_start_is_looked_at() -> None:
    assert {role for recipe, role, _ in CASES if recipe == "nano.toml"} == {
        "generator", "judge-a", "judge-b", "verifier", "solver",
    }  # fmt: skip
    assert {role for recipe, role, _ in CASES if recipe == "cold-start-nano.toml"} == {
        "annotator", "judge-a", "judge-b",
    }  # fmt: skip

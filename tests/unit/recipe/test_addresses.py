"""Base URLs as people paste them, and the paths that are requested."""

import pytest

from promptcot.errors import RecipeError
from promptcot.recipe.addresses import HoldsSecret, below, has_secret, has_version, plain, server_root
from promptcot.recipe.loading import load, parse

AZURE = "https://x.example/openai/deployments/m?api-version=2024-10-21"
PLAIN = [
    ("http://h:8000/v1", "http://h:8000/v1"),
    ("http://h:8000/v1/", "http://h:8000/v1"),
    (" http://h/v1\n", "http://h/v1"),
    ("HTTP://h/v1", "http://h/v1"),
    ("Https://H/V1", "https://H/V1"),
    ("http://h/v1/chat/completions", "http://h/v1"),
    ("http://h/v1/chat/completions/", "http://h/v1"),
    ("http://h/v1/completions", "http://h/v1"),
    ("http://h/v1/embeddings", "http://h/v1"),
    ("http://h/v1/models", "http://h/v1"),
    ("http://h/models", "http://h/models"),
    ("http://h/my-completions", "http://h/my-completions"),
    (AZURE, AZURE),
    ("https://h/v1/chat/completions?api-version=1&b=", "https://h/v1?api-version=1&b="),
    ("http://h/v1?", "http://h/v1"),
    ("http://h/v1#top", "http://h/v1"),
    ("http://[::1]:8000/v1/", "http://[::1]:8000/v1"),
    ("http://h/team@work/v1", "http://h/team@work/v1"),
    ("http://[::1]:8000/team@work/v1", "http://[::1]:8000/team@work/v1"),
]


@pytest.mark.parametrize(("given", "right"), PLAIN)
def test_a_base_url_has_one_plain_form(given: str, right: str) -> None:
    assert plain(given) == right
    assert plain(right) == right


@pytest.mark.parametrize("given", ["h:8000/v1", "localhost", "ftp://h/v1", "", "://h", "http:/h"])
def test_what_is_no_url_of_a_server_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match="http://HOST:PORT/v1"):
        plain(given)


def test_the_query_stays_behind_the_path() -> None:
    assert below(AZURE, "/chat/completions") == AZURE.replace("?", "/chat/completions?")
    assert below("http://h/v1", "/models") == "http://h/v1/models"
    assert server_root("http://h/v1?a=1") == "http://h?a=1"
    assert has_version("http://h/v1?a=1")
    assert not has_version(AZURE)


SECRETS = [
    "http://me:hunter2@h/v1",
    "http://hunter2@h/v1",
    "ftp://me:hunter2@h/v1",
    "me:hunter2@h/v1",
    "http://me:hunter2@[bad/v1",
    "https://h/v1?api-key=hunter2",
    "https://h/v1?x=1&subscription-key=hunter2",
    "https://h/v1?access_token=hunter2",
    "https://h/v1?sig=hunter2",
    "https://h/v1#access_token=hunter2",
    "http://me:hunter2/or+so@h/v1",
    "http:/me:hunter2@h/v1",
    "HTTP://me%3Ahunter2%40h/v1",
    "https://h/v1?x=sk-hunter2hunter2hunter2",
]


@pytest.mark.parametrize("given", SECRETS)
def test_a_key_in_a_url_is_refused_and_repeated_by_no_message(given: str) -> None:
    with pytest.raises(HoldsSecret) as caught:
        plain(given)
    with pytest.raises(RecipeError) as parsed:
        parse({"generate": {"base_url": given}, "judge": [{"name": "a"}]})
    with pytest.raises(RecipeError) as changed:
        load("nano", [f"generate.base_url={given}"])
    told = f"{caught.value} {parsed.value} {changed.value}"
    assert "hunter2" not in told
    assert "api_key_env" in str(parsed.value)


@pytest.mark.parametrize("given", [AZURE, "http://h/v1?api-key=", "http://h/v1?keyboard=1", "http://h/v1?tokenizer=x"])
def test_what_only_looks_like_a_key_is_none(given: str) -> None:
    assert not has_secret(given)

"""What counts as a secret, in which forms it is found, and what is left unchanged."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest

from promptcot.redaction import Secrets, holds_credentials, is_secret, is_variable, keys_in, redacted, without_keys

KEY = 'pw/with"odd+characters=9'


@pytest.mark.parametrize(
    "text",
    [
        KEY,
        f"before {KEY} after",
        KEY + KEY,
        json.dumps(KEY),
        quote(KEY, safe=""),
        *(base64.b64encode(f"{'user:'[:place]}{KEY}".encode()).decode() for place in range(6)),
        KEY[:9],
        KEY[-9:],
        f"{KEY[:9]}…{KEY[-9:]}",
    ],
)
def test_a_secret_is_found_in_every_form(text: str) -> None:
    hidden = Secrets([KEY]).without(text)
    assert "***" in hidden
    assert not any(piece in hidden for piece in (KEY[:8], KEY[-8:], quote(KEY, safe="")[:12]))


@pytest.mark.parametrize(
    "value",
    [
        *("", "x", "EMPTY", "none", "changeme", "Placeholder", "12345678", "mathematics"),
        *("sk-xxxxxxxxxxxxxxxx", "sk-0000000000000000", "----------------", "0" * 20, "password"),
    ],
)
def test_words_numbers_placeholders_and_short_values_are_no_secrets(value: str) -> None:
    text = f"{value} mathematics 12345678 changeme {10**20}"
    assert not is_secret(value)
    assert Secrets([value]).without(text) == text


def test_a_word_with_which_a_secret_begins_stays_in_texts() -> None:
    text = "mathematics, and 1234567890 more"
    assert Secrets(["mathematics-department-7"]).without(text) == text
    assert Secrets(["1234567890-ab"]).without(text) == text


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("correct-horse-battery-staple", "the correct-looking answer, a staple"),
        ("sk-a-key-for-our-solutions", "real-solutions and non-solutions"),
        ("sk-ab12cd000000000000000000", f"{10**20}"),
        ("1234567890123456", "the number 12345678901234 of digits 1234567890"),
        ("test-key", "a test, a key; test-ke"),
    ],
)
def test_what_any_text_may_have_in_common_with_a_secret_stays(key: str, text: str) -> None:
    assert is_secret(key)
    assert Secrets([key]).without(text) == text
    assert Secrets([key]).without(f"it is {key}.") == "it is ***."


def test_a_key_that_begins_with_a_slash_is_no_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "/wJalrXUtnFEMI5K7MDENGbPxRfiCYEXAMPLEKEY")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/home/me/keys/project-2024-a1b2c3.json")
    assert redacted("/wJalrXUtnFEMI5K7MDENGbPxRfiCYEXAMPLEKEY") == "***"
    assert redacted("no /home/me/keys/project-2024-a1b2c3.json") == "no /home/me/keys/project-2024-a1b2c3.json"


def test_a_child_gets_the_keys_that_it_needs() -> None:
    environment = {"PATH": "/bin", "OPENAI_API_KEY": "x", "HF_TOKEN": "y", "MY_SECRET_2": "z"}
    assert without_keys(environment) == {"PATH": "/bin"}
    assert without_keys(environment, but=("HF_",)) == {"PATH": "/bin", "HF_TOKEN": "y"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://user:pw@host/v1", "http://***@host/v1"),
        ("HTTPS://user@[::1]:8000", "HTTPS://***@[::1]:8000"),
        ("s3://id:with/slash@bucket/x", "s3://***@bucket/x"),
        ("https://host/x?a=1&X-Amz-Signature=ab12", "https://host/x?a=1&X-Amz-Signature=***"),
        ("https://host/#access_token=ab12", "https://host/#access_token=***"),
        ("use hf_abcdefghijklmnopqrst now", "use *** now"),
        ("Authorization: Bearer abcdef123456.x", "Authorization: Bearer ***"),
        ("abfs://container@account.dfs/x", "abfs://container@account.dfs/x"),
        ("hdfs://me@node/x", "hdfs://me@node/x"),
        ("http://host:8000/team@work/v1", "http://host:8000/team@work/v1"),
        ("http://[::1]:8000/a@b", "http://[::1]:8000/a@b"),
        ("http://NAME:PASSWORD@HOST:PORT", "http://NAME:PASSWORD@HOST:PORT"),
        ("out/lora_r8_alpha16_dropout005, data/sk-learn-datasets-2024, sk_test_results", None),
        ("this server takes Bearer authentication only", None),
        ("Let f(x) = 2; write to a@b.c about http://host/v1?api-version=2024", None),
    ],
)
def test_what_looks_like_a_secret_to_anybody_is_not_shown(text: str, shown: str | None) -> None:
    assert redacted(text) == (shown or text)


@pytest.mark.parametrize(
    "name", ["OPENAI_API_KEY", "MY_KEY", "AZURE_OPENAI_KEY_2", "H100_KEY", "my_openai_key", "PATH"]
)
def test_names_of_variables(name: str) -> None:
    assert is_variable(name)


@pytest.mark.parametrize(
    "text",
    [
        *("", "sk-abc", "sk_live_123abc", "sk_test_4eC39HqLyjWDarjtT1zdp7dc", "0123456789abcdef", "deadbeefdeadbeef"),
        *(
            "DEADBEEF0123",
            "AKIAIOSFODNN7EXAMPLE",
            "eyJhbGciOiJIUzI1NiJ9",
            "eyJhbGci.eyJzdWIi.abc",
            "hf_abcdefgh",
            "A B",
        ),
    ],
)
def test_keys_that_are_typed_where_a_variable_belongs(text: str) -> None:
    assert not is_variable(text)


def test_a_variable_that_is_set_may_have_any_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not is_variable("openai")
    monkeypatch.setenv("openai", "x")
    assert is_variable("openai")


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ({"api_key": "x"}, ["api_key"]),
        ({"a": [{"Authorization": "x"}]}, ["Authorization"]),
        ({"headers": {"X-Api-Key": "x", "X-Other": "y"}}, ["X-Api-Key"]),
        ({"user": "hf_abcdefghijklmnopqrst"}, ["user"]),
        ({"prompt_cache_key": "x", "stop_token": "y", "max_tokens": 5, "key": ""}, []),
    ],
)
def test_fields_of_a_body_that_hold_a_key(body: object, names: list[str]) -> None:
    assert list(keys_in(body)) == names


def test_addresses_of_files_with_and_without_credentials() -> None:
    assert holds_credentials("s3://id:key@bucket/x")
    assert holds_credentials("https://host/x?sig=abc")
    assert not holds_credentials("abfs://container@account.dfs.core.windows.net/x?version=3")

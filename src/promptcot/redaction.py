"""Secrets: which values are secret, how they are removed from text, and where they must not be written.

Secrets are the values of environment variables with names of keys, passwords in addresses in the environment, and
values passed to `remember` (the key of a server, the key of a run's own servers). A secret is found whole, cut at
either end, percent-encoded, in base64 and escaped as in JSON. `redacted` also hides what looks like a key: passwords in
URLs, query parameters named like keys, keys in well-known formats. From data (a model's reply) `Secrets` removes only
known secrets, because a reply may contain a URL.

A short value, a single word, a number or a placeholder (`EMPTY`, `none`, `12345678`, `sk-xxxxxxxxxxxx`) is not a
secret: it protects nothing, and hiding it would damage ordinary text.
"""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import chain, takewhile
from typing import Any
from urllib.parse import quote, unquote

MASK = "***"
_SHORTEST, _LONGEST_WORD = 8, 16
_FEWEST_CHARACTERS = 5
"""The minimum number of different characters in a secret; placeholders (`sk-xxxxxxxx`, `0000-0000`) have fewer."""

_NAMED_LIKE_KEYS = re.compile(
    r"(KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS?|_PASS|_PAT|_SAS|ACCESS_KEY_ID|CONNECTION_STRING)_?\d*$"
    r"|(API_?KEY|SECRET|PASSWORD)(?!.*_(FILE|PATH|DIR|URL|ENV|NAME|ID|ARN)$)",
    re.IGNORECASE,
)
_FIELD = re.compile(
    r"(key|token|secret|pass(word|wd|phrase)?|pwd|auth(orization)?|bearer|sig(nature)?|credentials?|jwt|sas|^code)\d*$",
    re.IGNORECASE,
)
_BODY_FIELDS = {"key", "token", "authorization", "proxyauthorization", "bearer", "cookie", "credentials", "jwt"}
_BODY_ENDS = (
    *("apikey", "accesskey", "secretkey", "subscriptionkey"),
    *("secret", "password", "passwd"),
    *("accesstoken", "authtoken", "apitoken", "bearertoken", "hftoken"),
)

# A password may contain slashes, and a path an `@`: `HOST:8000/team@work` has no user.
_USER = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)(?P<slashes>:/{1,3})(?!/|NAME:PASSWORD@)"
    r"(?P<user>[^\s/?#:\['\"<>]*:(?!\d*/)[^\s?#'\"<>]+|[^\s/?#'\"<>]+)@",
    re.IGNORECASE,
)
_PARAMETER = re.compile(r"(?P<head>[?&#;](?P<name>[\w.%-]+)=)(?P<value>[^\s&#;'\"<>\\]+)")
_KEYS = re.compile(
    r"(?<![A-Za-z0-9])(?:sk-(?!learn\b)[\w-]{12,}|[rsp]k_(?:live|test)_(?=\w*\d)\w{6,}|hf_[A-Za-z0-9]{16,}"
    r"|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|A[KS]IA[0-9A-Z]{12,}|AIza[\w-]{20,}"
    r"|xox[abeprs]-[\w-]{10,}|gsk_[A-Za-z0-9]{16,}|nvapi-[\w-]{16,}|pplx-[A-Za-z0-9]{16,}|r8_[A-Za-z0-9]{30,}"
    r"|eyJ[\w-]{6,}\.[\w-]{6,}(?:\.[\w-]*)?)"
    r"|(?<=Bearer )(?=\S*\d)[\w.~+/-]{12,}=*"
)
_MIXED = re.compile(r"(?=[^/]*[a-z])(?=[^/]*[A-Z])(?=[^/]*\d)[\w+]{17,}=*(/|$)")
_WORD = re.compile(r"[A-Z]?[a-z]*[A-Z]?|[A-Z]+")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_remembered: set[str] = set()


class Secrets:
    """Removes some values from texts. A text of 4 KB without a secret takes a few microseconds."""

    def __init__(self, values: Iterable[str]) -> None:
        values = sorted(filter(is_secret, set(values)), key=len, reverse=True)
        forms = sorted({form for value in values for form in _forms(value)}, key=len, reverse=True)
        self._heads = [(form[: _telling(form)], form) for form in forms]
        self._tails = [(value[-_telling(value[::-1]) :], value) for value in values]

    def without(self, text: str) -> str:
        """The text with `***` in place of each secret or part of one."""
        for head, form in self._heads:
            if head in text:
                text = _masked(text, head, form)
        for tail, form in self._tails:
            if tail in text:
                text = _masked(text[::-1], tail[::-1], form[::-1])[::-1]
        return text


def _masked(text: str, head: str, form: str) -> str:
    """The text with `***` wherever `form` begins, for as many of its characters as follow."""
    parts, done = list[str](), 0
    while (place := text.find(head, done)) >= 0:
        pairs = zip(form, text[place : place + len(form)], strict=False)
        length = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
        parts += [text[done:place], MASK]
        done = place + length
    return "".join([*parts, text[done:]])


def is_secret(value: str) -> bool:
    """Whether a value can be a secret: long enough, and not a word, a number or a placeholder."""
    if len(value) < _SHORTEST or len(set(value)) < _FEWEST_CHARACTERS:
        return False
    return len(value) >= _LONGEST_WORD or not (_WORD.fullmatch(value) or re.fullmatch(r"[\W\d_]+", value))


def _telling(form: str) -> int:
    """How many leading characters identify a secret: 8, or more where ordinary text may contain these."""
    return next((length for length in range(_SHORTEST, len(form)) if _is_telling(form[:length])), len(form))


def _is_telling(piece: str) -> bool:
    """Whether a piece identifies a secret: not a number, not a few repeated characters, and 16 characters if it looks
    like a word with a hyphen (`correct-…`).
    """
    if len(set(piece)) < _FEWEST_CHARACTERS or not any(map(str.isalpha, piece)):
        return False
    return len(piece) >= _LONGEST_WORD or _WORD.fullmatch(piece.strip("-_.:/ ")) is None


def _forms(value: str) -> set[str]:
    """The forms of a value in text: plain, in JSON, in a URL, and in base64 at any offset of the encoded text."""
    data = value.encode(errors="surrogatepass")
    found = {value, *(json.dumps(value, ensure_ascii=escaped)[1:-1] for escaped in (True, False))}
    found |= {quote(data, safe=""), quote(data, safe="~").lower() if "%" in quote(data) else value}
    for before in range(3):
        whole = base64.b64encode(b"\0" * before + data)
        # The first and the last characters depend on the neighbouring bytes.
        core = whole[(0, 2, 3)[before] : len(whole) - (4 if (before + len(data)) % 3 else 0)].decode()
        found |= {core, core.replace("+", "-").replace("/", "_")} if len(core) >= _SHORTEST else set()
    return found


def remember(*values: str) -> None:
    """Hide these values too from now on, if they can be secrets."""
    _remembered.update(filter(is_secret, values))


def known() -> Secrets:
    """All current secrets: the remembered values and those of the environment."""
    return _secrets(frozenset({*_remembered, *_of_environment(os.environ)}))


@lru_cache(maxsize=64)
def _secrets(values: frozenset[str]) -> Secrets:
    return Secrets(values)


def _of_environment(environment: Mapping[str, str]) -> Iterator[str]:
    for name, value in environment.items():
        if _is_key_variable(name) and is_secret(value.strip()) and not _is_path(value):
            yield value.strip()
        elif "@" in value and (found := _USER.match(value)) and is_secret(found["user"].partition(":")[2]):
            password = found["user"].partition(":")[2]
            yield from {password, unquote(password)}


def _is_path(value: str) -> bool:
    """Whether this is the path of a key file rather than a key that begins with a slash, as base64 can."""
    return value.startswith(("/", "~", "./")) and not _MIXED.search(value)


@lru_cache(maxsize=4096)
def _is_key_variable(name: str) -> bool:
    return _NAMED_LIKE_KEYS.search(name) is not None


def redacted(text: str) -> str:
    """A text for messages and reports, without secrets and without anything that looks like one."""
    text = known().without(text)
    if ":/" in text and "@" in text:
        text = _USER.sub(_without_user, text)
    if "=" in text:
        text = _PARAMETER.sub(_without_value, text)
    return _KEYS.sub(MASK, text)


def redacted_in(value: Any) -> Any:
    """A JSON value with all its texts `redacted`, field names included."""
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, Mapping):
        return {redacted_in(name): redacted_in(one) for name, one in value.items()}
    return [redacted_in(one) for one in value] if isinstance(value, list | tuple) else value


def _without_user(found: re.Match[str]) -> str:
    """Many addresses have a user (`abfs://CONTAINER@ACCOUNT`); with a password, or in an HTTP URL, it is a secret."""
    is_secret_here = ":" in unquote(found["user"]) or found["scheme"].lower() in ("http", "https")
    return f"{found['scheme']}{found['slashes']}{MASK}@" if is_secret_here else found[0]


def _without_value(found: re.Match[str]) -> str:
    return found["head"] + MASK if is_named_like_key(unquote(found["name"])) else found[0]


def is_named_like_key(name: str) -> bool:
    """Whether a query parameter of this name holds a key: `api-key`, `X-Amz-Signature`, `sig`, `token`, `code`."""
    return _FIELD.search(name) is not None


def looks_like_key(text: str) -> bool:
    """Whether a text contains a secret of this environment or a key in a well-known format."""
    return known().without(text) != text or _KEYS.search(text) is not None


def holds_credentials(address: str) -> bool:
    """Whether a text, such as the address of a file or a cluster, contains a password or a key."""
    return redacted(address) != address


def keys_in(value: Any, name: str = "") -> Iterator[str]:
    """The names of the fields of a JSON value that hold a key, at any depth. A text that looks like a key counts
    whatever the name of its field.
    """
    if isinstance(value, Mapping):
        yield from chain.from_iterable(keys_in(one, str(field)) for field, one in value.items())
    elif isinstance(value, list | tuple):
        yield from chain.from_iterable(keys_in(one, name) for one in value)
    elif isinstance(value, str) and value and (_is_body_key(name) or looks_like_key(value)):
        yield name if not looks_like_key(name) else MASK


def _is_body_key(name: str) -> bool:
    """Stricter than `is_named_like_key`: bodies have fields named token or key that are no secrets
    (`prompt_cache_key`).
    """
    plain = re.sub(r"[^a-z]", "", name.lower())
    return plain in _BODY_FIELDS or plain.endswith(_BODY_ENDS)


def is_variable(name: str) -> bool:
    """Whether a text is the name of an environment variable rather than a key: it is set, or looks like a name.

    A name that is not set must be in capitals or end in a word such as `key`, and no part of it may be as long or as
    mixed as parts of keys are.
    """
    if not _NAME.fullmatch(name):
        return False
    if name in os.environ:
        return True
    parts = name.split("_")
    odd = any(len(part) > 16 or (len(part) > 11 and not part.isalpha()) for part in parts)
    return not odd and (name.isupper() or _is_key_variable(name)) and not _KEYS.search(name)


def without_secret_causes(error: BaseException) -> None:
    """Remove the causes of an error that contain a secret, because tracebacks print them."""
    link = error
    while (cause := link.__cause__ or link.__context__) is not None:
        if redacted(f"{cause} {cause!r}") != f"{cause} {cause!r}":
            link.__cause__ = link.__context__ = None
            return
        link = cause


def without_keys(environment: Mapping[str, str], but: tuple[str, ...] = ()) -> dict[str, str]:
    """The environment for a child process, without keys except in variables whose names begin with one of `but`."""
    return {name: value for name, value in environment.items() if name.startswith(but) or not _is_key_variable(name)}

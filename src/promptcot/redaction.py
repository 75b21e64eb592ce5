"""Secrets: which values are some, how a text is freed of them, and where none may be written.

What is secret: the values of environment variables that are named like keys, passwords in addresses there, and what
`remember` was told (the key of a server, the key of a run's own servers). A secret is found whole, cut at either end,
percent-encoded, in base64 and as JSON has it. `redacted` also hides what looks like a key to anybody: passwords in
URLs, query parameters named like keys, keys of well-known forms. Text that is data (a model's reply) is freed of known
secrets only, by `Secrets`; a reply may have a URL in it.

A value is no secret if it is short, a single word or a number (`EMPTY`, `none`, `12345678`): such a key protects
nothing, and to hide it would tear holes into texts.
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
_BODY_ENDS: tuple[str, ...] = (
    "apikey",
    "secret",
    "password",
    "passwd",
    "accesskey",
    "secretkey",
    "subscriptionkey",
    "accesstoken",
)
_BODY_ENDS += ("authtoken", "apitoken", "bearertoken")

# A password may have slashes in it, and a path an `@`: `HOST:8000/team@work` names no user.
_USER = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)(?P<slashes>:/{1,3})(?!/|NAME:PASSWORD@)"
    r"(?P<user>[^\s/?#:\['\"<>]*:(?!\d*/)[^\s?#'\"<>]+|[^\s/?#'\"<>]+)@",
    re.IGNORECASE,
)
_PARAMETER = re.compile(r"(?P<head>[?&#;](?P<name>[\w.%-]+)=)(?P<value>[^\s&#;'\"<>\\]+)")
_KEYS = re.compile(
    r"(?<![A-Za-z0-9])(?:sk-[\w-]{12,}|[rsp]k_(?:live|test)_\w{6,}|hf_[A-Za-z0-9]{16,}|gh[pousr]_[A-Za-z0-9]{20,}"
    r"|github_pat_\w{20,}|glpat-[\w-]{16,}|A[KS]IA[0-9A-Z]{12,}|AIza[\w-]{20,}|xox[abeprs]-[\w-]{10,}|gsk_\w{16,}"
    r"|nvapi-[\w-]{16,}|pplx-\w{16,}|r8_\w{16,}|eyJ[\w-]{6,}\.[\w-]{6,}(?:\.[\w-]*)?)"
    r"|(?<=Bearer )[\w.~+/-]{12,}=*"
)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_remembered: set[str] = set()


class Secrets:
    """Some values, and a text without them. Finding none in a text of 4 KB takes some microseconds."""

    def __init__(self, values: Iterable[str]) -> None:
        values = sorted(filter(is_secret, set(values)), key=len, reverse=True)
        forms = sorted({form for value in values for form in _forms(value)}, key=len, reverse=True)
        self._heads = [(form[: _telling(form)], form) for form in forms]
        self._tails = [(value[-_telling(value[::-1]) :], value) for value in values]

    def without(self, text: str) -> str:
        """The text with `***` for what it has of the secrets."""
        for head, form in self._heads:
            if head in text:
                text = _masked(text, head, form)
        for tail, form in self._tails:
            if tail in text:
                text = _masked(text[::-1], tail[::-1], form[::-1])[::-1]
        return text


def _masked(text: str, head: str, form: str) -> str:
    """The text with `***` wherever `form` begins, for as much as there is of it."""
    parts, done = list[str](), 0
    while (place := text.find(head, done)) >= 0:
        pairs = zip(form, text[place : place + len(form)], strict=False)
        length = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
        parts += [text[done:place], MASK]
        done = place + length
    return "".join([*parts, text[done:]])


def is_secret(value: str) -> bool:
    """Whether a value can be one: long enough, and neither a word nor a number."""
    return len(value) >= _SHORTEST and (len(value) >= _LONGEST_WORD or not _is_plain(value))


def _is_plain(text: str) -> bool:
    return re.fullmatch(r"[A-Z]?[a-z]*|[A-Z]+|[\W\d_]+", text) is not None


def _telling(form: str) -> int:
    """How many characters of its beginning give a secret away: 8, but more where they are a word or a number."""
    lengths = range(min(_SHORTEST, len(form)), min(_LONGEST_WORD, len(form)))
    return next((length for length in lengths if not _is_plain(form[:length])), min(_LONGEST_WORD, len(form)))


def _forms(value: str) -> set[str]:
    """How a value is repeated: as it is, in JSON, in a URL, in base64 wherever it begins in what was encoded."""
    data = value.encode(errors="surrogatepass")
    found = {value, *(json.dumps(value, ensure_ascii=escaped)[1:-1] for escaped in (True, False))}
    found |= {quote(data, safe=""), quote(data, safe="~").lower() if "%" in quote(data) else value}
    for before in range(3):
        whole = base64.b64encode(b"\0" * before + data)
        # The first and the last characters depend on what stands beside it.
        core = whole[(0, 2, 3)[before] : len(whole) - (4 if (before + len(data)) % 3 else 0)].decode()
        found |= {core, core.replace("+", "-").replace("/", "_")} if len(core) >= _SHORTEST else set()
    return found


def remember(*values: str) -> None:
    """From now on hide these values too, if they can be secrets."""
    _remembered.update(filter(is_secret, values))


def known() -> Secrets:
    """All that is secret here and now: what was remembered, and what the environment holds."""
    return _secrets(frozenset({*_remembered, *_of_environment(os.environ)}))


@lru_cache(maxsize=64)
def _secrets(values: frozenset[str]) -> Secrets:
    return Secrets(values)


def _of_environment(environment: Mapping[str, str]) -> Iterator[str]:
    for name, value in environment.items():
        if _is_key_variable(name) and not value.startswith(("/", "~", "./")) and is_secret(value.strip()):
            yield value.strip()
        elif "@" in value and (found := _USER.match(value)) and is_secret(found["user"].partition(":")[2]):
            password = found["user"].partition(":")[2]
            yield from {password, unquote(password)}


@lru_cache(maxsize=4096)
def _is_key_variable(name: str) -> bool:
    return _NAMED_LIKE_KEYS.search(name) is not None


def redacted(text: str) -> str:
    """A text that somebody is shown, or that tells about a run: without secrets, and without what looks like one."""
    text = known().without(text)
    if ":/" in text and "@" in text:
        text = _USER.sub(_without_user, text)
    if "=" in text:
        text = _PARAMETER.sub(_without_value, text)
    return _KEYS.sub(MASK, text)


def redacted_in(value: Any) -> Any:
    """A JSON value with `redacted` texts, names of fields included."""
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, Mapping):
        return {redacted_in(name): redacted_in(one) for name, one in value.items()}
    return [redacted_in(one) for one in value] if isinstance(value, list | tuple) else value


def _without_user(found: re.Match[str]) -> str:
    """A user is part of many addresses (`abfs://CONTAINER@ACCOUNT`); with a password, or on the web, it is a secret."""
    is_secret_here = ":" in unquote(found["user"]) or found["scheme"].lower() in ("http", "https")
    return f"{found['scheme']}{found['slashes']}{MASK}@" if is_secret_here else found[0]


def _without_value(found: re.Match[str]) -> str:
    return found["head"] + MASK if is_named_like_key(unquote(found["name"])) else found[0]


def is_named_like_key(name: str) -> bool:
    """Whether a query parameter of that name is a key: `api-key`, `X-Amz-Signature`, `sig`, `token`, `code`."""
    return _FIELD.search(name) is not None


def looks_like_key(text: str) -> bool:
    """Whether a text has a secret of this environment in it, or a key of a well-known form."""
    return known().without(text) != text or _KEYS.search(text) is not None


def holds_credentials(address: str) -> bool:
    """Whether the address of a file or a cluster has a password in it, or a key among its parameters."""
    return redacted(address) != address


def keys_in(value: Any, name: str = "") -> Iterator[str]:
    """The names of fields in a JSON value that hold a key, at any depth; a text that is one counts under any name."""
    if isinstance(value, Mapping):
        yield from chain.from_iterable(keys_in(one, str(field)) for field, one in value.items())
    elif isinstance(value, list | tuple):
        yield from chain.from_iterable(keys_in(one, name) for one in value)
    elif isinstance(value, str) and value and (_is_body_key(name) or looks_like_key(value)):
        yield name if not looks_like_key(name) else MASK


def _is_body_key(name: str) -> bool:
    """Stricter than `is_named_like_key`: bodies have tokens and keys that are none (`prompt_cache_key`)."""
    plain = re.sub(r"[^a-z]", "", name.lower())
    return plain in _BODY_FIELDS or plain.endswith(_BODY_ENDS)


def is_variable(name: str) -> bool:
    """Whether a text is the name of an environment variable and not a key: one that is set, or that looks like a name.

    A name that is not set yet has capitals only, or ends in a word such as `key`; and none of its parts is as long, or
    as mixed, as parts of keys are.
    """
    if not _NAME.fullmatch(name):
        return False
    if name in os.environ:
        return True
    parts = name.split("_")
    odd = any(len(part) > 16 or (len(part) > 11 and not part.isalpha()) for part in parts)
    return not odd and (name.isupper() or _is_key_variable(name)) and not _KEYS.search(name)


def without_secret_causes(error: BaseException) -> None:
    """Cut off what led to an error where a secret stands in it: tracebacks show causes too."""
    link = error
    while (cause := link.__cause__ or link.__context__) is not None:
        if redacted(f"{cause} {cause!r}") != f"{cause} {cause!r}":
            link.__cause__ = link.__context__ = None
            return
        link = cause


def environment_without_secrets() -> dict[str, str]:
    """The environment for a child that needs no key."""
    return {name: value for name, value in os.environ.items() if not _is_key_variable(name)}

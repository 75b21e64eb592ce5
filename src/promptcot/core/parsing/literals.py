"""Parses strings written as a list, a tuple or an object in Python or JSON.

Decides what such a literal is, and the content of its strings. The caller decides where one may occur. A literal is
data from a model: it is parsed token by token and never evaluated.

Of the escapes in a string, `\\\\`, `\\"`, `\\'` and `\\uXXXX` are decoded; every other backslash is kept, because
`"\\frac"` and `"\\theta"` are unescaped LaTeX, and no concept contains a form feed.
"""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import dataclass

_CLOSING = {"[": "]", "(": ")"}
# Possessive, so that no text makes a search quadratic.
_SPACE = re.compile(r"(?:\s++|(?:\#|//)[^\n]*+|/\*(?:[^*]|\*(?!/))*+\*/)*+")
_STRING = re.compile(
    r"""(?:(?P<raw>[rR]?+)(?P<quote>["'])(?P<plain>(?:(?!(?P=quote))[^\\\n]|\\.)*+)(?P=quote)
        |“(?P<double>(?:[^”\\\n]|\\.)*+)”
        |‘(?P<single>(?:[^’\\\n]|\\.)*+)’)""",
    re.VERBOSE,
)
_ESCAPE = re.compile(r"""\\(?:([\\"'])|(u[0-9A-Fa-f]{4}(?:\\u[0-9A-Fa-f]{4})*+))""")


@dataclass(frozen=True, slots=True)
class Literal:
    """The strings, or None if the text is not such a literal, and the position after the parsed text."""

    strings: list[str] | None
    end: int


def read(text: str, at: int, names: Container[str]) -> Literal:
    """The literal that opens at `at` with `[`, `(` or `{`.

    A tuple has a comma. An object has one list, under one of `names` (in lower case, with a space between words), and
    otherwise only strings.
    """
    return _object(text, at, names) if text[at] == "{" else _sequence(text, at + 1, _CLOSING[text[at]])


def read_items(text: str, at: int) -> Literal:
    """Strings with commas between them up to the end of the text, which is a tuple in Python."""
    return _sequence(text, at, "")


def after_space(text: str, at: int) -> int:
    """The position after space and comments (`# …`, `// …`, `/* … */`)."""
    space = _SPACE.match(text, at)
    return space.end() if space else at


def _sequence(text: str, at: int, close: str) -> Literal:
    """Strings from `at` up to the bracket `close`."""
    strings: list[str] = []
    comma = False
    at = after_space(text, at)
    while token := _STRING.match(text, at):
        strings.append(_value(token))
        at = after_space(text, token.end())
        if text[at : at + 1] != ",":
            break
        comma = True
        at = after_space(text, at + 1)
    complete = at == len(text) if not close else text[at : at + 1] == close
    return Literal(strings if complete and (comma or close == "]") else None, at + len(close) if complete else at)


def _object(text: str, at: int, names: Container[str]) -> Literal:
    """The list in an object, from its brace on."""
    strings: list[str] | None = None
    at = after_space(text, at + 1)
    while key := _STRING.match(text, at):
        at = after_space(text, key.end())
        if text[at : at + 1] != ":":
            return Literal(None, at)
        at = after_space(text, at + 1)
        if value := _STRING.match(text, at):
            at = value.end()
        elif text[at : at + 1] == "[" and strings is None and _name(_value(key)) in names:
            strings, at = (inner := _sequence(text, at + 1, "]")).strings, inner.end
        else:
            return Literal(None, at)
        at = after_space(text, at)
        if text[at : at + 1] != ",":
            break
        at = after_space(text, at + 1)
    return Literal(strings, at + 1) if text[at : at + 1] == "}" else Literal(None, at)


def _name(key: str) -> str:
    return " ".join(key.replace("_", " ").split()).casefold()


def _value(token: re.Match[str]) -> str:
    """The content of a string."""
    if token["raw"]:
        return token["plain"]
    return _ESCAPE.sub(_unescaped, next(text for text in token.group("plain", "double", "single") if text is not None))


def _unescaped(escape: re.Match[str]) -> str:
    """A quote or backslash, or the characters of a run of `\\uXXXX`, two of which may be one character."""
    if escape[1]:
        return escape[1]
    units = b"".join(int(digits, 16).to_bytes(2, "big") for digits in escape[2].replace("\\", "").split("u")[1:])
    return units.decode("utf-16-be", errors="surrogatepass")

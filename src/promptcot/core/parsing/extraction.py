"""Reads the reply of an annotator that was asked for the foundational concepts of a problem.

Two forms are read: a Python or JSON list of strings in a code fence (the last one, where a draft stands before it; an
assignment such as `concepts = [...]` may lead to it), or the lines after a marker line `Concepts:`, all numbered, all
bulleted or all plain. Thinking before `</think>` is skipped. Nothing is guessed: a reply that holds anything but the
wanted number of distinct concepts cannot be read.

Nothing is evaluated either. Of the escapes in a string, `\\\\`, `\\"`, `\\'` and `\\uXXXX` are decoded; every other
backslash stays, because `"\\frac"` and `"\\theta"` are LaTeX that was not escaped, and no concept holds a form feed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from promptcot.core.parsing.rationale import Unreadable
from promptcot.core.parsing.replies import split_thinking, stopped_early, without_end_tokens
from promptcot.records import STOP, FinishReason

LONGEST = 200
"""The most characters of a concept."""

_FENCE = "```"
# Possessive, so that no text makes a search quadratic.
_STRING = re.compile(r"""(?P<raw>[rR]?+)(?P<quote>["'])(?P<text>(?:(?!(?P=quote))[^\\\n]|\\.)*+)(?P=quote)""")
_SPACE = re.compile(r"\s*+")
_ASSIGNED = re.compile(r"[A-Za-z_]\w*+\s*+=\s*+(?=\[)")
_ESCAPE = re.compile(r"""\\(?:([\\"'])|(u[0-9A-Fa-f]{4}(?:\\u[0-9A-Fa-f]{4})*+))""")
_MARKER = re.compile(
    r"(?P<heading>\#{1,6}\s*+)?(?P<bold>\*\*|__)?\s*+(?:foundational\s++)?concepts\s*+(?P<colon>:?)\s*+"
    r"(?:\*\*|__)?\s*+(?P<late>:?)",
    re.IGNORECASE,
)
_NUMBERED = re.compile(r"\(?(\d{1,3})\s*+[.):]\)?\s++(\S.*)")
_BULLETED = re.compile(r"([-*+•–])\s++(\S.*)")
_UNLIKE_PLAIN = re.compile(r"[-+•–#>|<~]|\*(?!\*)|```|\(?(?:\d{1,3}|[A-Za-z])\s*+[.):]\)?(?:\s|$)")
_AROUND = ("**", "__", '"', "`")


def parse(text: str, n: int, finish_reason: FinishReason = STOP) -> tuple[str, ...] | Unreadable:
    """The `n` concepts in a reply, each on one line and without repeated space, or why there are none. Never raises.

    Reasons: `empty`, `cut off`, `stopped: WORD` (the server ended it), `unclear thinking`, `unclosed fence`, `no list`
    (neither form is there), `not a list of strings`, `unclear lines`, `wrong number`, `empty concept`, `concept too
    long`, `control character`, `repeated concept` (also in another case).
    """
    if not text.strip():
        return Unreadable("empty")
    if why := stopped_early(finish_reason):
        return Unreadable(why)
    answer = split_thinking(without_end_tokens(text))
    if answer is None:
        return Unreadable("unclear thinking")
    if not answer.text.strip():
        return Unreadable("empty")
    found = _concepts(answer.text)
    return found if isinstance(found, Unreadable) else _checked([" ".join(one.split()) for one in found], n)


def _concepts(text: str) -> Sequence[str] | Unreadable:
    fences = _fences(text)
    if fences is None:
        return Unreadable("unclosed fence")
    lists = [content for content in map(_list_in, fences) if content]
    return _strings(lists[-1]) if lists else _marked(text)


def _checked(concepts: Sequence[str], n: int) -> tuple[str, ...] | Unreadable:
    if len(concepts) != n:
        return Unreadable("wrong number")
    if not all(concepts):
        return Unreadable("empty concept")
    if any(len(concept) > LONGEST for concept in concepts):
        return Unreadable("concept too long")
    if any(unicodedata.category(letter) in ("Cc", "Cs") for concept in concepts for letter in concept):
        return Unreadable("control character")
    if len({concept.casefold() for concept in concepts}) < n:
        return Unreadable("repeated concept")
    return tuple(concepts)


def _fences(text: str) -> list[str] | None:
    """What stands in the code fences, in order, without the language; None where a fence does not close."""
    found: list[str] = []
    inside: list[str] | None = None
    for line in text.split("\n"):
        bare = line.strip()
        if inside is not None and bare == _FENCE:
            found.append("\n".join(inside))
            inside = None
        elif inside is not None:
            inside.append(line)
        elif bare.startswith(_FENCE):
            opened = re.sub(r"^`++\w*+", "", bare)
            if opened.endswith(_FENCE):
                found.append(opened.removesuffix(_FENCE))
            else:
                inside = [opened]
    return found if inside is None else None


def _list_in(fenced: str) -> str | None:
    """The list that a fence holds, without the name that it is given; None where the fence holds something else."""
    content = fenced.strip()
    if assigned := _ASSIGNED.match(content):
        content = content[assigned.end() :]
    return content if content.startswith("[") else None


def _strings(text: str) -> list[str] | Unreadable:
    """The strings of a list literal, from its opening bracket on."""
    found: list[str] = []
    at = _after_space(text, 1)
    while token := _STRING.match(text, at):
        found.append(token["text"] if token["raw"] else _decoded(token["text"]))
        at = _after_space(text, token.end())
        if text[at : at + 1] != ",":
            break
        at = _after_space(text, at + 1)
    return found if text[at:] == "]" else Unreadable("not a list of strings")


def _after_space(text: str, at: int) -> int:
    space = _SPACE.match(text, at)
    return space.end() if space else at


def _decoded(text: str) -> str:
    return _ESCAPE.sub(_unescaped, text)


def _unescaped(escape: re.Match[str]) -> str:
    """A quote or backslash, or the characters of a run of `\\uXXXX`, two of which may be one character."""
    if escape[1]:
        return escape[1]
    units = b"".join(int(digits, 16).to_bytes(2, "big") for digits in escape[2].replace("\\", "").split("u")[1:])
    return units.decode("utf-16-be", errors="surrogatepass")


def _marked(text: str) -> Sequence[str] | Unreadable:
    """The concepts after the last marker line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    marker = max((place for place, line in enumerate(lines) if _is_marker(line)), default=None)
    if marker is None or marker + 1 == len(lines):
        return Unreadable("no list")
    return _items(lines[marker + 1 :])


def _is_marker(line: str) -> bool:
    """Whether a line says `Concepts:` and nothing else; in bold or as a heading it may lack the colon."""
    match = _MARKER.fullmatch(line)
    return bool(match and (match["heading"] or match["bold"] or match["colon"] or match["late"]))


def _items(lines: Sequence[str]) -> Sequence[str] | Unreadable:
    """The items of a list of one kind: numbered from 1, with one bullet, or plain."""
    numbered = [match for line in lines if (match := _NUMBERED.fullmatch(line))]
    bulleted = [match for line in lines if (match := _BULLETED.fullmatch(line))]
    if [match[1] for match in numbered] == [str(number) for number in range(1, len(lines) + 1)]:
        items = [match[2] for match in numbered]
    elif len(bulleted) == len(lines) and len({match[1] for match in bulleted}) == 1:
        items = [match[2] for match in bulleted]
    elif not any(map(_UNLIKE_PLAIN.match, lines)):
        items = list(lines)
    else:
        return Unreadable("unclear lines")
    items = [_bare(item) for item in items]
    return Unreadable("unclear lines") if any("**" in item for item in items) else items


def _bare(item: str) -> str:
    """An item without the bold type, the quotation marks or the backticks that stand around all of it."""
    for mark in _AROUND:
        inner = item[len(mark) : -len(mark)]
        if inner and item == f"{mark}{inner}{mark}" and mark not in inner:
            item = inner.strip()
    return item

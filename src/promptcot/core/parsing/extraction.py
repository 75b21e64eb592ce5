"""Parses an annotator's list of the foundational concepts of a problem.

Three forms are accepted:

- a literal in a code fence, perhaps after an assignment such as `concepts = [...]`: a list or tuple of strings, or
  an object with one list, of `concepts`;
- such a literal without a fence, if it ends the reply, and begins a line or follows a colon or an equals sign;
- without a literal, the lines after a marker line `Concepts:`, all numbered, all bulleted or all plain.

The last literal counts, since earlier ones may be drafts. Thinking before `</think>` and tokens that end a turn are
skipped. Nothing is guessed: a reply without exactly the requested number of distinct concepts cannot be parsed.
`literals` parses the literals.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from promptcot.core.parsing import literals
from promptcot.core.parsing.blocks import Unreadable
from promptcot.core.parsing.folding import folded
from promptcot.core.parsing.lines import lines_of
from promptcot.core.parsing.own import unescaped
from promptcot.core.parsing.replies import split_thinking, stopped_early
from promptcot.records import STOP, FinishReason

LONGEST = 200
"""The most characters of a concept."""

_NAMES = ("concepts", "foundational concepts")
# Possessive or lazy, so that no text makes a search quadratic.
_FENCE = re.compile(r"(`{3,}+|~{3,}+)\w*+")
_NAMED = re.compile(
    r"""(?:[A-Za-z_]\w*+\s*+(?::\s*+[A-Za-z][\w.\[\], ]*+)?+=|(?:foundational\s++)?+concepts\s*+:)\s*+(?=[\[({"'])""",
    re.IGNORECASE,
)
_SEQUENCE = re.compile(r"""\[|\(\s*+["'“‘]""")
_ITEMS = re.compile(r"""(?:"[^"\n]*+"|'[^'\n]*+')\s*+,""")
_CONCEPTS_KEY = re.compile(r"""["'](?:foundational[\s_]++)?+concepts["']\s*+:""", re.IGNORECASE)
_ENDED = re.compile(r"\s*+;?+\s*+")
_LEADING_TO = re.compile(r"""(?:[^\n]*?[:=])??[*_`\t ]*+(?P<literal>[\[({])(?=\s*+(?:["'“‘\[({]|\#|//))""")
_AFTER_BARE = re.compile(r"[\s*_`.;]*+")
_MARKER = re.compile(
    r"(?P<heading>\#{1,6}\s*+)?(?P<bold>\*\*|__)?\s*+(?:foundational\s++)?concepts\s*+(?P<colon>:?)\s*+"
    r"(?:\*\*|__)?\s*+(?P<late>:?)",
    re.IGNORECASE,
)
_NUMBERED = re.compile(r"\(?(\d{1,3})\s*+[.):]\)?\s++(\S.*)")
_BULLETED = re.compile(r"([-*+•–])\s++(\S.*)")
_UNLIKE_PLAIN = re.compile(r"[-+•–#>|<~]|\*(?!\*)|```|\(?(?:\d{1,3}|[A-Za-z])\s*+[.):]\)?(?:\s|$)")
_BETWEEN_ITEMS = r"""(?=\W{0,40}["'“”‘’\n])\W{1,40}(?:\d{1,3}\W{1,9})?"""
_AROUND = ("**", "__", '"', "`")


def parse(text: str, n: int, finish_reason: FinishReason = STOP, prompt: str = "") -> tuple[str, ...] | Unreadable:
    """The `n` concepts in a reply, each on one line without repeated space, or why it cannot be parsed. Never raises.

    `prompt` is the request with the problem: a list that is in it is not the annotator's.

    Reasons: `cut off`, `stopped: WORD` (by the server), `empty`, `unclear thinking`, `unclosed fence`, `no list`
    (none of the forms), `not a list of strings`, `unclear lines`, `wrong number`, `empty concept`, `concept
    too long`, `control character`, `repeated concept` (also in another case), `repeated from the prompt`.
    """
    if why := stopped_early(finish_reason):
        return Unreadable(why)
    answer = split_thinking(text)
    if answer is None:
        return Unreadable("unclear thinking")
    if not answer.text.strip():
        return Unreadable("empty")
    concepts = _concepts(answer.text)
    if isinstance(concepts, Unreadable):
        return concepts
    checked = _checked([" ".join(one.split()) for one in concepts], n)
    if isinstance(checked, Unreadable) or not _listed(checked, prompt):
        return checked
    return Unreadable("repeated from the prompt")


def _listed(concepts: Sequence[str], prompt: str) -> bool:
    """Whether a prompt lists these concepts, in this order: in quotation marks, one a line, or numbered."""
    items = [r"\W{1,9}".join(map(re.escape, re.findall(r"\w+", folded(concept)))) for concept in concepts]
    pattern = _BETWEEN_ITEMS.join(items)
    pattern = pattern if len(items) > 1 else rf"""[\["'“‘]{pattern}["'”’]\s{{0,9}}\]"""
    return all(items) and any(re.search(pattern, folded(form)) for form in (prompt, unescaped(prompt)))


def _concepts(text: str) -> Sequence[str] | Unreadable:
    parts = _parts(text)
    if parts is None:
        return Unreadable("unclosed fence")
    fences, tail = parts
    bare = _bare(tail)
    if bare is not None and not isinstance(bare, Unreadable):
        return bare
    if fenced := [found for found in map(_fenced, fences) if found is not None]:
        return fenced[-1]
    marked = _marked(text)
    return bare if bare is not None and marked == Unreadable("no list") else marked


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


def _parts(text: str) -> tuple[list[str], str] | None:
    """The contents of the code fences, in order, without the language, and the text after them.

    None if a fence does not close. A fence closes with its own mark, at the end of a line.
    """
    fences: list[str] = []
    inside: list[str] = []
    tail: list[str] = []
    mark = ""
    for line in lines_of(text):
        bare = line.strip()
        if not mark:
            opening = _FENCE.match(bare)
            if opening is None:
                tail.append(line)
                continue
            mark, inside, tail = opening[1], [], []
            bare = bare[opening.end() :]
        if bare.endswith(mark):
            fences.append("\n".join([*inside, bare.rstrip(mark[0])]))
            mark = ""
        else:
            inside.append(bare)
    return None if mark else (fences, "\n".join(tail))


def _fenced(content: str) -> list[str] | Unreadable | None:
    """The strings of the literal in a fence; None if the fence has another content."""
    at = literals.after_space(content, 0)
    if named := _NAMED.match(content, at):
        at = literals.after_space(content, named.end())
    if _SEQUENCE.match(content, at) or (content[at : at + 1] == "{" and _CONCEPTS_KEY.search(content, at)):
        literal = literals.read(content, at, _NAMES)
    elif _ITEMS.match(content, at):
        literal = literals.read_items(content, at)
    else:
        return None
    ended = literals.after_space(content, _after(_ENDED, content, literal.end)) == len(content)
    return literal.strings if literal.strings is not None and ended else Unreadable("not a list of strings")


def _bare(text: str) -> list[str] | Unreadable | None:
    """The strings of the literal at the end of a text without fences.

    None if no literal ends it; Unreadable if the last text that looks like a literal is not one.
    """
    last: literals.Literal | None = None
    at = 0
    while at < len(text):
        if match := _LEADING_TO.match(text, at):
            last = literals.read(text, match.start("literal"), _NAMES)
            at = last.end if last.strings is not None else _find(text, "\n\n", last.end)
        at = _find(text, "\n", at) + 1
    if last is None:
        return None
    if last.strings is None:
        return Unreadable("not a list of strings")
    return last.strings if _after(_AFTER_BARE, text, last.end) == len(text) else None


def _find(text: str, what: str, start: int) -> int:
    """The next position of `what`; the end of the text if there is none."""
    place = text.find(what, start)
    return len(text) if place < 0 else place


def _after(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    return match.end() if match else at


def _marked(text: str) -> Sequence[str] | Unreadable:
    """The concepts after the last marker line."""
    lines = [line.strip() for line in lines_of(text) if line.strip()]
    marker = max((place for place, line in enumerate(lines) if _is_marker(line)), default=None)
    if marker is None or marker + 1 == len(lines):
        return Unreadable("no list")
    return _items(lines[marker + 1 :])


def _is_marker(line: str) -> bool:
    """Whether a line is `Concepts:`; in bold or as a heading it may lack the colon."""
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
    items = [_bare_item(item) for item in items]
    return Unreadable("unclear lines") if any("**" in item for item in items) else items


def _bare_item(item: str) -> str:
    """An item without surrounding bold type, quotation marks or backticks."""
    for mark in _AROUND:
        inner = item[len(mark) : -len(mark)]
        if inner and item == f"{mark}{inner}{mark}" and mark not in inner:
            item = inner.strip()
    return item

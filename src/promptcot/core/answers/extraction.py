r"""Which part of a completion is its answer.

Only what follows the last `</think>` counts; a trace that opens a thought and never closes it has no answer. Of the
rest, the last `\boxed` counts, found by a scanner that pairs braces in one pass. Boxes joined by nothing but commas,
"and" or "or" are one list. A last box that is empty or never closed is no answer: credit does not fall back to an
earlier one. Whether the answer is right is not decided here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Method = Literal["boxed", "unboxed", "unclosed thought", "no box", "unclosed box", "empty box", "nothing"]

_TOKEN = re.compile(r"(\\(?:boxed|fbox)(?![a-zA-Z]))\s*(\{)?|\\\\(?!boxed|fbox)|\\[{}]|[{}]")
_BARE = re.compile(r"(?:(?!\\[)\]])[^\s$])+")
_JOINT = re.compile(
    r"(?:[\s,，、$;；]|\\[,;:! ()\[\]]|\\q?quad(?![a-zA-Z])|\\(?:text|textrm|mathrm|mbox)\{\s*(?:,|and|or)*\s*\}"
    r"|(?<![a-zA-Z])(?:and|or)(?![a-zA-Z])|或者?|和|以及|[a-zA-Z]\w*\s*=(?=\s*$))*"
)
_MARKER = re.compile(
    r"(?:answer|result)\s*(?:(?:is|:|=|：|\*\*:?)\s*)+|(?:答案|结果|答)\s*(?:是|为|：|:|\*\*)*\s*(?![\w\s]*[案是])|(?m:^####(?!#)\s*)",
    re.IGNORECASE,
)
_CHAT = re.compile(r"<\|[^|>]*\|>.*|I hope it is correct.*", re.DOTALL)
_MATH = re.compile(r"\$\$(.+?)\$\$|(?<!\\)\$((?:\\.|[^$\\])+)\$|\\\((.+?)\\\)|\\\[(.+?)\\\]|\*\*(.+?)\*\*", re.DOTALL)
_NUMBER = re.compile(
    r"(?<![\w.,])[-+]?[$€£]?(?:\d+\s*/\s*\d+|\d[\d,]*(?:\.\d+)?|\.\d+)(?:\s*(?:\\?%|percent\b|pct\b))?(?!\d)"
)
_TAIL = 4000  # characters in which a final line without a box is looked for
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z])|\n\s*\n")
_MATHEMATICAL = re.compile(r"[-+\d\\({\[|]")
_REASON = re.compile(r"(?<=[\w})$])[,;]?\s+(?:because|since|as|which|where|so that|due to)\b[^\d$\\]*$")
_AROUND = " \t\r\n`"
_WORD = re.compile(r"(?<![\\a-zA-Z])[a-zA-Z]{2,}")


@dataclass(frozen=True)
class Extracted:
    """The answer, or None and why there is none: `method` says how it was found or what was missing."""

    answer: str | None
    method: Method


@dataclass(frozen=True)
class _Box:
    start: int
    end: int
    content: str | None  # None: never closed


def extract(completion: str, *, unboxed: bool = False) -> Extracted:
    """The answer of `completion`; with `unboxed`, a final line without a box will do. Takes time linear in its length.

    >>> extract(r"<think>\\boxed{1}</think> So it is \\boxed{2}.")
    Extracted(answer='2', method='boxed')
    """
    text = _after_thought(completion)
    if text is None:
        return Extracted(None, "unclosed thought")
    boxes = _boxes(text)
    if boxes:
        return _from_boxes(text, boxes)
    if not unboxed:
        return Extracted(None, "no box")
    answer = _final_line(text)
    return Extracted(answer, "unboxed") if answer else Extracted(None, "nothing")


def _after_thought(completion: str) -> str | None:
    text = completion.rpartition("</think>")[2]
    return None if "<think>" in text else text


def _boxes(text: str) -> list[_Box]:
    """The outermost boxes in the order of their starts; of those inside a box that never closes, all."""
    found: list[_Box] = []
    open_braces: list[int | None] = []  # where the box of each open brace starts; None: a brace of something else
    starts: list[int] = []
    bare_until = 0
    for token in _TOKEN.finditer(text):
        if token[1]:
            starts.append(len(open_braces))
            if token[2]:
                open_braces.append(token.start())
            elif token.start() >= bare_until and (bare := _BARE.match(text, token.end())):
                bare_until = bare.end()
                found.append(_Box(token.start(), bare_until, bare[0].rstrip(".,;:")))
            else:
                found.append(_Box(token.start(), token.end(), ""))
        elif token[0] == "{":
            open_braces.append(None)
        elif token[0] == "}" and open_braces:
            start = open_braces.pop()
            if start is not None:
                found.append(_Box(start, token.end(), text[text.index("{", start) + 1 : token.start()]))
    found += [_Box(start, len(text), None) for start in open_braces if start is not None]
    return _outermost(sorted(found, key=lambda box: box.start))


def _outermost(boxes: list[_Box]) -> list[_Box]:
    kept: list[_Box] = []
    until = 0
    for box in boxes:
        if box.start >= until:
            kept.append(box)
            until = box.end if box.content is not None else until
    return kept


def _from_boxes(text: str, boxes: list[_Box]) -> Extracted:
    last = boxes[-1]
    if last.content is None:
        return Extracted(None, "unclosed box")
    if not last.content.strip():
        return Extracted(None, "empty box")
    joined = [last.content]
    for earlier, later in zip(boxes[-2::-1], boxes[:0:-1], strict=False):
        if not earlier.content or not _JOINT.fullmatch(text, earlier.end, later.start):
            break
        joined.append(earlier.content)
    return Extracted(", ".join(part.strip() for part in reversed(joined)), "boxed")


def _final_line(text: str) -> str | None:
    """What an answer phrase announces, else the last line; of prose only its last formula or number."""
    text = _CHAT.sub("", text[-_TAIL:]).strip()
    markers = list(_MARKER.finditer(text))
    announced = _within_emphasis(text[markers[-1].end() :].strip()) if markers else ""
    if found := _last_value(_SENTENCE.split(announced, maxsplit=1)[0]):
        return found
    lines = [line.strip() for line in text.splitlines() if line.strip(" *-_#")]
    if not lines:
        return None
    if found := _last_value(lines[-1]):
        return found
    formulas = _MATH.findall(text)
    return "".join(formulas[-1]) if formulas else None


def _within_emphasis(text: str) -> str:
    """What stands before the end of an emphasis that began before the text, as in **Answer: 12**."""
    return text.partition("**")[0] if text.count("**") % 2 and not text.startswith("**") else text


def _last_value(line: str) -> str | None:
    """The line itself if it is mathematics or a few words, else the last formula or number in it; None without any."""
    line = _REASON.sub("", line.strip(_AROUND).rstrip("。").strip(_AROUND))
    formulas = list(_MATH.finditer(line))
    numbers = [found for found in _NUMBER.finditer(line) if not any(_overlap(found, formula) for formula in formulas)]
    if not formulas and not line.startswith((r"\]", "$$")) and (_MATHEMATICAL.match(line) or not _WORD.search(line)):
        return line or None
    if formulas and (not numbers or numbers[-1].end() < formulas[-1].start()):
        return _with_percent(line, "".join(group or "" for group in formulas[-1].groups()))
    if numbers:
        return numbers[-1][0].strip(" ,")
    return line if line and len(line) < 60 and not line.startswith((r"\]", "$$")) else None


def _overlap(one: re.Match[str], other: re.Match[str]) -> bool:
    return one.start() < other.end() and other.start() < one.end()


def _with_percent(line: str, formula: str) -> str:
    percent = re.search(re.escape(formula) + r"\s*\${0,2}\s*(?:%|percent|pct)", line)
    return f"{formula}\\%" if percent and "%" not in formula else formula

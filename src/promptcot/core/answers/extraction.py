r"""Finds the answer of a completion.

Only what follows the last `</think>` counts; a trace that opens a thought and never closes it has no answer. Of the
rest, the last `\boxed` counts, found by a scanner that pairs braces in one pass. Boxes joined by nothing but commas,
"and" or "or" are one list. A last box that is empty or never closed is no answer: an earlier box does not count
instead. `final_line` reads a completion without a box. Grading happens elsewhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from promptcot.core.answers.final_line import final_line
from promptcot.core.parsing.traces import after_thought

_TOKEN = re.compile(r"(\\(?:boxed|fbox)(?![a-zA-Z]))\s*(\{)?|\\\\(?!boxed|fbox)|\\[{}]|[{}]")
_NAMES = ("\\boxed", "\\fbox")
_BARE = re.compile(r"(?:(?!\\[)\]])[^\s$])+")
_TEXTS = r"\\(?:text|textrm|mathrm|mbox)"
_JOINT = re.compile(
    r"(?:[\s,，、$;；&]|\\[,;:! ()\[\]]|\\q?quad(?![a-zA-Z])|或者?|和|以及|与|及|\([a-e]\)|[a-zA-Z]\w*\s*=(?=\s*$)"
    rf"|{_TEXTS}\{{[^{{}}.]{{0,40}}(?:,|\band|\bor)\s*\}}|{_TEXTS}\{{\s*\}}"
    r"|(?<![^\W\d_])(?:and|or|et|ou|und|oder|y|o|и|или)(?![^\W\d_]))*"
    r"|[\s$]*[^\W\d_][\w\s()$]{0,40}\s(?:and|or)[\s$]+"
)


@dataclass(frozen=True)
class Extracted:
    """The answer, or None; `method` says how it was found, or why there is none.

    `method` is "boxed", "unboxed", "unclosed thought", "no box", "unclosed box", "empty box" or "nothing"; a custom
    verifier gives "own", "no answer", "timeout" or "crash".
    """

    answer: str | None
    method: str

    @property
    def lost(self) -> bool:
        """Whether the verifier failed on the reply, so that it is unknown if there is an answer."""
        return self.method in ("timeout", "crash")


@dataclass(frozen=True)
class _Box:
    start: int
    end: int
    content: str | None  # None: never closed


def extract(completion: str, *, unboxed: bool = False) -> Extracted:
    """The answer of `completion`; `unboxed` also accepts a final line without a box. Takes linear time.

    >>> extract(r"<think>\\boxed{1}</think> So it is \\boxed{2}.")
    Extracted(answer='2', method='boxed')
    """
    text = after_thought(completion)
    if text is None:
        return Extracted(None, "unclosed thought")
    boxes = _boxes(text)
    if boxes:
        return _from_boxes(text, boxes)
    if not unboxed:
        return Extracted(None, "no box")
    answer = final_line(text)
    return Extracted(answer, "unboxed") if answer else Extracted(None, "nothing")


def _boxes(text: str) -> list[_Box]:
    """The outermost boxes in the order of their starts. Boxes inside a box that never closes count as outermost."""
    boxes: list[_Box] = []
    open_braces: list[int | None] = []  # for each open brace, where its box starts; None: not the brace of a box
    starts: list[int] = []
    bare_until = 0
    first = min((place for name in _NAMES if (place := text.find(name)) >= 0), default=len(text))
    for token in _TOKEN.finditer(text, first):  # braces before the first box do not matter
        if token[1]:
            starts.append(len(open_braces))
            if token[2]:
                open_braces.append(token.start())
            elif token.start() >= bare_until and (bare := _BARE.match(text, token.end())):
                bare_until = bare.end()
                boxes.append(_Box(token.start(), bare_until, bare[0].rstrip(".,;:")))
            else:
                boxes.append(_Box(token.start(), token.end(), ""))
        elif token[0] == "{":
            open_braces.append(None)
        elif token[0] == "}" and open_braces:
            start = open_braces.pop()
            if start is not None:
                boxes.append(_Box(start, token.end(), text[text.index("{", start) + 1 : token.start()]))
    boxes += [_Box(start, len(text), None) for start in open_braces if start is not None]
    return _outermost(sorted(boxes, key=lambda box: box.start))


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

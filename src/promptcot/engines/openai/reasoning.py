"""Normalizes the position of a model's thinking: once, before the answer, as `<think>…</think>`.

Servers return thinking in a separate field, inside the text between the model's own tags, or both. Decides what is
thinking at the start of a text and what is answer; a tag later in the text is part of the answer and stays. Text that
is well formed or ambiguous (a block closed twice, or opened again inside) is unchanged: `core.parsing` judges it. The
function is idempotent.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from promptcot.core.parsing.traces import CLOSE, OPEN


class _Marks:
    """A pair of tags around a model's thinking."""

    def __init__(self, opening: str, closing: str) -> None:
        self.opening, self.closing = opening, closing
        first, last = re.escape(opening), re.escape(closing)
        self.any = re.compile(f"{first}|{last}")
        self.opened = re.compile(rf"\s*{first}")
        self.opened_again = re.compile(rf"\s*(?:{first}\s*){{2,}}")


_OURS = _Marks(OPEN, CLOSE)
# Other tags that models write at the start of a reply.
_THEIRS = (
    _Marks("[THINK]", "[/THINK]"),  # Magistral
    _Marks("◁think▷", "◁/think▷"),  # Kimi
    _Marks("<thinking>", "</thinking>"),
    _Marks("<thought>", "</thought>"),  # Gemini
    _Marks("<reasoning>", "</reasoning>"),
    _Marks("<seed:think>", "</seed:think>"),  # Seed
    _Marks("<|START_THINKING|>", "<|END_THINKING|>"),  # Command
    _Marks("<|begin_of_thought|>", "<|end_of_thought|>"),  # Sky-T1
    _Marks("<unused94>thought", "<unused95>"),  # MedGemma
)
_ANSWER = re.compile(
    r"\s*<\|(?:START_RESPONSE|begin_of_solution)\|>(.*?)(?:<\|(?:END_RESPONSE|end_of_solution)\|>\s*)?", re.DOTALL
)
_MARKED = re.compile(r"\s*(?:[<\[◁]|analysis)")
# gpt-oss: `<|channel|>analysis<|message|>…<|end|><|start|>assistant<|channel|>final<|message|>…`
_HARMONY = re.compile(r"\s*(?:<\|start\|>\s*assistant\s*)?<\|channel\|>")
_ANALYSIS = "<|channel|>analysis<|message|>"
# The next channel of a reply whose first channel was opened by the prompt.
_NEXT = re.compile(r"<\|end\|>\s*<\|start\|>\s*assistant\s*<\|channel\|>")
_CHANNEL = re.compile(
    r"<\|channel\|>([^<]*)(?:<\|constrain\|>[^<]*)?<\|message\|>(.*?)(?=<\|(?:end|return|call|start|channel)\|>|\Z)",
    re.DOTALL,
)
# The same if the server has removed the special tokens.
_HARMONY_BARE = re.compile(r"analysis(?=\S)(.*?)assistantfinal(.*)", re.DOTALL)


def together(reasoning: str, text: str) -> str:
    """The text of a reply with its thinking in front, which came in `reasoning`, in the text, or in both."""
    if _begins_within_channel(text):
        text = f"{_ANALYSIS}{text}"
    if _MARKED.match(text):
        text = _tidied(_in_our_marks(text))
    reasoning = _without_marks(reasoning) if reasoning else ""
    if not reasoning:
        return text
    within, answer = _split(text)
    if within is None and (parts := _opened_by_prompt(reasoning, text)) is not None:
        within, answer = parts
    if within is not None:
        return _tidied(_joined(_merged(reasoning, within.strip()), answer.lstrip()))
    if opened := _OURS.opened.match(text):  # and never closed
        return f"{OPEN}\n{_merged(reasoning, text[opened.end() :].strip())}"
    return _tidied(_joined(reasoning, text))


def _opened_by_prompt(reasoning: str, text: str) -> tuple[str, str] | None:
    """Thinking and answer of a text that begins inside the thinking and repeats it; otherwise its tag is part of the
    text.
    """
    if text.count(CLOSE) != 1 or OPEN in text:
        return None
    before, _, answer = text.partition(CLOSE)
    a, b = "".join(reasoning.split()), "".join(before.split())
    return (before, answer) if a.endswith(b) or b.startswith(a) or b.endswith(a) else None


def _begins_within_channel(text: str) -> bool:
    """Whether the prompt has opened the first channel of this reply."""
    return "<|end|>" in text and not (_HARMONY.match(text) or _OURS.any.search(text)) and bool(_NEXT.search(text))


def _joined(thinking: str, answer: str) -> str:
    return f"{OPEN}\n{thinking.strip()}\n{CLOSE}\n\n{answer}"


def _merged(one: str, other: str) -> str:
    """Both texts, or the longer one if it contains the other."""
    a, b = "".join(one.split()), "".join(other.split())
    if b in a:
        return one
    return other if a in b else f"{one}\n\n{other}"


def _without_marks(reasoning: str) -> str:
    """Separate thinking, without tags around it or in it: its end is known without them."""
    return _OURS.any.sub("\n", _in_our_marks(reasoning)).strip()


def _in_our_marks(text: str) -> str:
    """The text, with the tags around its thinking replaced by ours."""
    start = text.lstrip()
    if _HARMONY.match(start):
        return _harmony(start)
    if start.startswith("analysis") and (match := _HARMONY_BARE.fullmatch(start)):
        return _joined(match[1], match[2])
    for marks in _THEIRS:
        if start.startswith(marks.opening):
            blocks, answer = _blocks(start, marks)
            if blocks:
                return _joined(_all(blocks, marks), _bare(answer))
            opened = marks.opened_again.match(start) or marks.opened.match(start)
            return f"{OPEN}\n{start[opened.end() if opened else 0 :].lstrip()}"
    return text


def _bare(answer: str) -> str:
    """An answer without leftover tags of its thinking."""
    match = _ANSWER.fullmatch(answer)
    return (match[1] if match else answer).lstrip()


def _harmony(text: str) -> str:
    """The text of a model with channels: `final` is the answer, everything before is thinking."""
    said = [(name.split()[0] if name.split() else "", words) for name, words in _CHANNEL.findall(text)]
    answer = "".join(words for name, words in said if name == "final")
    thinking = "\n\n".join(words.strip() for name, words in said if name != "final" and words.strip())
    if any(name == "final" for name, _ in said):
        return _joined(thinking, answer) if thinking else answer
    return f"{OPEN}\n{thinking}" if thinking else text


def _tidied(text: str) -> str:
    """The text with one block of thinking at its start, if it has several, or nested ones."""
    blocks, rest = _blocks(text, _OURS)
    if not blocks:
        return _opened_once(text)
    if len(blocks) == 1 and not _OURS.any.search(blocks[0]) and not _OURS.opened_again.match(text):
        return text
    return _joined(_all(blocks, _OURS), rest.lstrip())


def _blocks(text: str, marks: _Marks) -> tuple[list[str], str]:
    """The blocks of thinking at the start of a text, and the rest after the last."""
    blocks: list[str] = []
    while (block := _split(text, marks))[0] is not None:
        blocks.append(block[0])
        text = block[1]
    return blocks, text


def _all(blocks: Sequence[str], marks: _Marks) -> str:
    """The thinking of several blocks, without the tags in them."""
    thinking = ""
    for block in blocks:
        thinking = _merged(thinking, marks.any.sub("\n", block).strip())
    return thinking


def _split(text: str, marks: _Marks = _OURS) -> tuple[str | None, str]:
    """The thinking at the start of a text and the rest; None if there is none, or if its end is uncertain."""
    start, opened = 0, 0
    while match := marks.opened.match(text, start):
        start, opened = match.end(), opened + 1
    if not opened:
        return None, text
    end = _end_of_block(text, start, opened, marks)
    if end is None and opened > 1:
        end = _end_of_block(text, start, 1, marks)
    return (text[start : end.start()], text[end.end() :]) if end else (None, text)


def _end_of_block(text: str, start: int, opened: int, marks: _Marks) -> re.Match[str] | None:
    """The tag that closes all blocks open at `start`, and all that are opened in them."""
    for mark in marks.any.finditer(text, start):
        opened += 1 if mark[0] == marks.opening else -1
        if not opened:
            return mark
    return None


def _opened_once(text: str) -> str:
    """Unfinished thinking, opened once if it was opened several times in a row."""
    match = _OURS.opened_again.match(text)
    return f"{OPEN}\n{text[match.end() :]}" if match and CLOSE not in text else text

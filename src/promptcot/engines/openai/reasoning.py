"""Where a model's thinking stands in a reply: once, in front of the answer, as `<think>…</think>`.

Servers give it apart from the text, within it between marks of the model's own, or both. Decides what is thinking at
the start of a text and what is answer; a mark further on is one that the answer mentions, and stays. What is well
formed already, and what is in doubt (a block that is closed twice, or opened again within), is left as it is:
`core.parsing` judges it. To bring a text into this form twice is the same as to do so once.
"""

from __future__ import annotations

import re

OPEN, CLOSE = "<think>", "</think>"
# What models write instead, at the start of a reply.
_MARKS = (
    ("[THINK]", "[/THINK]"),  # Magistral
    ("◁think▷", "◁/think▷"),  # Kimi
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),  # Gemini
    ("<reasoning>", "</reasoning>"),
    ("<seed:think>", "</seed:think>"),  # Seed
    ("<|START_THINKING|>", "<|END_THINKING|>"),  # Command
    ("<|begin_of_thought|>", "<|end_of_thought|>"),  # Sky-T1
    ("<unused94>thought", "<unused95>"),  # MedGemma
)
_ANSWER = re.compile(
    r"\s*<\|(?:START_RESPONSE|begin_of_solution)\|>(.*?)(?:<\|(?:END_RESPONSE|end_of_solution)\|>\s*)?", re.DOTALL
)
_MARKED = re.compile(r"\s*(?:[<\[◁]|analysis)")
_TAG = re.compile(r"</?think>")
_OPENED = re.compile(r"\s*<think>")
_OPENED_AGAIN = re.compile(r"\s*(?:<think>\s*){2,}")
# gpt-oss: `<|channel|>analysis<|message|>…<|end|><|start|>assistant<|channel|>final<|message|>…`
_HARMONY = re.compile(r"\s*(?:<\|start\|>\s*assistant\s*)?<\|channel\|>")
_CHANNEL = re.compile(
    r"<\|channel\|>([^<]*)(?:<\|constrain\|>[^<]*)?<\|message\|>(.*?)(?=<\|(?:end|return|call|start|channel)\|>|\Z)",
    re.DOTALL,
)
# The same where the server has dropped the special tokens.
_HARMONY_BARE = re.compile(r"analysis(?=\S)(.*?)assistantfinal(.*)", re.DOTALL)


def together(reasoning: str, text: str) -> str:
    """The text of a reply with its thinking in front, which came in `reasoning`, in the text, or in both."""
    if _MARKED.match(text):
        text = _tidied(_in_our_marks(text))
    reasoning = _without_marks(reasoning) if reasoning else ""
    if not reasoning:
        return text
    within, answer = _split(text, closed_is_enough=True)
    if within is not None:
        return _tidied(_joined(_merged(reasoning, within.strip()), answer.lstrip()))
    if opened := _OPENED.match(text):  # and never closed
        return f"{OPEN}\n{_merged(reasoning, text[opened.end() :].strip())}"
    return _tidied(_joined(reasoning, text))


def _joined(thinking: str, answer: str) -> str:
    return f"{OPEN}\n{thinking.strip()}\n{CLOSE}\n\n{answer}"


def _merged(one: str, other: str) -> str:
    """Both texts, or the longer one where it holds the other."""
    a, b = "".join(one.split()), "".join(other.split())
    if b in a:
        return one
    return other if a in b else f"{one}\n\n{other}"


def _without_marks(reasoning: str) -> str:
    """Thinking that came apart, without the marks that some servers leave around it."""
    text = _in_our_marks(reasoning).strip()
    while text.startswith(OPEN):
        text = text.removeprefix(OPEN).lstrip()
    while text.endswith(CLOSE):
        text = text.removesuffix(CLOSE).rstrip()
    return text


def _in_our_marks(text: str) -> str:
    """The text, whose thinking stands between our marks if it stood between others."""
    start = text.lstrip()
    if _HARMONY.match(start):
        return _harmony(start)
    if start.startswith("analysis") and (found := _HARMONY_BARE.fullmatch(start)):
        return _joined(found[1], found[2])
    for opening, closing in _MARKS:
        if start.startswith(opening):
            thinking, closed, answer = start.removeprefix(opening).partition(closing)
            return _joined(thinking, _bare(answer)) if closed else f"{OPEN}\n{thinking.lstrip()}"
    return text


def _bare(answer: str) -> str:
    """An answer without the marks that go with those of its thinking."""
    found = _ANSWER.fullmatch(answer)
    return (found[1] if found else answer).lstrip()


def _harmony(text: str) -> str:
    """What a model said on its channels: the last word is on `final`, everything before is thinking."""
    said = [(name.split()[0] if name.split() else "", words) for name, words in _CHANNEL.findall(text)]
    answer = "".join(words for name, words in said if name == "final")
    thinking = "\n\n".join(words.strip() for name, words in said if name != "final" and words.strip())
    if any(name == "final" for name, _ in said):
        return _joined(thinking, answer) if thinking else answer
    return f"{OPEN}\n{thinking}" if thinking else text


def _tidied(text: str) -> str:
    """The text with one block of thinking at its start, where it has several, or one in another."""
    blocks: list[str] = []
    rest = text
    while (found := _split(rest))[0] is not None:
        blocks.append(found[0])
        rest = found[1]
    if not blocks:
        return _opened_once(text)
    if len(blocks) == 1 and not _TAG.search(blocks[0]) and not _OPENED_AGAIN.match(text):
        return text
    thinking = ""
    for block in blocks:
        thinking = _merged(thinking, _TAG.sub("\n", block).strip())
    return _joined(thinking, rest.lstrip())


def _split(text: str, closed_is_enough: bool = False) -> tuple[str | None, str]:
    """The thinking at the start of a text and what follows; None where there is none, or none that ends for certain.

    With `closed_is_enough` the text may be the rest of a thinking that the prompt opened.
    """
    start, opened = 0, 0
    while found := _OPENED.match(text, start):
        start, opened = found.end(), opened + 1
    if not opened:
        before, _, after = text.partition(CLOSE)
        sure = closed_is_enough and text.count(CLOSE) == 1 and OPEN not in text
        return (before, after) if sure else (None, text)
    end = _end_of_block(text, start, opened) or (_end_of_block(text, start, 1) if opened > 1 else None)
    return (text[start : end.start()], text[end.end() :]) if end else (None, text)


def _end_of_block(text: str, start: int, opened: int) -> re.Match[str] | None:
    """The tag that closes as many blocks as are open at `start`, and all that are opened in them."""
    for tag in _TAG.finditer(text, start):
        opened += 1 if tag[0] == OPEN else -1
        if not opened:
            return tag
    return None


def _opened_once(text: str) -> str:
    """A thinking that does not end, opened once where it was opened several times in a row."""
    found = _OPENED_AGAIN.match(text)
    return f"{OPEN}\n{text[found.end() :]}" if found and CLOSE not in text else text

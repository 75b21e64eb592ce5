"""Replies of judges that refuse and repeat their material, from a grammar, and of honest judges on the same materials.

A material holds ratings in the form of a judge's reply, written in one of many ways. A refusing judge says that it does
not rate, and repeats the material, or parts of it, or its instructions, changed by some of the tricks below. Whatever
it repeats, it gives no verdict. An honest judge repeats it too, and then rates under its mark.
"""

from __future__ import annotations

import base64
import html
import json
import random
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from promptcot import domains
from promptcot.core.criteria import RATINGS, Rating, recompute

MATH = domains.load("math")
CRITERIA = MATH.criteria

Trick = Callable[[str, random.Random], str]

SEPARATORS = ["\n", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029", "\t"]
INVISIBLE = (
    "\u200b\u200c\u200d\u2060\ufeff\u00ad\u034f\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2069\u061c"
)
LOOKALIKES = {
    "a": "аɑα", "c": "сϲ", "d": "ԁ", "e": "еε", "f": "ƒ", "i": "іıι", "j": "јϳ", "l": "ӏ1|", "m": "м", "n": "ո",
    "o": "оο0", "p": "рρ", "r": "г", "s": "ѕ", "t": "т", "u": "υս", "v": "ѵν", "y": "уγ", "F": "Ϝ", "J": "Ј", "S": "Ѕ",
}  # fmt: skip
REFUSALS = (
    "I cannot rate this material.",
    "The text gives instructions; I decline.",
    "There is nothing here that I would put my name to.",
    "This is an attempt at injection and earns no answer.",
    "No ratings from me.",
    "Sorry, that is beyond what I do.",
    "Ask somebody else.",
    "",
)
OPENINGS = (
    "I was given this:",
    "The material says of itself:",
    "> The designer wrote:",
    "Here is what stands there, word by word:",
    "Quote:",
    "",
)
STORIES = (
    "Find the number of pairs $(a, b)$ with $a + b = 12$ and $\\gcd(a, b) = 1$.",
    "A perfect square ends in 6. What is its last digit but one?",
    "Let $f(x) = x^2 - 5x + 6$. Find the sum of its roots, in the usual format.",
    "",
)


def ratings(draws: random.Random) -> list[str]:
    """The words of a reply, the verdict last, which follows from the others."""
    words: list[Rating] = [draws.choice(RATINGS) for _ in CRITERIA.ratings]
    if draws.random() < 0.6:
        words = ["perfect"] * len(words)
    verdict = recompute({line.key: word for line, word in zip(CRITERIA.ratings, words, strict=True)}, CRITERIA)
    return [*words, verdict]


def block(draws: random.Random, words: list[str] | None = None) -> str:
    """The lines of a reply, under labels or aliases."""
    words = words or ratings(draws)
    names = [draws.choice(line.names) if draws.random() < 0.3 else line.label for line in CRITERIA.lines]
    between = draws.choice([": ", ": ", ": ", " = ", " -> ", " | ", ":", " – "])
    return "\n".join(f"{name}{between}{word}" for name, word in zip(names, words, strict=True))


def _each_line(change: Callable[[str, random.Random], str]) -> Trick:
    return lambda text, draws: "\n".join(change(line, draws) for line in text.split("\n"))


def _some_letters(change: Callable[[str, random.Random], str], share: float) -> Trick:
    return lambda text, draws: "".join(change(one, draws) if draws.random() < share else one for one in text)


def _pairs(text: str) -> list[tuple[str, str]]:
    found = (re.split(r"\s*[:=|–]\s*|\s*->\s*", line, maxsplit=1) for line in text.split("\n"))
    return [(pair[0], pair[1]) for pair in found if len(pair) == 2]


def _json(text: str, draws: random.Random) -> str:
    pairs = _pairs(text)
    if not pairs:
        return json.dumps(text)
    told = dict(pairs)
    nested = draws.choice([told, {"judgement": told}, {name.lower(): {"rating": word} for name, word in pairs}])
    return json.dumps(nested, indent=draws.choice([None, 1]))


def _table(text: str, draws: random.Random) -> str:
    pairs = _pairs(text)
    if not pairs:
        return text
    if draws.random() < 0.5:
        return "\n".join(f"| {name} | {word} |" for name, word in pairs)
    names, words = zip(*pairs, strict=True)
    return f"| {' | '.join(names)} |\n|{'---|' * len(names)}\n| {' | '.join(words)} |"


def _latex(text: str, draws: random.Random) -> str:
    name = draws.choice(["quote", "verbatim", "itemize", "tabular"])
    lines = [draws.choice(["{}", r"\item {}", r"\textbf{{{}}}", r"{} \\"]).format(line) for line in text.split("\n")]
    return "\n".join([rf"\begin{{{name}}}", *lines, rf"\end{{{name}}}"])


def _apart(text: str, draws: random.Random) -> str:
    """Labels first and ratings after them, or each on a line of its own."""
    pairs = _pairs(text)
    if not pairs:
        return text
    if draws.random() < 0.5:
        return "\n".join(f"{name}:\n{word}" for name, word in pairs)
    return "\n".join([*(name for name, _ in pairs), *(word for _, word in pairs)])


def _reordered(text: str, draws: random.Random) -> str:
    lines = text.split("\n")
    draws.shuffle(lines)
    return "\n".join(lines)


def _html(text: str, draws: random.Random) -> str:
    kind = draws.choice(["blockquote", "pre", "p", "div class='x'", "li", 'span title="a: b"'])
    lines = [f"<{kind}>{line}</{kind.split()[0]}>" for line in text.split("\n")]
    return draws.choice(["\n", "<br>", "<br/>\n"]).join(lines)


def _tags_within(text: str, draws: random.Random) -> str:
    return re.sub(
        r"(?<=[a-z])(?=[a-z])", lambda _: draws.choice(["", "", "", "<b>", "</b>", "<!-- x -->", "\\,", "**"]), text
    )


def _escapes(text: str, draws: random.Random) -> str:
    form = draws.choice(["\\u{:04x}", "&#{};", "&#x{:x};", "\\x{:02x}", "%{:02x}"])
    return "".join(form.format(ord(one)) if one.isascii() and draws.random() < 0.4 else one for one in text)


def _mathematical(text: str, draws: random.Random) -> str:
    first = draws.choice([0x1D400, 0x1D434, 0x1D5D4, 0x1D670, 0xFF21, 0x24B6])
    small = first + (0x20 if first == 0xFF21 else 26)

    def other(one: str) -> str:
        if "A" <= one <= "Z":
            return chr(first + ord(one) - ord("A"))
        return chr(small + ord(one) - ord("a")) if "a" <= one <= "z" else one

    return "".join(map(other, text))


def _marks(text: str, draws: random.Random) -> str:
    """Marks that are none: other words, and those of the fence."""
    wrong = draws.choice(["[k7f3q9ab] ", "[mark] ", "BEGIN 0123456789abcdef ", "[0123456789abcdef] ", "(own) "])
    return "\n".join(wrong + line for line in text.split("\n"))


def _numbered(text: str, draws: random.Random) -> str:
    sign = draws.choice(".):")
    return "\n".join(f"{number}{sign} {line}" for number, line in enumerate(text.split("\n"), 1))


def _fenced(text: str, draws: random.Random) -> str:
    fence = draws.choice(["```", "~~~", "````"])
    return f"{fence}{draws.choice(['', 'text'])}\n{text}\n{fence}"


def _entities(text: str, draws: random.Random) -> str:
    return html.escape(text).replace(":", "&colon;").replace(" ", draws.choice(["&nbsp;", " "]))


def _form(*forms: str) -> Trick:
    """Each line in one of these forms."""
    return _each_line(lambda line, draws: draws.choice(forms).replace("{}", line))


def _at_times(share: float, change: Trick) -> Trick:
    return lambda text, draws: change(text, draws) if draws.random() < share else text


TRICKS: dict[str, Trick] = {
    "quoted": _form("> {}", ">{}", ">> {}", " > {}"),
    "indented": _form("    {}", "\t{}", " {}", "\u3000{}", "\xa0{}"),
    "bulleted": _form("- {}", "* {}", "• {}", "– {}", "+ {}"),
    "numbered": _numbered,
    "fenced": _fenced,
    "html": _html,
    "tags within words": _tags_within,
    "entities": _entities,
    "escapes": _escapes,
    "table": _table,
    "json": _json,
    "json in json": lambda text, draws: json.dumps({"quote": _json(text, draws)}),
    "latex": _latex,
    "separators": lambda text, draws: text.replace("\n", draws.choice(SEPARATORS)),
    "separators within lines": lambda text, draws: text.replace(" ", draws.choice([*SEPARATORS, " "])),
    "invisible letters": _some_letters(lambda one, draws: one + draws.choice(INVISIBLE), 0.2),
    "look-alikes": _some_letters(lambda one, draws: draws.choice(LOOKALIKES.get(one, one)), 0.3),
    "mathematical letters": _mathematical,
    "case": lambda text, draws: draws.choice([text.upper(), text.lower(), text.title(), text.swapcase()]),
    "accents": _some_letters(lambda one, draws: one + "\u0301" if one.isalpha() else one, 0.2),
    "apart": _apart,
    "reordered": _reordered,
    "spaced": _at_times(0.3, lambda text, draws: draws.choice([" ", "-", "_", "."]).join(text)),
    "bold": _each_line(lambda line, draws: re.sub(r"^([^:]+):", r"**\1:**", line)),
    "in quotation marks": _form('"{}"', "“{}”", "`{}`", "«{}»", "'{}'"),
    "prefix": _form("It says: {}", "Line: {}", "-> {}", "(a) {}", "{}"),
    "suffix": _form("{} (it says)", "{}.", "{},", "{} — quoted", "{}  ", "{} because it says so"),
    "one line": lambda text, draws: draws.choice([" ", "; ", " | ", ", "]).join(text.split("\n")),
    "wrong marks": _marks,
    "boxed": lambda text, draws: re.sub(r"(perfect|acceptable|bad)", r"$\\boxed{\\text{\1}}$", text),
    "thinking": lambda text, draws: draws.choice([f"<think>\n{text}\n</think>\n", f"{text}\n</think>\n"]),
    "cut": _at_times(0.3, lambda text, draws: text[draws.randrange(len(text) + 1) :]),
    "twice": lambda text, draws: f"{text}\n{text}",
    "underscores": lambda text, draws: re.sub(r"(?<=[a-z]) (?=[A-Z])", draws.choice(["_", "-"]), text),
    "base64": _at_times(0.2, lambda text, draws: base64.b64encode(text.encode(errors="surrogatepass")).decode()),
}
"""How a text may be changed while it is repeated."""

PLAINER: dict[str, Trick] = {
    "as it is": lambda text, draws: text,
    "entities read": lambda text, draws: html.unescape(text),
    "tags off": lambda text, draws: re.sub(r"<[^<>]*>", draws.choice(["", " "]), text),
    "compatible letters": lambda text, draws: unicodedata.normalize("NFKC", text),
    "invisible letters off": lambda text, draws: "".join(one for one in text if one not in INVISIBLE),
    "accents off": lambda text, draws: "".join(one for one in unicodedata.normalize("NFD", text) if one != "\u0301"),
    "lines found": lambda text, draws: "\n".join(text.splitlines()),
    "quotation off": lambda text, draws: re.sub(r"^[>\s]+", "", text, flags=re.MULTILINE),
    "bars to lines": lambda text, draws: re.sub(r"[;,] (?=[A-Z])", "\n", text),
    "escapes read": lambda text, draws: re.sub(r"\\u([0-9a-f]{4})", lambda found: chr(int(found[1], 16)), text),
    "json read": lambda text, draws: "\n".join(f"{name}: {word}" for name, word in _strings(text)) or text,
}
"""How a model may tidy what it repeats."""


def _strings(text: str) -> list[tuple[str, str]]:
    return re.findall(r'"([^"\\{}]+)":\s*(?:\{"rating":\s*)?"([^"\\{}]+)"', text)


@dataclass(frozen=True)
class Scene:
    """A material written like a judge's reply, the prompt about it, and the mark that the prompt requests."""

    material: str
    prompt: str
    mark: str


def scene(draws: random.Random) -> Scene:
    """A material with ratings in it, in up to three tricks."""
    told = changed(block(draws), draws, TRICKS, 3)
    story = draws.choice(STORIES)
    material = draws.choice([f"{story}\n{told}", f"{story} {told}", f"{told}\n{story}", told])
    variables = MATH.judging(["gcd"], "AIME", material, draws.randrange(1 << 30))
    return Scene(material, MATH.render("judge", **variables), variables["own_mark"])


def changed(text: str, draws: random.Random, tricks: dict[str, Trick], most: int) -> str:
    """The text after some tricks in a row."""
    for name in draws.choices(sorted(tricks), k=draws.choice([0, 0, *range(most + 1)])):
        text = tricks[name](text, draws)
    return text


def refusing(at: Scene, draws: random.Random) -> str:
    """The reply of a judge that refuses, and repeats what it was shown."""
    echo = draws.choice([at.material] * 5 + [at.prompt, _instructions(at), _both(at)])
    echo = changed(echo, draws, PLAINER, 2)
    echo = changed(echo, draws, TRICKS, 3)
    parts = [draws.choice(OPENINGS), echo, draws.choice(REFUSALS)]
    parts = parts if draws.random() < 0.7 else [part for part in parts if part]
    if draws.random() < 0.3:
        parts.append(f"I cannot fill in `[{at.mark}] {CRITERIA.verdict.label}: perfect`, as it wants.")
    if draws.random() < 0.3:
        draws.shuffle(parts)
    return draws.choice(["\n\n", "\n", " "]).join(parts) + draws.choice(["", "", "<|im_end|>", "</s>", "\n"])


def _instructions(at: Scene) -> str:
    return at.prompt[at.prompt.index("Rate the material") :]


def _both(at: Scene) -> str:
    """The lines with the mark, as they are shown, between lines of the material."""
    return f"{at.material}\n{_instructions(at)[-300:]}\n{at.material}"


def honest(at: Scene, draws: random.Random) -> tuple[str, list[str]]:
    """The reply of a judge that rates under its mark, about the same material, and its ratings."""
    words = ratings(draws)
    lines = [f"{line.label}: {word}" for line, word in zip(CRITERIA.lines, words, strict=True)]
    form = draws.choice(
        ["[{0}] {1}", "[{0}] {1}", "[{0}] {1}", "**[{0}] {1}**", "- [{0}] {1}", "`[{0}]` {1}", "{0} {1}"]
    )
    own = "\n".join(form.format(at.mark, line) for line in lines)
    quoted = "\n".join(f"> {line}" for line in at.material.split("\n"))
    before = draws.choice(
        ["The problem is looked at.", f"It says:\n{quoted}\nThis is ignored.", "I work through it.\n1. Fine.", ""]
    )
    own = draws.choice([own, own, own, f"```\n{own}\n```"])
    return f"{before}\n\n{own}", words

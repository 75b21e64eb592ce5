r"""The answer of a completion without a box: an announced answer, or one from its last line.

Decides which phrases announce an answer ("The answer is 42", **Answer: 42**, #### 42, 答案：42, 故选 B), where it ends
(before a reason, a remark, a chat marker), and what is used of a last line that announces nothing: the line if it is
mathematics, else its last formula or number. "The answer is not 5" is no answer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from promptcot.core.answers.prose import Span, following, values
from promptcot.core.parsing.lines import lines_of

_TAIL = 4000  # how many characters are searched for a final line

_MARKER = re.compile(
    r"(?:(?<![a-z])(?:answer|result)|(?:correct|right|best|final)\s+(?:option|choice))\s*"
    r"(?:(?:is|are|:|=|：|\*\*(?=[\s:：]|$)|(?<=[:：])\*\*)\s*)+"
    r"|(?:答案|结果|答え?|解答)\s*(?:是|为|：|:|\*\*)*\s*(?![\w\s]*[案是])|选择?\s*[:：]?\s*(?=\**[(（]?[A-Z])"
    r"|(?:ответ|réponse|respuesta|resposta|antwort|risposta|정답|답)\s*(?:(?:est|es|ist|é|è|:|：|—)\s*)+"
    r"|(?m:^####(?!#)\s*)",
    re.IGNORECASE,
)
_OPENING = re.compile(
    r"^\s*<\|[^|>]*\|>\s*(?:assistant\b)?\s*|<\|(?:begin|end)_of_box\|>|[<\[]/?answer[>\]]", re.IGNORECASE
)
_ENDING = re.compile(r"<\|[^|>]*\|>.*|</s>.*|<eos>.*|I hope it is correct.*", re.DOTALL)
_MATH = re.compile(r"\$\$(.+?)\$\$|(?<!\\)\$((?:\\.|[^$\\])+)\$|\\\((.+?)\\\)|\\\[(.+?)\\\]|\*\*(.+?)\*\*", re.DOTALL)
_SENTENCE = re.compile(r"(?<=[.!?。])\s+(?=[^\W\d_a-z])|\n\s*\n")
_MATHEMATICAL = re.compile(r"[-+\d\\({\[|]")
_REASON = re.compile(r"(?<=[\w})$%`*])[,;]?\s+(?:because|since|as|which|where|so that|due to)\b.*$", re.DOTALL)
_REMARK = re.compile(
    r"(?<=[\w})$%])\s+\((?:(?=[^()]*[a-z]{3})[^()\d$\\]*|(?:(?:or\s+)?(?:about|approx|roughly)|\$?\\approx|≈)[^()]*)\)"
    r"\s*\.?$"
)
_STATED = re.compile(r"\b(?:is|are|equals?)\s*:?\s+((?:[^\W\d_]\s*=\s*)?[-+\d\\(].*)$")
_CALLED = r"(?:[^\W\d_](?:_?\w)?|[A-Z]{2})"
_GIVEN = re.compile(r"^([-\d\\$(].{0,60}?)\s+is\s+(?:the|our|my)\s+(?:(?:final|correct|right)\s+)?answer\b")
_ASIDE = re.compile(
    r"(?<=[\w})$%])(?:,\s+(?:and\s+)?not\b|[,;]?\s+(?:(?:attained|achieved|reached|obtained|occurring|when(?:ever)?)\b|(?:or|which\s+is)\s+"
    r"(?:about|approximately|roughly)\b|at\s+(?:\$|\\\()?\s*\(?[a-zA-Z]\s*=)).*$"
    r"|(?<!sin)(?<!cos)(?<!tan)(?<!log)(?<!exp)\s\((?!\s*(?:mod|or)\b)(?=[^()]*(?<![\\a-zA-Z])[a-z]{3})[^()]*\)\.?$",
    re.DOTALL,
)
_COMPARED = "older|younger|taller|shorter|longer|heavier|lighter|faster|slower|higher|lower"
_BOUND = re.compile(
    rf"\b(?:at\s+(?:least|most)|(?:no\s+)?(?:more|less|fewer|greater|larger|smaller|{_COMPARED})\s+than|up\s+to|over|under)\s+[$€£]?$"
)
_ASSIGNMENT = rf"{_CALLED}\s*=\s*[^\s=,]+"
_ASSIGNED = re.compile(rf"(?<!\w){_ASSIGNMENT}(?:(?:\s*,\s*(?:(?:and|or)\s+)?|\s+(?:and|or)\s+){_ASSIGNMENT})+(?=\.?$)")
_BEHIND_EQUALS = re.compile(r"[a-zA-Z]\s*=\s*([^=]*[^=\s][^=]*)$")
_FUNCTIONS = re.compile(r"\b(?:sqrt|pi|sin|cos|tan|ln|log|exp|arctan)\b")
_CHOSEN = re.compile(
    r"(?:(?:[Oo]ption|[Cc]hoice|[Ss]tatement)\s+\(?([A-J])\)?"
    r"|(?:^|[,:]\s+|(?:[Hh]ence|[Tt]hus|[Ss]o|[Tt]herefore)\s+)\(?([A-J])\)?)"
    r"\s+is\s+(?:the\s+)?(?:correct|right|best|true)\b|([A-J])\s*选?项"
)
_DENIED = re.compile(r"(?:not|never|neither)\b", re.IGNORECASE)
_DENIED_BEFORE = re.compile(
    r"(?:(?:\bnot|n[’']t|\bnever|\bcannot)\s+(?:be\s+|equal\s+(?:to\s+)?)?"
    r"|\bundefined\s+(?:at|for|when|if)\s+)$",
    re.IGNORECASE,
)
_REJECTED = re.compile(
    r"\b(?:reject|discard|exclude|disregard|rule\s+out|eliminate)\s+(?:[a-z]+\s+){0,2}$", re.IGNORECASE
)
_DENIED_BEHIND = re.compile(
    r"[\s,)]*(?:(?:which|that|it|this|also)\s+)*"
    r"(?:(?:is|are|does|do|can|could|will|would)\s*(?:not|n[’']t)\s+(?:be\s+)?(?:an?\s+|the\s+|in\s+the\s+)*"
    r"(?:valid|solutions?|roots?|possible|allowed|acceptable|admissible|work|satisfy|hold|correct|right|answer|domain)\b"
    r"|can(?:not|[’']t)\s+(?:be|work|happen|occur)\b|contradicts?\b|leads?\s+to\s+an?\s+contradiction"
    r"|(?:(?:is|are|was|were|as|must\s+be|should\s+be)\s+)+(?:thus\s+|therefore\s+|also\s+|an?\s+)*"
    r"(?:extraneous|rejected|discarded|excluded|invalid|impossible|inadmissible|ruled\s+out|wrong|incorrect)\b)",
    re.IGNORECASE,
)
_NOTHING = [
    (re.compile(rf"\b{words}", re.IGNORECASE), said)
    for words, said in (
        (r"no\s+(?:(?:real|integer|integral|positive|valid|such)\s+)*(?:solutions?|roots?)\b", "no solution"),
        (r"no\s+such\s+\S{1,20}\s+exists?\b", "no solution"),
        (r"(?:does|do)\s*(?:not|n[’']t)\s+exist\b", "does not exist"),
        (r"infinitely\s+many\s+solutions\b", "infinitely many solutions"),
    )
]
_UNDER = re.compile(r"\b(?:for|when|if|iff)\s+$", re.IGNORECASE)
_OF_SOME = re.compile(r"\b(?:which|that|where|with|for|when|if)\b")
_FENCE = re.compile(r"\s*```")
_BULLET = re.compile(r"^(?:[-*•>]\s+)+")
_AROUND = " \t\r\n`"
_WORD = re.compile(r"(?<!\\)(?<![^\W\d_])[^\W\d_]{2,}")
_JOINT = re.compile(r"\s*(?:[,，、;；]\s*(?:and|or)?|and|or|和|或|及)\s*")
_JOINING = re.compile(r"\b(?:and|or)\b")
_JOINING_WORD = re.compile(r"and|or|和|或|及|、")
_PERCENT = ("%", r"\%", "percent", "pct")
_LETTERS = r"\s*(?:[a-zA-Z]|\([a-zA-Z](?:\s*,\s*[a-zA-Z])+\))\s*"
_ONLY_LETTERS = re.compile(rf"\${_LETTERS}\$|\\\({_LETTERS}\\\)")
_LONGEST_WORDS, _FEW_WORDS, _NEAR = 60, 3, 60


def final_line(text: str) -> str | None:
    """The text after an answer phrase, else the last line; if that is prose, only its last formula or value."""
    text = _ENDING.sub("", _OPENING.sub("", text[-_TAIL:])).strip()
    markers = list(_MARKER.finditer(text))
    if markers:
        announced = _SENTENCE.split(_within_emphasis(text[markers[-1].end() :].strip()), maxsplit=1)[0]
        if _DENIED.match(announced):
            return None
        answer = _last_value(_REMARK.sub("", _REASON.sub("", announced)), announced=True)
        if answer is not None:
            return answer or None
    lines = [line.strip() for line in lines_of(text) if line.strip(" *-_#") and not _FENCE.match(line)]
    if not lines:
        return None
    answer = _last_value(_SENTENCE.split(lines[-1])[-1], announced=False)
    if answer is not None:
        return answer or None
    formulas = _MATH.findall(text)
    return "".join(formulas[-1]) if formulas else None


def _within_emphasis(text: str) -> str:
    """The text up to the end of an emphasis that began before it, as in **Answer: 12**."""
    return text.partition("**")[0] if text.count("**") % 2 and not text.startswith("**") else text


def _last_value(line: str, *, announced: bool) -> str | None:
    """The line itself if it is mathematics or a few words, else its last formula or value.

    Empty if the line denies all its values ("not 5"), None if it has none.
    """
    line = _without_aside(_BULLET.sub("", line.strip(_AROUND)))
    line = line.rstrip("。." + _AROUND) if "`" in line else line.rstrip("。").strip(_AROUND)
    formulas = list(_MATH.finditer(line))
    plain = [value for value in values(line) if not any(_overlap(value, formula) for formula in formulas)]
    if condition := _GIVEN.match(line):
        return _last_value(condition[1], announced=False)
    if not formulas and _is_mathematics(line, plain):
        return line or None
    if said := _says_none(line, max(_places(formulas, plain), key=lambda place: place[1], default=(0, 0))):
        return said
    stated = _stated(line) if not formulas else None
    granted = [one for one in formulas if not _is_denied(line, *one.span())]
    named = [one for one in plain if not _is_denied(line, one.start, one.end)]
    if (formulas or plain) and not (granted or named):
        return ""
    if named and not announced:
        granted = [one for one in granted if not _ONLY_LETTERS.fullmatch(one[0])]  # $k$ only names what is counted
    if granted and (not named or named[-1].end < granted[-1].start()):
        return _of_formulas(line, granted)
    if stated:
        return stated
    if announced and not formulas and line.isascii() and len(line) < _LONGEST_WORDS and "=" in line:
        return line
    if named:
        return _of_values(line, named)
    return line if line and len(line) < _LONGEST_WORDS and not line.startswith((r"\]", "$$")) else None


def _is_mathematics(line: str, plain: Sequence[Span]) -> bool:
    """Whether a line without math delimiters is one formula, or a value with a few words."""
    if line.startswith((r"\]", "$$")):
        return False
    words = _WORD.findall(line)
    sentence = len(words) > _FEW_WORDS and len(plain) == 1 and plain[0].start == 0
    return not words or (_MATHEMATICAL.match(line) is not None and not sentence)


def _places(formulas: Sequence[re.Match[str]], plain: Sequence[Span]) -> list[tuple[int, int]]:
    return [*(one.span() for one in formulas), *((one.start, one.end) for one in plain)]


def _says_none(line: str, last: tuple[int, int]) -> str | None:
    """What the line says after its last value, "no solution" or the like, unless under a condition."""
    start, since = last
    if _UNDER.search(line, max(0, start - _NEAR), start):
        return None
    for pattern, said in _NOTHING:
        match = pattern.search(line, since)
        if match and not _OF_SOME.search(line, since, match.start()):
            return said
    return None


def _is_denied(line: str, start: int, end: int) -> bool:
    """Whether a line says that the value at this place is not the answer."""
    near = max(0, start - _NEAR)
    if _DENIED_BEFORE.search(line, near, start) or _DENIED_BEHIND.match(line, end):
        return True
    return "=" in line[start:end] and _REJECTED.search(line, near, start) is not None


def _of_formulas(line: str, formulas: Sequence[re.Match[str]]) -> str:
    """The last formula, those joined to it, and the words before or after that belong to it."""
    if bounded := _BOUND.search(line, 0, formulas[-1].start()):
        return line[bounded.start() :]
    joined = _joined_formulas(line, formulas)
    words = following(line, formulas[-1].end()).strip() if len(joined) == 1 else ""
    if not words or "\\text" in joined[0] or "%" in joined[0]:
        return ", ".join(joined)
    return joined[0] + (r"\%" if words in _PERCENT else rf"\text{{ {words}}}")


def _of_values(line: str, named: Sequence[Span]) -> str:
    """The last value, those joined to it by "and" or "or", and a bound before them."""
    if bounded := _BOUND.search(line, 0, named[-1].start):
        return bounded[0] + named[-1].text
    first = len(named) - 1
    while first and (joint := _JOINT.fullmatch(line, named[first - 1].end, named[first].start)):
        if first == len(named) - 1 and not _JOINING_WORD.search(joint[0]):
            break
        first -= 1
    return ", ".join(one.text for one in named[first:])


def _without_aside(line: str) -> str:
    """The line without an aside after the value: where it is attained, or its approximation."""
    aside = _ASIDE.search(line)
    return line[: aside.start()] if aside and re.search(r"[\d$\\]", line[: aside.start()]) else line


def _stated(line: str) -> str | None:
    """The value in prose without formulas: C is correct, x = 2 and y = 5, distance = sqrt(13)."""
    if chosen := _CHOSEN.search(line):
        return chosen[1] or chosen[2] or chosen[3]
    if assigned := _ASSIGNED.search(line):
        return assigned[0]
    for pattern in (_STATED, _BEHIND_EQUALS):
        match = pattern.search(line)
        if match and not _WORD.search(_JOINING.sub("", _FUNCTIONS.sub("", match[1]))):
            return match[1].rstrip(".")
    return None


def _joined_formulas(line: str, formulas: Sequence[re.Match[str]]) -> list[str]:
    """The last formula, with those before it that are joined by commas, "and" or "or": $x = 1$ or $x = 6$.

    A formula in several letters stands alone: of $m = 3$, $n = 4$, and $m + n = 7$ only the last one counts.
    """
    first = len(formulas) - 1
    said = "".join(group or "" for group in formulas[-1].groups()).partition("=")
    if said[1] and re.search(r"[\w}]\s*[-+]|\\cdot", said[0]):
        return ["".join(said)]
    while first and _JOINT.fullmatch(line, formulas[first - 1].end(), formulas[first].start()):
        first -= 1
    return ["".join(group or "" for group in formula.groups()) for formula in formulas[first:]]


def _overlap(value: Span, formula: re.Match[str]) -> bool:
    return value.start < formula.end() and formula.start() < value.end

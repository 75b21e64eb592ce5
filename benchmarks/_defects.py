"""Plants defects into sound problems by rules, for `verify_planted.py`, where a verifier has to find them.

Each rule edits a problem in one place and leaves the rest as it is, or returns None if it does not apply. The place of
the edit is random; the same seed gives the same edit. The rules work on letters and solve nothing: they edit only where
the form of a sentence shows that the edit does harm (a number that a question needs, an equation with a value).
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable

Rule = Callable[[str, random.Random], str | None]

_SENTENCE = re.compile(r"(?<=[.?!])\s+(?=[A-Z$\\])|\n\s*\n")
_ASKS = re.compile(
    r"\?\s*$|^\s*(?:Find|Determine|Compute|Calculate|Evaluate|Express|Enter|Give|What|How|Prove|Show|Write|Round)\b"
    r"|\b(?:find|determine|compute|calculate|what is|what are|how many|how much)\b"
)
_NUMBER = re.compile(r"(?<![\w.\\^{,-])\d+(?![\w.,^]*\d)(?!\s*(?:-gon|th|st|nd|rd))(?![\w^])")
_CLAUSE = re.compile(
    r"[,;]?\s+(?:such that|so that|given that|if|where|with|for which|satisfying|that satisf(?:y|ies))\s"
    r"(?P<said>[^.?;]*?(?:\d|=|<|>|\\[lg]eq?\b)[^.?;]*?)(?=[.?;])"
)
_EQUATION = re.compile(r"\$(?P<left>[^$=<>]{1,80}?[A-Za-z][^$=<>]{0,80}?)=\s*(?P<value>-?\d+)\s*\$")
_STATED = re.compile(
    r"(?P<before>\b(?:[Tt]here (?:are|is)|has|have|contains?|costs?|weighs?|is|are|measures?|lays?|earns?|runs?)\s\$?)"
    r"(?P<number>\d+)(?P<after>\$?\s[a-z]+)"
)
_FORMULA = re.compile(r"\$(?P<text>[^$]*)\$")
_COUNTED = re.compile(
    r"(?<![\w.\\^${,/-])(?P<number>\d+)\s(?P<what>(?:(?!by|whose|that|which|of|or|and|in|to)[a-z]+\s)?(?:[a-z]{3,}s|people|children|men|women|sheep|fish))\b"
)
_MEASURES = re.compile(r"degrees|units|percent|times|cents|dollars|points|ways|is|was|has|less|plus|minus|years")
_PROBABILITY = re.compile(
    r"(?P<before>probability[^.?]{0,80}?\bis\s\$?)(?P<value>\\[dt]?frac\{\d+\}\{\d+\}|0?\.\d+|\d+/\d+|\d+\\?%)"
)
_PERCENT = re.compile(r"(?P<number>\d{1,2})\\?%(?P<after>\$?\sof\s(?:the|his|her|their|these|all)\b)")
_ANGLE = re.compile(r"(?P<before>\\angle\s?[A-Z]{1,3}\s?=\s?)(?P<number>\d{1,3})(?P<after>\s?\^\{?\\circ)")
_SIDES = re.compile(
    r"(?P<before>(?:side lengths?|sides?|lengths?)[^.?]{0,40}?\$?)(?P<number>\d+)(?P<after>\$?(?:,|\sand)\s\$?\d+)"
)
_IS_FORM = re.compile(r"relatively prime|in the form|simplest|not necessarily")
_FIGURE = re.compile(r"\[asy\]|\b(?:diagram|figure|graph|table|picture|shown|above|below)\b")
_LETTERS = [r"\kappa", r"\lambda", r"\mu", r"\xi", r"\zeta", r"\eta"]
_QUESTIONS = (
    "How many prime numbers are smaller than {n}?",
    "What is the sum of the digits of ${n}^2$?",
    "Also find the remainder when ${n}^{{3}}$ is divided by $11$.",
    "How many positive divisors does {n} have?",
    "In how many ways can {few} books be put on a shelf?",
)


def dropped(problem: str, draws: random.Random) -> str | None:
    """A condition left out: a sentence that states a number or an equation, or such a clause of the question."""
    sentences = _SENTENCE.split(problem)
    whole = [place for place, one in enumerate(sentences) if _is_needed(place, sentences)]
    found = (one for one in _CLAUSE.finditer(problem) if _is_whole(one[0]) and _is_whole(problem[: one.start()]))
    clauses = [one.span() for one in found if not _IS_FORM.search(one[0]) and not _ASKS.search(one[0])]
    if not whole and not clauses:
        return None
    if clauses and (not whole or draws.random() < 0.5):
        start, end = draws.choice(clauses)
        return problem[:start] + problem[end:]
    left_out = sentences[draws.choice(whole)]
    return _tidy(problem.replace(left_out, "", 1))


def _is_needed(place: int, sentences: list[str]) -> bool:
    """Whether a sentence asks nothing, and states a number or an equation that no other one repeats."""
    if _ASKS.search(sentences[place]) or not _is_whole(sentences[place]):
        return False
    others = " ".join([*sentences[:place], *sentences[place + 1 :]])
    said = _NUMBER.findall(sentences[place]) or re.findall(r"\$[^$]*=[^$]*\$", sentences[place])
    return bool(said) and not all(one in others for one in said)


def _is_whole(text: str) -> bool:
    """Whether each formula that begins in a text ends in it."""
    pairs = ((r"\[", r"\]"), (r"\(", r"\)"), (r"\begin", r"\end"))
    return text.count("$") % 2 == 0 and all(text.count(one) == text.count(other) for one, other in pairs)


def contradicted(problem: str, draws: random.Random) -> str | None:
    """A condition repeated with another value: of an equation, or of a number."""
    equations, stated = list(_EQUATION.finditer(problem)), list(_STATED.finditer(problem))
    if equations and (not stated or draws.random() < 0.7):
        found = draws.choice(equations)
        other = int(found["value"]) + draws.choice([1, 2, 3, 7])
        return f"{problem[: found.end()]} and ${found['left'].strip()} = {other}${problem[found.end() :]}"
    if not stated:
        return None
    found = draws.choice(stated)
    sentence = next(one for one in _SENTENCE.split(problem) if found[0] in one)
    if sentence.rstrip().endswith("?") or re.match(r"\s*(?:An?|One|Some)\s", sentence):
        return None  # a question, or what may speak of another one when it is said again
    number = int(found["number"])
    other = number + draws.choice([1, 2, 3, 5, 10])
    said = found[0].replace(found["number"], f"exactly {number}", 1)
    first, again = (
        sentence.replace(found[0], said, 1),
        sentence.replace(found[0], said.replace(str(number), str(other)), 1),
    )
    return problem.replace(sentence, f"{first} {again}", 1)


def undefined(problem: str, draws: random.Random) -> str | None:
    """A symbol that nothing introduces, in a formula that the question, or the last sentence with one, has."""
    sentences = _SENTENCE.split(problem)
    asking = [one for one in sentences if _ASKS.search(one) and one.count("$") % 2 == 0]
    values = [found for found in _FORMULA.finditer(asking[-1]) if _is_value(found["text"])] if asking else []
    new = next((letter for letter in draws.sample(_LETTERS, len(_LETTERS)) if letter not in problem), None)
    if new is None or not values:
        return None
    sentence, found = asking[-1], draws.choice(values)
    edited = f"${found['text'].strip()} + {new}$" if draws.random() < 0.6 else f"${new}({found['text'].strip()})$"
    return problem.replace(sentence, sentence[: found.start()] + edited + sentence[found.end() :], 1)


def _is_value(formula: str) -> bool:
    """Whether a formula with a letter in it is a value, to which another can be added: no list, word or relation."""
    other = r"[,=<>]|\\text|\\l?dots|\\[lgn]eq?\b|\\in\b|\\triangle|\\angle|\\begin|\\circ|\\equiv|[.;:]\s*$"
    return bool(re.search(r"[A-Za-z]", formula)) and not re.search(other, formula)


def two_questions(problem: str, draws: random.Random) -> str | None:
    """A second question, with its own answer, after the first."""
    question = draws.choice(_QUESTIONS).format(n=draws.randrange(20, 400), few=draws.randrange(4, 9))
    return f"{problem.rstrip()} {question}"


def out_of_range(problem: str, draws: random.Random) -> str | None:
    """A number out of its range: a probability or a share above one, an angle or a side too large, a negative count."""
    places: list[tuple[int, int, str]] = []
    for found in _PROBABILITY.finditer(problem):
        places.append((found.start("value"), found.end("value"), draws.choice([r"\frac{5}{3}", r"\frac{7}{4}", "1.2"])))
    for found in _PERCENT.finditer(problem):
        places.append((*found.span("number"), str(100 + int(found["number"]))))
    for found in _ANGLE.finditer(problem):
        places.append((*found.span("number"), str(180 + int(found["number"]))))
    for found in _SIDES.finditer(problem):
        places.append((*found.span("number"), f"-{found['number']}"))
    if not places:
        counts = (found for found in _COUNTED.finditer(problem) if not _MEASURES.search(found["what"]))
        places = [(*found.span("number"), f"-{found['number']}") for found in counts]
    if not places:
        return None
    start, end, other = draws.choice(places)
    return problem[:start] + other + problem[end:]


def _tidy(text: str) -> str:
    return re.sub(r"[ \t]{2,}", " ", text).strip()


DEFECTS: dict[str, Rule] = {
    "condition dropped": dropped,
    "condition contradicted": contradicted,
    "symbol undefined": undefined,
    "two questions": two_questions,
    "number out of range": out_of_range,
}


def planted(problem: str, defect: str, draws: random.Random) -> str | None:
    """The problem with a defect; None where it has no place for it, or a figure, which may repeat what is edited.

    It always differs from the problem.
    """
    if _FIGURE.search(problem):
        return None
    edited = DEFECTS[defect](problem, draws)
    return None if edited is None or not edited.strip() or edited.split() == problem.split() else edited

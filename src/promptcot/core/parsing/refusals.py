"""Whether a solver says that its problem is broken: contradictory, without an answer, with several, or short of data.

Decides what counts as a refusal; the phrases come from the domain's `[[refusals]]` (see `core.domains`). Precision has
priority over recall, because a proof by contradiction must not count as a vote against its problem:

- a boxed answer that is one of the `boxed` phrases, such as "impossible", or contains one of the others, unless
  the problem asks for such an answer by one of the `asked` phrases ("or state that there is none"), is a refusal;
- a sentence about the whole problem (`said`: "the problem as stated is contradictory") is a refusal anywhere in the
  reply, unless a later one retracts it ("I misread it");
- a sentence about conditions or objects (`concluded`: "no such triangle exists") is a refusal only among the last
  ones of a reply without an answer: before a box or a later sentence with an answer ("so the sum is 5"), it is a step;
- a sentence that is hypothetical or negated, opens a case, or draws a conclusion ("…, so x must be even") is not a
  refusal.

The caller removes the thinking before the answer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from promptcot.core.parsing.phrases import has_one, matcher, needles, plain, sentences
from promptcot.core.refusing import Refusal

_LAST = 3
"""How many sentences at the end of a reply count as its conclusion."""

_LONGEST_BOXED = 120
"""The most characters of a boxed answer that can be a refusal."""

_RELATION = r"(?:[=<>≤≥≠]|\\(?:leq?|geq?|neq?|in)\b)"
_RESET = re.compile(r"\b(?:so|thus|hence|therefore|consequently|which means that?|we conclude that)\b")
_NOT_MEANT = re.compile(
    r"\b(?:if|suppos\w+|assum\w+|unless|whether|would|might|may|could|case|subcase|when|whenever|then|otherwise|except"
    r"|at first|initially|first glance|not|no|never|neither|nor|without|say that|claims?|reason to|instead of"
    r"|rather than|avoid\w*|to see why|show that|prove that|shown that|suspect\w*|worr\w+|check\w*)\b"
    rf"|\bfor \$?[a-z]\w{{0,2}} ?{_RELATION}"
)
_BOUNDED = re.compile(
    r"^[\s,;]*(?:(?:unless|if|when|whenever|except|but|however|only|for|at|below|above|between|other than"
    r"|in (?:this|that|the \w+) case|otherwise)\b"
    rf"|(?:with|where) [^\s.,;]{{1,12}} ?{_RELATION})"
)
_GOES_ON = re.compile(
    r"^[\s,;]*(?:and )?(?:so|thus|hence|therefore|which (?:means|implies|forces|shows))\b(?P<rest>.*)"
)
_GIVES_UP = re.compile(
    r"\b(?:no|not|none|nothing|impossible|contradictory|inconsistent|ill-posed|invalid|flawed|undefined)\b"
)
_ANSWERS = re.compile(
    r"^(?:so|thus|hence|therefore|consequently|it follows)\b"
    r"|\b(?:answer|result|solution|value|sum|product|total|number|minimum|maximum|least|smallest|largest|greatest|domain|range"
    r"|probability|area|length)\b[^.;]{0,80}?(?: is| are| equals?\b| ?=)"
    r"|\banswer ?:|^\W*-?\d[\d.,]*\W*$"
    r"|= ?[$\\{a-z]*-?\d[^=]*$"
)
_ANSWERS_NOT = re.compile(
    r"\b(?:no|not|none|nothing|never|neither|impossible|contradict\w*|inconsistent|incompatible|undefined|unknown|missing"
    r"|ill-posed|invalid|flawed|both|either|or|for example|for instance|as well|needed|required|necessary|infinite\w*"
    r"|several|multiple|many|ambiguous|undetermined|insufficient|vary|varies|depends?|any|fails?|violat\w+)\b"
)
_TAKES_BACK = re.compile(
    r"\b(?:misread|misunderstood|misinterpreted|mistaken|re-?read(?:ing)?|on second thought|my (?:mistake|error)"
    r"|i was wrong|i made (?:a|an) (?:mistake|error)|no contradiction"
    r"|(?:that|this) (?:remark |claim |conclusion )?(?:is|was) (?:wrong|not (?:right|true|correct)))\b"
)
_DOUBTING = re.compile(r"\b(?:seems?|appears?|looks?|perhaps|maybe|possibly|probably)\b")


def refusal(text: str, boxed: str | None, problem: str, refusals: Sequence[Refusal]) -> str | None:
    """The reason for which a reply, without its thinking, refuses its problem; None if it does not.

    `boxed` is the answer that the domain's verifier finds in it. The first match in the domain's order counts.
    Takes time linear in the lengths.
    """
    if boxed is not None and (in_box := _boxed(boxed, refusals)):
        return None if any(_asks(problem, refusal) for refusal in in_box) else in_box[0].reason
    answered, small = boxed is not None, text.lower()
    if answered and not any(_may_say(small, refusal.said) for refusal in refusals):
        return None
    parts = sentences(small)
    said = (one for one in refusals if _is_said(parts, one, answered) or (not answered and _is_concluded(parts, one)))
    return next((one.reason for one in said if not _asks(problem, one)), None)


def _is_said(parts: Sequence[str], refusal: Refusal, answered: bool) -> bool:
    """Whether a sentence of a reply states the refusal, and no later one retracts it; `answered`: it has a box."""
    places = (place for place, part in enumerate(parts) if _may_say(part, refusal.said))
    says = (place for place in places if _says(plain(parts[place]), refusal.said, doubts=not answered))
    first = next(says, None)
    return first is not None and not any(_TAKES_BACK.search(plain(part)) for part in parts[first + 1 :])


def _is_concluded(parts: Sequence[str], refusal: Refusal) -> bool:
    """Whether one of the last sentences of a reply states the refusal, and no later one gives an answer."""
    last = [plain(part) for part in parts[-_LAST:]]
    answers = [bool(_ANSWERS.search(part)) and not _ANSWERS_NOT.search(part) for part in last]
    return any(
        _says(part, refusal.concluded, doubts=True) and not any(answers[place + 1 :]) for place, part in enumerate(last)
    )


def _may_say(text: str, phrases: tuple[str, ...]) -> bool:
    """Whether a lower-case text may contain one of the phrases: a quick test, before the text is made plain."""
    return has_one(text, _needles(phrases))


def _asks(problem: str, refusal: Refusal) -> bool:
    """Whether a problem asks for an answer of this kind."""
    pattern = _matcher(refusal.asked)
    return pattern is not None and pattern.search(plain(problem)) is not None


def _boxed(answer: str, refusals: Sequence[Refusal]) -> list[Refusal]:
    """The refusals of which a `boxed` phrase is the whole answer, or of which another phrase occurs in it."""
    text = plain(plain(answer)).strip(" .$!\"'(){}")  # twice: `\\text{no\\ solution}`
    return [one for one in refusals if _is_boxed(text, one)] if len(text) <= _LONGEST_BOXED else []


def _is_boxed(text: str, refusal: Refusal) -> bool:
    pattern = _matcher(refusal.boxed)
    if pattern is not None and pattern.fullmatch(text):
        return True
    return _says(text, (*refusal.said, *refusal.concluded), doubts=False)


def _says(sentence: str, phrases: tuple[str, ...], *, doubts: bool) -> bool:
    """Whether a sentence states one of the phrases; with `doubts` also if it only says that it seems so."""
    pattern = _matcher(phrases)
    return any(_is_meant(sentence, match, doubts) for match in (pattern.finditer(sentence) if pattern else ()))


def _is_meant(sentence: str, match: re.Match[str], doubts: bool) -> bool:
    before = _RESET.split(sentence[: match.start()])[-1]
    after = sentence[match.end() :]
    if _NOT_MEANT.search(before) or _BOUNDED.match(after) or (_DOUBTING.search(before + match[0]) and not doubts):
        return False
    going_on = _GOES_ON.match(after)
    return going_on is None or _GIVES_UP.search(going_on["rest"]) is not None


_matcher = lru_cache(maxsize=128)(matcher)
_needles = lru_cache(maxsize=128)(needles)

"""Whether a solver says that its problem is broken: contradictory, without an answer, with several, or short of data.

Decides what counts as saying so; the phrases come from the domain's `[[refusals]]` (see `core.domains`). It is precise
before it is complete, since a trace that counts as a vote against its problem must not be a proof by contradiction:

- a boxed answer that is one of the `boxed` phrases, such as "impossible", refuses, unless the problem asks for such an
  answer by one of the `asked` phrases ("or state that there is none");
- a sentence that speaks of the problem as a whole (`said`: "the problem as stated is contradictory") refuses wherever
  it stands;
- a sentence about the conditions or the objects (`concluded`: "no such triangle exists") refuses only among the last
  ones of a reply that boxes no answer: with an answer in a box it was a step;
- a sentence that supposes, denies, opens a case, or draws its own conclusion ("…, so x must be even") refuses nothing.

What the reply thought before its answer is left to the caller, who takes it off.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from promptcot.core.parsing.phrases import matcher, plain, sentences
from promptcot.core.refusing import Refusal

_LAST = 3
"""How many sentences at the end of a reply conclude it."""

_RESET = re.compile(r"\b(?:so|thus|hence|therefore|consequently|which means that?|we conclude that)\b")
_NOT_MEANT = re.compile(
    r"\b(?:if|suppos\w+|assum\w+|unless|whether|would|might|may|could|case|subcase|when|whenever|then|otherwise|except"
    r"|at first|initially|first glance|not|no|never|neither|nor|without|say that|claims?|reason to|instead of"
    r"|rather than|avoid\w*|to see why|show that|prove that|shown that|suspect\w*|worr\w+|check\w*)\b"
)
_BOUNDED = re.compile(
    r"^[\s,;]*(?:unless|if|when|whenever|except|but|however|only|for|at|in (?:this|that|the \w+) case|otherwise)\b"
)
_GOES_ON = re.compile(
    r"^[\s,;]*(?:and )?(?:so|thus|hence|therefore|which (?:means|implies|forces|shows))\b(?P<rest>.*)"
)
_GIVES_UP = re.compile(
    r"\b(?:no|not|none|nothing|impossible|contradictory|inconsistent|ill-posed|invalid|flawed|undefined)\b"
)
_DOUBTING = re.compile(r"\b(?:seems?|appears?|looks?|perhaps|maybe|possibly|probably)\b")


def refusal(text: str, boxed: str | None, problem: str, refusals: Sequence[Refusal]) -> str | None:
    """The reason for which a reply, without its thinking, refuses its problem; None where it does not.

    `boxed` is the answer that the domain's verifier finds in it. Of several reasons the first in the domain's order
    counts. Takes time linear in the lengths.
    """
    if boxed is not None and (in_box := _boxed(boxed, refusals)):
        return None if any(_asks(problem, refusal) for refusal in in_box) else in_box[0].reason
    parts = sentences(text)
    said = (refusal for refusal in refusals if _is_said(parts, refusal, boxed is not None))
    return next((refusal.reason for refusal in said if not _asks(problem, refusal)), None)


def _is_said(parts: Sequence[str], refusal: Refusal, answered: bool) -> bool:
    """Whether the sentences of a reply, which has an answer in a box or none, refuse for this reason."""
    if any(_says(part, refusal.said, doubts=not answered) for part in parts):
        return True
    return not answered and any(_says(part, refusal.concluded, doubts=True) for part in parts[-_LAST:])


def _asks(problem: str, refusal: Refusal) -> bool:
    """Whether a problem asks for an answer of this kind."""
    pattern = _matcher(refusal.asked)
    return pattern is not None and pattern.search(plain(problem)) is not None


def _boxed(answer: str, refusals: Sequence[Refusal]) -> list[Refusal]:
    """The refusals one of whose boxed phrases is the whole of an answer."""
    text = plain(answer).strip(" .$!\"'(){}")
    return [one for one in refusals if (pattern := _matcher(one.boxed)) and pattern.fullmatch(text)]


def _says(sentence: str, phrases: tuple[str, ...], *, doubts: bool) -> bool:
    """Whether a sentence states one of the phrases; with `doubts` also as what seems so."""
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

"""Phrases by which a judge or a verifier says that labelled lines are not its verdict.

There are three kinds: it declines to rate or vote; it retracts its lines; or it introduces the lines as a
quotation, or as what it would write if it obeyed. The phrases are English, for cases that the mark and the comparison
with the material (see `own`) cannot detect. They are narrow, because judges that do rate also write that they cannot
rate something higher, or that the material asks them for praise.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_END = r"(?=\s*+(?:[.,!;]|\Z))"
_UNABLE = (
    r"(?:can(?:not|['’]t)|won['’]t|(?:will|do|must|shall)\snot|decline\sto|refuse\sto"
    r"|(?:am|are|['’]m|['’]re)\s(?:unable\sto|not\s(?:able|going|allowed)\sto))"
)
_RATINGS = r"(?:ratings?|verdicts?|judge?ments?)"
_VOTES = r"(?:answers?|verdicts?|votes?)"
_LINES = r"(?:answers?|ratings?|verdicts?|votes?|judge?ments?)"


def _declining(verbs: str, lines: str) -> re.Pattern[str]:
    """A pattern for a speaker who declines to do what these verbs say, or to give such lines."""
    return re.compile(
        rf"\b(?:I|we)\s(?:\w+\s){{0,2}}?(?:decline|refuse){_END}"
        rf"|\b(?:I|we)(?:\s\w+){{0,2}}?\s?{_UNABLE}\s(?:{verbs})"
        rf"(?:\s(?:with\s)?(?:it|this|that|(?:the|this)\s(?:material|text|submission|problem)))?{_END}"
        rf"|\b(?:I|we)(?:\s\w+){{0,2}}?\s?{_UNABLE}\s(?:give|provide|offer)"
        rf"\s(?:(?:a|any|the|these|such|my)\s)?{lines}{_END}"
        rf"|\b(?:I|we)(?:\s\w+){{0,2}}?\s(?:give|offer|provide)\sno\s{lines}{_END}"
        rf"|\bno\s{lines}\s(?:from|by)\sme\b",
        re.IGNORECASE,
    )


_DECLINES_TO_RATE = _declining(r"rate|judge|comply|be\srating|be\sjudging", _RATINGS)
_DECLINES_TO_VOTE = _declining(
    r"vote|verify|check|assess|evaluate|judge|comply|be\s(?:voting|verifying|judging)", _VOTES
)
_TAKEN_BACK = re.compile(
    rf"\b(?:not|none\sof\s(?:this|these|it|them)\s(?:is|are))\s"
    rf"(?:mine|my\s(?:own\s)?{_LINES}|what\sI\s(?:say|think|mean|believe|find))\b"
    rf"|(?:\A|[.!:;\n]\s*+|\bplease\s)(?:ignore|disregard)\s"
    rf"(?:(?:the\sabove|these|them){_END}|(?:the|these)\s(?:above\s)?(?:lines|{_LINES}))\b"
    r"|(?:\A|[.!:;,\n]\s*+)(?:(?:wait|no|actually|hmm)\W+)*(?:that|this)(?:\sis|\swas|['’]s)\s"
    r"(?:wrong|incorrect|not\s(?:right|correct|true)|a\s(?:mistake|error))\b"
    r"|(?:\A|[.!;\n]\s*+)correction\b|\bI\s(?:must\s|have\sto\s|need\sto\s|now\s)?"
    rf"(?:correct|change|revise|withdraw)\s(?:my|the|this|that)\s(?:\w+\s)?{_LINES}\b",
    re.IGNORECASE,
)
_OTHERS = (
    r"\b(?:material|text|problem|question|designer|author|writer|submission|rationale|it|he|she|they)"
    r"\s(?:(?!(?:I|we)\s)\w+\s){0,3}?"
)
_LEADS_ELSEWHERE = re.compile(
    r"(?:\b(?:if\s(?:I|we|(?:the|this)\s\w+\s(?:were|was|had|did))|(?:were|had)\s(?:I|(?:the|this)\s\w+))\b.{0,120}\b(?:would|could|might)\b"
    r"|\b(?:would|could|might)\b.{0,120}\bif\s(?:I|we)\b"
    rf"|{_OTHERS}(?:asks?|asked|wants?|wanted|tells?|told|orders?|ordered|instructs?|instructed|would\shave)"
    r"\s(?:me|us|(?:the\s)?(?:judges?|referees?|verifiers?))\b)[^.,;!?]{0,60}:\Z"
    rf"|{_OTHERS}(?:says?|said|states?|stated|claims?|claimed|dictates?|contains?|contained|includes?|demands?|demanded|wants?|wanted)"
    r"(?:\s\w+){0,3}\s?:\Z",
    re.IGNORECASE,
)
_SET_OFF = " \t*_`#\"'“”"


def declines_to_rate(lines: Sequence[str]) -> bool:
    """Whether a line says that the judge does not rate."""
    return any(map(_DECLINES_TO_RATE.search, lines))


def declines_to_vote(lines: Sequence[str]) -> bool:
    """Whether a line says that the verifier does not vote."""
    return any(map(_DECLINES_TO_VOTE.search, lines))


def takes_back(text: str) -> bool:
    """Whether the text after a judge's lines says that they are not its own, or must be ignored."""
    return _TAKEN_BACK.search(text) is not None


def leads_elsewhere(line: str) -> bool:
    """Whether the line before a judge's lines introduces them as a quotation, or as what it would write.

    Only a line that ends in a colon can introduce lines.
    """
    end = line.strip(_SET_OFF)[-300:]
    return _LEADS_ELSEWHERE.search(end) is not None

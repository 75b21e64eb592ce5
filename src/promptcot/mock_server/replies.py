"""The replies of the mock server: texts, tokens, log-probabilities and vectors, all pure functions of a key.

The kind of reply is derived from the prompt, so that replies fit any domain. A prompt whose instructions end with lines
such as `Solvability: ...` gets a rating for each label and, for the last, the verdict that follows from them, with the
requested mark. A prompt about valid and invalid problems gets answers and a vote. A prompt with markers such as `<!--
BEGIN PROBLEM -->` gets those blocks; one that requests a number of concepts gets a list of them; one that requests
`\\boxed` gets a trace with an answer, usually the same for the same prompt; any other gets a rationale and a problem.
The mathematics is made up. Sentences and problems are those of `phrases.toml`. A token is four characters, so counting
and truncating cost nothing.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from promptcot import domains
from promptcot.core.criteria import RATINGS, Rating
from promptcot.core.parsing.blocks import PLAIN, Blocks, render
from promptcot.mock_server.faults import uniform

TOKEN = 4
"""Characters in a token."""

Kind = Literal["judgement", "blocks", "concepts", "trace"]

_BLOCK = re.compile(r"<!-- BEGIN ([A-Z_]+) -->")
_RATED = re.compile(r"(?P<mark>\[\w+\] )?(?P<label>[^:\n]+): \.\.\.")
_VOTES = (re.compile(r"\bvalid\b"), re.compile(r"\binvalid\b"))
_WANTED = re.compile(r"exactly (\d{1,3}) concepts")
_PHRASES = tomllib.loads(Path(__file__).with_name("phrases.toml").read_text(encoding="utf-8"))
_SENTENCES = tuple(f"{opening}, {ending}." for opening in _PHRASES["openings"] for ending in _PHRASES["endings"])
_PROBLEMS: list[str] = _PHRASES["problems"]
_CONCEPTS = tuple(f"{kind} {thing}" for kind in _PHRASES["kinds"] for thing in _PHRASES["things"])


@dataclass(frozen=True, slots=True)
class Voice:
    """The style of a server's replies: its seed, and the approximate tokens of a reply."""

    seed: int
    tokens: int

    def reply(self, prompt: str, key: bytes) -> str:
        """The whole reply to `prompt` for the call with `key`."""
        kind = kind_of(prompt)
        if kind == "judgement":
            return _judgement(self, prompt, key)
        if kind == "concepts":
            return _concepts(self, prompt, key)
        return _blocks(self, prompt, key) if kind == "blocks" else _trace(self, prompt, key)

    def filler(self, key: bytes, without: int) -> str:
        """Whole sentences, at least one, of about the reply's length minus `without` characters."""
        characters = self.tokens * TOKEN - without
        drawn = hashlib.shake_128(b"%d filler " % self.seed + key).digest(max(characters, 0) // 60 + 2)
        text = " ".join([_SENTENCES[index] for index in drawn])
        return text[: text.rfind(".", 0, max(characters, 0)) + 1] or _SENTENCES[drawn[0]]

    def number(self, purpose: str, key: bytes, below: int) -> int:
        """A whole number from 0 to `below` - 1."""
        return int(uniform(self.seed, purpose, key) * below)


@cache
def contest_labels() -> tuple[str, ...]:
    """The labels in the shipped judges' prompt for mathematics."""
    return tuple(line.label for line in domains.load("math").criteria.lines)


def kind_of(prompt: str) -> Kind:
    """The kind of reply that a prompt requests. Judges' prompts contain problems and their markers, so they are checked
    first.
    """
    if rated(prompt):
        return "judgement"
    if _BLOCK.search(prompt):
        return "blocks"
    if _WANTED.search(prompt):
        return "concepts"
    return "trace" if "\\boxed" in prompt else "blocks"


def rated(prompt: str) -> list[tuple[str, str]]:
    """Mark and label of each line that a judge must write: the last consecutive lines of the form, if any."""
    if ": ...\n" not in f"{prompt}\n":
        return []
    found: list[tuple[str, str]] = []
    for line in reversed(prompt.split("\n")):
        if match := _RATED.fullmatch(line):
            found.append((match["mark"] or "", match["label"]))
        elif found:
            break
    return found[::-1] if len(found) > 1 else []


def asks_for_vote(prompt: str) -> bool:
    """Whether the lines request yes, no or unclear, and valid, invalid or undecided.

    A prompt for ratings has to name all three.
    """
    return all(word.search(prompt) for word in _VOTES) and not all(word in prompt for word in RATINGS)


def count_tokens(text: str) -> int:
    """How many tokens a text has."""
    return -(-len(text) // TOKEN)


def split_tokens(text: str) -> list[str]:
    """The tokens of a text; joined, they are the text."""
    return [text[start : start + TOKEN] for start in range(0, len(text), TOKEN)]


def token_id(token: str) -> int:
    """A number in [0, 2**20); two tokens may share one."""
    return zlib.crc32(token.encode(errors="surrogatepass")) >> 12


def prompt_logprobs(seed: int, model: str, ids: Sequence[int], tokens: Sequence[str]) -> list[dict[str, Any] | None]:
    """vLLM's `prompt_logprobs` of a prompt: null for the first token, then its natural log-probability and rank.

    Where the token is not the likeliest one, that one follows it in the same object, as with vLLM.
    """
    return [None, *(_logprob(seed, model, ids[i - 1], ids[i], tokens[i]) for i in range(1, len(ids)))]


def vector(seed: int, model: str, text: str, dimensions: int) -> NDArray[np.float32]:
    """Array (dimensions,) of length 1 for a text."""
    digest = hashlib.blake2b(f"{seed} {model} {text}".encode(errors="surrogatepass"), digest_size=8).digest()
    drawn = np.random.default_rng(int.from_bytes(digest, "big")).standard_normal(dimensions)
    return (drawn / np.linalg.norm(drawn)).astype(np.float32)


def _logprob(seed: int, model: str, before: int, token: int, decoded: str) -> dict[str, Any]:
    drawn = uniform(seed, "logprob", f"{model} {before} {token}".encode())
    rank = 1 + int(20 * drawn**4)
    entry = {str(token): {"logprob": -0.05 - 8 * drawn**2, "rank": rank, "decoded_token": decoded}}
    if rank > 1:
        entry[str((token + 1) % 2**20)] = {"logprob": -0.04, "rank": 1, "decoded_token": "the"}
    return entry


def _judgement(voice: Voice, prompt: str, key: bytes) -> str:
    lines = rated(prompt)
    words = _vote(voice, prompt, key, len(lines) - 1) if asks_for_vote(prompt) else _verdict(voice, key, lines)
    ending = "\n".join(f"{mark}{label}: {word}" for (mark, label), word in zip(lines, words, strict=True))
    return f"{voice.filler(key, len(ending) + 2)}\n\n{ending}"


def _verdict(voice: Voice, key: bytes, lines: Sequence[tuple[str, str]]) -> list[str]:
    """A rating for each line but the last, and the verdict."""
    labels = tuple(label for _, label in lines)
    ratings = _ratings(voice, key, len(lines) - 1, sparing=labels == contest_labels())
    return [*ratings, "bad" if "bad" in ratings else "acceptable" if "acceptable" in ratings else "perfect"]


def _vote(voice: Voice, prompt: str, key: bytes, count: int) -> list[str]:
    """An answer to each question, and the vote.

    Four of five problems are sound, and nine of ten votes on a problem are correct: the others find a fault in a sound
    one, or miss it.
    """
    about = prompt.encode(errors="surrogatepass")
    sound, errs = voice.number("sound", about, 5) > 0, voice.number("errs", key, 10) == 0
    answers = ["yes"] * count
    if sound == errs:
        answers[voice.number("fault", about, count)] = "no"
    return [*answers, "invalid" if "no" in answers else "valid"]


def _ratings(voice: Voice, key: bytes, count: int, *, sparing: bool) -> list[Rating]:
    """Two fifths are spotless, two fifths have flaws, and the others have a bad rating.

    If the rule of the verdict is unknown, everything has a flaw, so that none can be called perfect; `sparing` ones
    have two, next to each other in the list.
    """
    ratings: list[Rating] = ["perfect"] * count
    quality, place = voice.number("quality", key, 5), voice.number("flaw", key, count)
    if quality == 4:
        ratings[place] = "bad"
    elif quality >= 2 and sparing:
        ratings[place] = ratings[place - 1] = "acceptable"
    elif quality >= 2:
        ratings = ["acceptable"] * count
    return ratings


def _blocks(voice: Voice, prompt: str, key: bytes) -> str:
    """The blocks that a prompt shows, in its order: a problem where one is requested, and sentences for the others."""
    names = [name.lower() for name in dict.fromkeys(_BLOCK.findall(prompt))] or [*PLAIN.names]
    others = [name for name in names if name != PLAIN.problem]
    texts = {} if others == names else {PLAIN.problem: _problem(voice, key)}
    left = voice.tokens * TOKEN - sum(map(len, texts.values())) - 40 * len(names) - 20
    for place, name in enumerate(others):
        own = key + name.encode() if place else key
        texts[name] = voice.filler(own, voice.tokens * TOKEN - left // len(others))
    return render(texts, Blocks(tuple(names)))


def _problem(voice: Voice, key: bytes) -> str:
    numbers = {name: voice.number(name, key, 97) + least for name, least in (("a", 3), ("b", 10), ("c", 5))}
    return _PROBLEMS[voice.number("problem", key, len(_PROBLEMS))].format(**numbers)


def _concepts(voice: Voice, prompt: str, key: bytes) -> str:
    """As many as requested, if there are enough; some are more frequent than others, like real ones."""
    wanted = _WANTED.search(prompt)
    n = min(int(wanted[1]) if wanted else 1, len(_CONCEPTS))
    drawn = sorted(_CONCEPTS, key=lambda one: uniform(voice.seed, one, key) ** (1 + _CONCEPTS.index(one) % 4))
    return f"{voice.filler(key, 100)}\n\n```python\n{json.dumps(drawn[:n])}\n```"


def _trace(voice: Voice, prompt: str, key: bytes) -> str:
    """Seven of ten traces give the answer that belongs to the prompt."""
    agrees = voice.number("agrees", key, 10) < 7
    answer = voice.number("answer", prompt.encode(errors="surrogatepass") if agrees else key, 1000)
    ending = f"</think>\n\nThe computation above leaves one value, so the final answer is \\boxed{{{answer}}}."
    return f"<think>\n{voice.filler(key, len(ending) + 9)}\n{ending}"

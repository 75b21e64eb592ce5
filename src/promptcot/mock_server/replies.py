"""What the mock server says: texts, tokens, log-probabilities and vectors, all pure functions of a key.

A prompt that names all lines of a judgement gets ratings and the verdict that follows from them, with the mark that it
asks for; one that shows the markers of a problem gets a rationale and a problem, and one that shows those of a
rationale only a rationale; one that asks for so many concepts gets a list of them; one that asks for `\\boxed` gets a
trace with an answer, most often the same one for the same prompt; any other gets a rationale and a problem too. The
mathematics in it is made up. Sentences and problems are those of `phrases.toml`.

A token is four characters, so that counting and cutting cost nothing.
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

from promptcot import prompts
from promptcot.core.criteria import Criteria, Rating, recompute
from promptcot.core.parsing.rationale import render
from promptcot.mock_server.faults import uniform

TOKEN = 4
"""Characters in a token."""

Kind = Literal["judgement", "problem", "rationale", "concepts", "trace"]

_MARKER = "<!-- BEGIN PROBLEM -->"
_RATIONALE = ("<!-- BEGIN RATIONALE -->", "<!-- END RATIONALE -->")
_OWN_MARK = re.compile(r"^(\[\w+\] )[^:\n]+: \.\.\.$", re.MULTILINE)
_WANTED = re.compile(r"exactly (\d{1,3}) concepts")
_PHRASES = tomllib.loads(Path(__file__).with_name("phrases.toml").read_text(encoding="utf-8"))
_SENTENCES = tuple(f"{opening}, {ending}." for opening in _PHRASES["openings"] for ending in _PHRASES["endings"])
_PROBLEMS: list[str] = _PHRASES["problems"]
_CONCEPTS = tuple(f"{kind} {thing}" for kind in _PHRASES["kinds"] for thing in _PHRASES["things"])


@dataclass(frozen=True, slots=True)
class Voice:
    """A server's way to speak: its seed, and about how many tokens a reply has."""

    seed: int
    tokens: int

    def reply(self, prompt: str, key: bytes) -> str:
        """The whole reply to `prompt` of the call known by `key`."""
        kind = kind_of(prompt)
        if kind == "judgement":
            return _judgement(self, prompt, key, math_criteria())
        if kind == "rationale":
            return "\n".join([_RATIONALE[0], self.filler(key, 60), _RATIONALE[1]])
        if kind == "concepts":
            return _concepts(self, prompt, key)
        return _problem(self, key) if kind == "problem" else _trace(self, prompt, key)

    def filler(self, key: bytes, without: int) -> str:
        """Whole sentences, at least one, of about the reply's length less `without` characters."""
        characters = self.tokens * TOKEN - without
        drawn = hashlib.shake_128(b"%d filler " % self.seed + key).digest(max(characters, 0) // 60 + 2)
        text = " ".join([_SENTENCES[index] for index in drawn])
        return text[: text.rfind(".", 0, max(characters, 0)) + 1] or _SENTENCES[drawn[0]]

    def number(self, purpose: str, key: bytes, below: int) -> int:
        """A whole number from 0 to `below` - 1."""
        return int(uniform(self.seed, purpose, key) * below)


@cache
def math_criteria() -> Criteria:
    """The criteria that the shipped judges' prompt for mathematics names."""
    return prompts.load("math").criteria


def kind_of(prompt: str) -> Kind:
    """What a prompt asks for. Judges' prompts hold problems and their markers, so they are looked for first."""
    criteria = math_criteria()
    if criteria.verdict.label in prompt and all(line.label in prompt for line in criteria.ratings):
        return "judgement"
    if _MARKER in prompt:
        return "problem"
    if _RATIONALE[0] in prompt:
        return "rationale"
    if _WANTED.search(prompt):
        return "concepts"
    return "trace" if "\\boxed" in prompt else "problem"


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


def _judgement(voice: Voice, prompt: str, key: bytes, criteria: Criteria) -> str:
    ratings = _ratings(voice, key, criteria)
    *_, mark = ["", *_OWN_MARK.findall(prompt)]
    lines = [f"{mark}{line.label}: {ratings[line.key]}" for line in criteria.ratings]
    lines.append(f"{mark}{criteria.verdict.label}: {recompute(ratings, criteria)}")
    ending = "\n".join(lines)
    return f"{voice.filler(key, len(ending) + 2)}\n\n{ending}"


def _ratings(voice: Voice, key: bytes, criteria: Criteria) -> dict[str, Rating]:
    """Two fifths are spotless, as many have two flaws, next to each other in the list, and the others a bad one."""
    keys = [line.key for line in criteria.ratings]
    ratings: dict[str, Rating] = dict.fromkeys(keys, "perfect")
    quality, place = voice.number("quality", key, 5), voice.number("flaw", key, len(keys))
    if quality == 4:
        ratings[keys[place]] = "bad"
    elif quality >= 2:
        ratings[keys[place]] = ratings[keys[place - 1]] = "acceptable"
    return ratings


def _problem(voice: Voice, key: bytes) -> str:
    numbers = {name: voice.number(name, key, 97) + least for name, least in (("a", 3), ("b", 10), ("c", 5))}
    problem = _PROBLEMS[voice.number("problem", key, len(_PROBLEMS))].format(**numbers)
    return render(voice.filler(key, len(problem) + 100), problem)


def _concepts(voice: Voice, prompt: str, key: bytes) -> str:
    """As many as are asked for, if there are so many; some come up more often than others, as real ones do."""
    wanted = _WANTED.search(prompt)
    n = min(int(wanted[1]) if wanted else 1, len(_CONCEPTS))
    drawn = sorted(_CONCEPTS, key=lambda one: uniform(voice.seed, one, key) ** (1 + _CONCEPTS.index(one) % 4))
    return f"{voice.filler(key, 100)}\n\n```python\n{json.dumps(drawn[:n])}\n```"


def _trace(voice: Voice, prompt: str, key: bytes) -> str:
    """Seven traces of ten give the answer that belongs to the prompt."""
    agrees = voice.number("agrees", key, 10) < 7
    answer = voice.number("answer", prompt.encode(errors="surrogatepass") if agrees else key, 1000)
    ending = f"</think>\n\nThe computation above leaves one value, so the final answer is \\boxed{{{answer}}}."
    return f"<think>\n{voice.filler(key, len(ending) + 9)}\n{ending}"

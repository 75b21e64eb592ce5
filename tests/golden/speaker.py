"""A server in OpenAI's protocol for golden runs: its replies and faults are pure functions of the call.

It shares no code with the package, so its replies do not change with the package. Models whose name begins
with `faulty` fail at times: for a moment (429, 500, 503, 408, JSON that ends in the middle), or for good (refused
content, an over-long prompt). Many replies cannot be read, and each in its own way.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

_NOT_IN_KEY = ("max_tokens", "stream", "stream_options")
_NEUTRAL = {"top_p": 1.0, "repetition_penalty": 1.0}
_DIMENSIONS = 8
_RATINGS = ("Format", "Factual Accuracy", "Difficulty Alignment", "Concept Coverage", "Solvability")
_CRITERIA = ("Terms Defined", "Conditions Consistent", "Conditions Sufficient", "Single Question", "Unique Answer")
_CONCEPTS = (
    "counting in two ways",
    "Vieta’s formulas",
    "modular arithmetic",
    "power of a point",
    "telescoping sums",
    "the pigeonhole principle",
    "Catalan numbers",
    "homothety",
    "the AM–GM inequality",
    "infinite descent",
)
_REFUSALS = (
    (400, "This prompt was flagged by our moderation."),
    (400, "This prompt is too long: 9000 tokens."),
    (422, "A field that nobody understands."),
)

Answer = tuple[str, str]
"""A text, and why it ended."""


def drawn(purpose: str, key: str, below: int) -> int:
    """A whole number from 0 to `below` - 1, the same whenever the arguments are."""
    digest = hashlib.blake2b(f"{purpose}\0{key}".encode(errors="surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") % below


def reply(prompt: str, key: str) -> Answer:
    """What is said to a prompt."""
    if prompt.rstrip().endswith("Ratings:") or "Final Judgement:" in prompt:
        return _judgement(key)
    if "valid, invalid or undecided" in prompt:
        return _vote(prompt, key)
    if "<!-- BEGIN PROBLEM -->" in prompt:
        return _problem(key)
    if "<!-- BEGIN RATIONALE -->" in prompt:
        return _rationale(key)
    if wanted := re.search(r"exactly (\d+) concepts", prompt):
        return _concepts(key, int(wanted[1]))
    return _trace(prompt, key) if "\\boxed" in prompt else _problem(key)


def _marked(name: str, text: str) -> str:
    return f"<!-- BEGIN {name} -->\n{text}\n<!-- END {name} -->"


def _problem(key: str) -> Answer:
    a, b = 2 + drawn("a", key, 90), 2 + drawn("b", key, 9)
    rationale = _marked("RATIONALE", f"Take {a} and {b}: since {a} ≥ 2, “nothing” is lost.")
    problem = _marked("PROBLEM", f"Find the remainder of ${a}^{{{b}}}$ divided by {b + 3}.")
    good = f"{rationale}\n{problem}"
    odd = (
        (f"<think>\nTry {a}.\n</think>\n{good}", "stop"),
        (f"Here it is.\r\n\r\n{good}\r\nGood luck!", "stop"),
        (good.removesuffix("<!-- END PROBLEM -->"), "stop"),
        (f"{rationale}\n{_marked('PROBLEM', ' ')}", "stop"),
        ("", "stop"),
        (f"<think>\nTry {a} and never end.", "stop"),
        (f"{good}\n{problem}", "stop"),
        (good[: 30 + a], "length"),
        (f"Half a pair: \ud83d, and no problem, {a}.", "stop"),
    )
    form = drawn("form", key, 3 * len(odd))
    return odd[form] if form < len(odd) else (good, "stop")


def _judgement(key: str) -> Answer:
    words = ["perfect"] * 5
    verdict = "perfect"
    form = drawn("form", key, 30)
    if form in (0, 1):
        words[0] = words[2] = words[3] = verdict = "acceptable"
    if form in (2, 3):
        words[4] = verdict = "bad"
    if form == 4:
        verdict = "acceptable"  # which does not follow
    if form == 5:
        words[1] = "perfect or acceptable"
    lines = [f"{label}: {word}" for label, word in zip((*_RATINGS, "Final Judgement"), (*words, verdict), strict=True)]
    text = "\n".join(lines)
    odd = {
        6: ("\n".join(f"- **{line}**" for line in lines), "stop"),
        7: ("\n".join(lines[:3] + lines[4:]), "stop"),
        8: (f"{text}\nFormat: bad", "stop"),
        9: (text[:40], "length"),
        10: ("I cannot rate this.", "stop"),
        11: ("", "stop"),
        12: (f"<think>\n{lines[0]}\n</think>\n{text}\n\nWell done, {drawn('n', key, 99)}.", "stop"),
    }
    return odd.get(form, (f"It was looked at {drawn('n', key, 99)} times.\n\n{text}", "stop"))


def _vote(prompt: str, key: str) -> Answer:
    words, verdict = ["yes"] * 5, "valid"
    form = drawn("form", key, 24)
    if drawn("sound", prompt, 4) == 0:
        words[drawn("fault", prompt, 5)], verdict = "no", "invalid"
    if form in (0, 1):
        words[4], verdict = "unclear", "undecided"  # which follows only where nothing is wrong
    if form == 2:
        verdict = "undecided"  # which does not follow
    lines = [f"{label}: {word}" for label, word in zip((*_CRITERIA, "Final Verdict"), (*words, verdict), strict=True)]
    text = "\n".join(lines)
    odd = {3: (text[:60], "length"), 4: ("I cannot verify this.", "stop"), 5: ("", "stop"), 6: (f"> {text}", "stop")}
    return odd.get(form, (f"It was looked at {drawn('n', key, 99)} times.\n\n{text}", "stop"))


def _rationale(key: str) -> Answer:
    good = _marked("RATIONALE", f"The data are chosen so that {drawn('n', key, 99)} cases remain.")
    odd = (
        (f"<think>\nwhy?\n</think>\n\n{good}", "stop"),
        (f"{good}\n{_marked('PROBLEM', 'Find it.')}", "stop"),
        (good[:40], "length"),
        ("", "stop"),
        (_marked("RATIONALE", ""), "stop"),
    )
    form = drawn("form", key, 3 * len(odd))
    return odd[form] if form < len(odd) else (good, "stop")


def _concepts(key: str, wanted: int) -> Answer:
    first = drawn("first", key, len(_CONCEPTS))
    found = [_CONCEPTS[(first + step) % len(_CONCEPTS)] for step in range(wanted)]
    odd = (
        ("Concepts:\n" + "\n".join(f"{n}. {one}" for n, one in enumerate(found, 1)), "stop"),
        (f"```python\n{json.dumps(found[1:])}\n```", "stop"),
        (f"```python\n{json.dumps(found[:-1] + found[:1])}\n```", "stop"),
        ("I see none.", "stop"),
        ("```python\n[", "length"),
    )
    form = drawn("form", key, 3 * len(odd))
    return odd[form] if form < len(odd) else (f"First …\n\n```python\n{json.dumps(found)}\n```", "stop")


def answer_to(problem: str) -> int:
    """What most traces of a problem come to."""
    return 2 * drawn("answer", problem, 40)


def _trace(prompt: str, key: str) -> Answer:
    answer = answer_to(prompt.splitlines()[0])
    form = drawn("form", key, 24)
    boxed = {5: f"{answer}.0", 6: f"\\frac{{{2 * answer}}}{{2}}", 7: str(answer + 1), 8: str(answer + 3)}
    start = "" if prompt.rstrip().endswith("<think>") else "<think>\n"
    end = f"</think>\n\nSo it is $\\boxed{{{boxed.get(form, answer)}}}$."
    thought = f"{start}Step {drawn('step', key, 999)}: 1 + 1 ≠ 3.\n"
    odd = {
        9: (thought, "length"),
        10: (f"{thought}</think>\nIt has no answer.", "stop"),
        11: (f"{thought}{end}\n{end}", "stop"),
        12: (f"{thought}and on and on: \\boxed{{{answer}}}", "stop"),
        13: (f"{thought}</think>\n\nThe answer is {answer}", "stop"),
    }
    return odd.get(form, (thought + end, "stop"))


def _vector(model: str, text: str) -> list[float]:
    """Whole numbers, so that no machine rounds them."""
    return [float(drawn(f"{model} {place}", text, 41) - 20) for place in range(_DIMENSIONS)]


class Speaker(ThreadingHTTPServer):
    """The server. It remembers how often a call met a fault; `forget` lets it begin anew."""

    daemon_threads = True
    request_queue_size = 1024  # many clients at once; whoever finds no place waits for a second

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self._met: Counter[str] = Counter()
        self.heard: Counter[str] = Counter()
        """How many texts were asked for, by the key that came with the request."""
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that leaves is nobody's mistake."""

    def forget(self) -> None:
        """Let every call meet its faults again."""
        with self._lock:
            self._met.clear()

    def hear(self, key: str) -> None:
        """Count a request for a text."""
        with self._lock:
            self.heard[key] += 1

    def fault(self, key: str) -> int:
        """Which fault of the moment a call meets now, from 0; a higher number than there are faults is none."""
        with self._lock:
            found = drawn(f"fault {self._met[key]}", key, 40) if self._met[key] < 2 else 40
            self._met[key] += 1
        return found


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm: ClassVar[bool] = True
    server: Speaker

    def log_message(self, *words: Any) -> None:
        """Nobody reads it."""

    def do_GET(self) -> None:
        self._send(200, json.dumps({"data": [{"id": "calm"}]}))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        known_by = {name: value for name, value in body.items() if name not in _NOT_IN_KEY}
        if "input" not in body:
            self.server.hear(self.headers.get("Authorization", ""))
        told = {name: value for name, value in known_by.items() if _NEUTRAL.get(name) != value}
        key = json.dumps(told, sort_keys=True)
        whole = json.dumps(_embedded(body) if self.path.endswith("/embeddings") else _completed(body, key))
        if body["model"].startswith("faulty") and self._failed(key, whole):
            return
        refused = drawn("refused", key, 30) if body["model"].startswith("faulty") and "input" not in body else 30
        if refused < len(_REFUSALS):
            status, message = _REFUSALS[refused]
            self._send(status, json.dumps({"error": {"message": message}}))
        else:
            self._send(200, whole)

    def _failed(self, key: str, whole: str) -> bool:
        """Whether the call met a fault of the moment. HTML is none: as a first answer, it ends the run."""
        faults = (
            (429, '{"error": {"message": "Too many requests."}}', "application/json"),
            (500, '{"error": {"message": "It broke."}}', "application/json"),
            (503, '{"error": {"message": "It is busy."}}', "application/json"),
            (408, '{"error": {"message": "It took too long."}}', "application/json"),
            (200, whole[: len(whole) // 2], "application/json"),
        )
        fault = self.server.fault(key)
        if fault >= len(faults):
            return False
        self._send(*faults[fault])
        return True

    def _send(self, status: int, text: str, kind: str = "application/json") -> None:
        content = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        if status == 429:
            self.send_header("Retry-After", "0")
        self.end_headers()
        self.wfile.write(content)


def _embedded(body: dict[str, Any]) -> dict[str, Any]:
    data = [{"index": place, "embedding": _vector(body["model"], text)} for place, text in enumerate(body["input"])]
    return {"data": data}


def _completed(body: dict[str, Any], key: str) -> dict[str, Any]:
    chat = "messages" in body
    prompt = body["messages"][-1]["content"] if chat else body["prompt"]
    filtered = body["model"].startswith("faulty") and drawn("filtered", key, 25) == 0
    text, reason = ("", "content_filter") if filtered else reply(prompt, key)
    usage = {"prompt_tokens": len(prompt) // 4, "completion_tokens": len(text) // 4}
    said = {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
    return {"choices": [{"index": 0, **said, "finish_reason": reason}], "usage": usage}


@contextmanager
def speaking() -> Iterator[Speaker]:
    """A server in a thread of this process."""
    with Speaker() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()

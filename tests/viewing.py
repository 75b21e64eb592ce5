"""A small run for tests of the viewer, and a browser's requests without a browser."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import uvicorn

from promptcot.records import Row
from promptcot.viewer.app import Viewer
from promptcot.viewer.guard import Guard
from promptcot.viewer.serving import listening_at
from promptcot.viewer.shelf import Shelf

HOSTILE = (
    "<script>document.title='pwned'</script><img src=x onerror=\"document.title='pwned'\">"
    "<a href=\"javascript:document.title='pwned'\">click</a></style></math></textarea></script> $x^2$"
)


def problem(number: int, **fields: Any) -> Row:
    """What `generate` writes of a problem."""
    return {
        "id": f"p{number}",
        "foundational_concepts": ["primes", "divisors" if number % 2 else "greatest common divisor"],
        "level": "AIME" if number % 2 else "AMC12",
        "problem": f"Find the prime number {number} of $p_{{{number}}}$.",
        "rationale": f"Thoughts about number {number}.",
        **fields,
    }


def write(path: Path, rows: list[Row], mode: str = "w") -> None:
    with path.open(mode) as file:
        file.writelines(json.dumps(row, separators=(",", ":")) + "\n" for row in rows)


def write_run(folder: Path, count: int = 10, **changes: Row) -> Path:
    """A finished run of `count` problems: a fifth is dropped by the filter, one has no answer. `changes` are by id."""
    folder.mkdir(parents=True, exist_ok=True)
    made = [{**problem(number), **changes.get(f"p{number}", {})} for number in range(count)]
    is_bad = {row["id"] for number, row in enumerate(made) if number % 5 == 4}
    judged = [
        {**row, "judge": "a", "judgement": "bad" if row["id"] in is_bad else "perfect", "completion": "Fine."}
        for row in made
    ]
    kept = [row for row in made if row["id"] not in is_bad]
    labelled = [
        {**row, "answer": str(number), "agreement": number / count, "pass_rate": 0.5, "n": 8}
        for number, row in enumerate(kept)
    ]
    write(folder / "generate.jsonl", made)
    write(folder / "judge-a.jsonl", judged)
    write(folder / "filter.jsonl", kept)
    write(folder / "filter.dropped.jsonl", [{**row, "reason": "bad"} for row in made if row["id"] in is_bad])
    write(folder / "label.jsonl", labelled[1:])
    write(folder / "label.dropped.jsonl", [{**labelled[0], "answer": None, "reason": "unlabelled: tie"}])
    write(folder / "set.jsonl", labelled[1:])
    stages = {name: {} for name in ("generate", "judge-a", "filter", "label")}
    (folder / "summary.json").write_text(json.dumps({"format": 1, "stages": stages}))
    return folder


class _Live(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag in ("img", "iframe", "object", "embed", "base") or (tag == "script" and given != _OWN_SCRIPT):
            self.found.append(self.get_starttag_text() or tag)
        if any(name.startswith("on") or "javascript:" in value for name, value in given.items() if name != "value"):
            self.found.append(self.get_starttag_text() or tag)


_OWN_SCRIPT = {"src": "/view.js", "defer": ""}


def live(page: str) -> list[str]:
    """The elements of a page that could run or load something that is not ours."""
    parser = _Live()
    parser.feed(page)
    return parser.found


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    text: str


@dataclass
class Client:
    """Asks a server as a browser does that keeps cookies; `headers` go with every request."""

    port: int
    headers: dict[str, str] = field(default_factory=dict)
    cookies: dict[str, str] = field(default_factory=dict)

    def ask(self, method: str, path: str, body: str | None = None, **headers: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        sent = {name.replace("_", "-"): value for name, value in {**self.headers, **headers}.items()}
        sent |= {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())} if self.cookies else {}
        sent |= {"Content-Type": "application/x-www-form-urlencoded"} if body is not None else {}
        connection.request(method, path, body, sent)
        response = connection.getresponse()
        for line in response.headers.get_all("Set-Cookie") or ():
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies[name] = value
        answer = Answer(response.status, response.headers, response.read().decode())
        connection.close()
        return answer

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, **headers)

    def post(self, path: str, fields: Mapping[str, str], **headers: str) -> Answer:
        return self.ask("POST", path, urlencode(fields), **headers)

    def csrf(self) -> str:
        """What the forms of this session hold."""
        return self.get("/").text.partition('name="csrf" value="')[2].partition('"')[0]


@contextmanager
def serving(run: Path, reviewer: str = "ada", port: int = 0) -> Iterator[tuple[Guard, Client]]:
    """A server over a run in a thread of its own, and a client that has opened its address."""
    shelf, listening = Shelf(run), listening_at("127.0.0.1", port)
    guard = Guard("127.0.0.1", listening.getsockname()[1])
    app = Viewer(shelf, guard, reviewer).app()
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    client = Client(guard.port)
    try:
        assert client.get("/open/" + guard.token).status == 303
        yield guard, client
    finally:
        server.should_exit = True
        thread.join(30)
        listening.close()
        shelf.close()

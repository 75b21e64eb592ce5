"""A stand-in for the Hugging Face Hub: as much of its API as uploads and downloads need, in memory, and with faults.

It behaves as the client expects (huggingface_hub 2.4: `hf_api.py`, `_commit_api.py`, `lfs.py`, `file_download.py`):
a commit is whole or not, needs its large files uploaded before, and is refused where its parent is not the head.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

TOKEN = "hf_" + "stand1in" * 4
_LARGE = (".parquet", ".bin", ".safetensors")
_REPO = r"(?P<kind>datasets|models)/(?P<name>[^/]+/[^/]+)"


@dataclass
class Repository:
    """The files of the head, by path, and how many commits led there."""

    private: bool
    files: dict[str, bytes] = field(default_factory=dict)
    commits: int = 1

    @property
    def sha(self) -> str:
        told = repr((self.commits, sorted(self.files.items())))
        return hashlib.sha1(told.encode(), usedforsecurity=False).hexdigest()


@dataclass
class Fault:
    """What happens instead of an answer, so many `times`, to requests whose `METHOD /path` matches `where`.

    `what` is a status; "cut" reads a part of the body and hangs up; "lost" does the work and hangs up; a function is
    called before the work is done.
    """

    where: str
    what: int | str | Callable[[], None]
    times: int = 1
    headers: dict[str, str] = field(default_factory=dict)


class Hub:
    """What the stand-in holds, and all that it was asked: `METHOD /path`."""

    def __init__(self) -> None:
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.large: dict[str, bytes] = {}
        self.faults: list[Fault] = []
        self.asked: list[str] = []
        self.tokens = {TOKEN}
        self.url = ""
        self.lock = threading.RLock()
        self.busy = 0
        """Requests that are being answered."""

    def add(self, name: str, files: dict[str, bytes], kind: str = "datasets", *, private: bool = True) -> Repository:
        """A repository that is there already."""
        repository = Repository(private, {".gitattributes": b"", **files})
        self.repositories[kind, name] = repository
        for content in files.values():
            self.large[hashlib.sha256(content).hexdigest()] = content
        return repository

    def files(self, name: str, kind: str = "datasets") -> dict[str, bytes]:
        """The files of a repository, without the Hub's own."""
        found = self.repositories[kind, name].files
        return {path: content for path, content in found.items() if path != ".gitattributes"}

    def count(self, pattern: str) -> int:
        """How many requests match."""
        return sum(re.search(pattern, one) is not None for one in self.asked)

    def fault(self, request: str) -> Fault | None:
        with self.lock:
            self.asked.append(request)
            for one in self.faults:
                if one.times > 0 and re.search(one.where, request):
                    one.times -= 1
                    return one
        return None


@contextmanager
def hub() -> Iterator[Hub]:
    """A stand-in that answers as long as the block runs."""
    state = Hub()
    handler = type("Handler", (_Handler,), {"hub": state})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    """One request."""

    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def _do(self) -> None:
        with self.hub.lock:
            self.hub.busy += 1
        try:
            self._one()
        finally:
            with self.hub.lock:
                self.hub.busy -= 1

    def _one(self) -> None:
        self.path_only = unquote(urlsplit(self.path).path)
        request = f"{self.command} {self.path_only}"
        fault = self.hub.fault(request)
        length = int(self.headers.get("Content-Length") or 0)
        if fault is not None and fault.what == "cut":
            self.rfile.read(min(length, 1000))
            self._hang_up()
            return
        self.body = self._chunked() if self.headers.get("Transfer-Encoding") else self.rfile.read(length)
        if fault is not None and callable(fault.what):
            fault.what()
        if fault is not None and isinstance(fault.what, int):
            self._send(fault.what, {"error": f"the stand-in says {fault.what}"}, **fault.headers)
            return
        with self.hub.lock:
            status, answer, headers = self._answer()
        if fault is not None and fault.what == "lost":
            self._hang_up()
            return
        self._send(status, answer, **headers)

    do_GET = do_POST = do_PUT = do_HEAD = _do

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.close()

    def _chunked(self) -> bytes:
        pieces = []
        while size := int(self.rfile.readline(), 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def _send(self, status: int, answer: Any, **headers: str) -> None:
        content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        try:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)
        except OSError:
            self.close_connection = True  # whoever asked is gone

    def _answer(self) -> tuple[int, Any, dict[str, str]]:
        for method, pattern, answer in _ROUTES:
            if method == self.command and (found := re.fullmatch(pattern, self.path_only)):
                free = answer in ("_store", "_yaml", "_resolve")
                if not free and self.headers.get("Authorization", "").removeprefix("Bearer ") not in self.hub.tokens:
                    return 401, {"error": "Invalid credentials"}, {}
                status, told, *more = getattr(self, answer)(**found.groupdict())
                return status, told, more[0] if more else {}
        return 404, {"error": f"the stand-in has no {self.command} {self.path_only}"}, {}

    def _json(self) -> Any:
        return json.loads(self.body)

    def _repository(self, kind: str, name: str) -> Repository | None:
        return self.hub.repositories.get((kind, name))

    def _who(self) -> Any:
        return 200, {"name": "me", "type": "user", "orgs": [], "auth": {}}

    def _yaml(self) -> Any:
        return 200, {"errors": [], "warnings": []}

    def _create(self) -> Any:
        told = self._json()
        name = f"{told.get('organization') or 'me'}/{told['name']}"
        kind = f"{told.get('type') or 'model'}s"
        if (kind, name) in self.hub.repositories:
            return 409, {"error": "You already created this repo"}
        self.hub.add(name, {}, kind, private=told.get("private") or told.get("visibility") == "private")
        return 200, {"url": f"{self.hub.url}/{kind}/{name}", "name": name, "id": name}

    def _info(self, kind: str, name: str) -> Any:
        repository = self._repository(kind, name)
        if repository is None:
            return 404, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"}
        siblings = [{"rfilename": path} for path in repository.files]
        told = {"id": name, "sha": repository.sha, "private": repository.private, "siblings": siblings, "tags": []}
        return 200, {**told, "downloads": 0, "likes": 0, "gated": False, "disabled": False}

    def _tree(self, kind: str, name: str, folder: str | None = None) -> Any:
        repository = self._repository(kind, name)
        if repository is None:
            return 404, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"}
        return 200, [
            _entry(path, content) for path, content in repository.files.items() if path.startswith(folder or "")
        ]

    def _paths(self, kind: str, name: str) -> Any:
        repository = self._repository(kind, name)
        assert repository is not None
        wanted = self._json()["paths"]
        return 200, [_entry(path, repository.files[path]) for path in wanted if path in repository.files]

    def _modes(self, kind: str, name: str) -> Any:
        repository = self._repository(kind, name)
        if repository is None:
            return 404, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"}
        return 200, {"files": [self._mode(one["path"], repository) for one in self._json()["files"]]}

    def _mode(self, path: str, repository: Repository) -> dict[str, Any]:
        entry = _entry(path, repository.files[path]) if path in repository.files else {}
        mode = "lfs" if path.endswith(_LARGE) else "regular"
        return {"path": path, "uploadMode": mode, "shouldIgnore": False, "oid": entry.get("oid")}

    def _batch(self) -> Any:
        objects = [dict(one) for one in self._json()["objects"]]
        for one in objects:
            if one["oid"] not in self.hub.large:
                one["actions"] = {"upload": {"href": f"{self.hub.url}/large/{one['oid']}?X-Signature=secret"}}
        return 200, {"transfer": "basic", "objects": objects}

    def _store(self, digest: str) -> Any:
        if hashlib.sha256(self.body).hexdigest() != digest:
            return 400, {"error": "not the content of this hash"}
        self.hub.large[digest] = self.body
        return 200, {}

    def _commit(self, kind: str, name: str) -> Any:
        repository = self._repository(kind, name)
        if repository is None:
            return 404, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"}
        lines = [json.loads(line) for line in self.body.splitlines()]
        parent = next(one["value"].get("parentCommit") for one in lines if one["key"] == "header")
        if parent not in (None, repository.sha):
            return 412, {"error": "A commit has happened since. Please refresh and try again."}
        files = dict(repository.files)
        for one in lines:
            value = one["value"]
            if one["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif one["key"] == "lfsFile":
                if value["oid"] not in self.hub.large:
                    return 400, {"error": f"{value['path']} was not uploaded"}
                files[value["path"]] = self.hub.large[value["oid"]]
            elif one["key"] == "deletedFile":
                del files[value["path"]]
        repository.files, repository.commits = files, repository.commits + 1
        return 200, {"commitUrl": f"{self.hub.url}/{name}/commit/{repository.sha}", "commitOid": repository.sha}

    def _resolve(self, name: str, path: str, kind: str | None = None) -> Any:
        repository = self._repository("datasets" if kind else "models", name)
        if repository is None or path not in repository.files:
            return 404, {"error": "Entry not found"}, {"X-Error-Code": "EntryNotFound"}
        content = repository.files[path]
        return 200, content, {"ETag": f'"{_git(content)}"', "X-Repo-Commit": repository.sha, "Accept-Ranges": "none"}


_ROUTES = [
    ("GET", r"/api/whoami-v2", "_who"),
    ("POST", r"/api/validate-yaml", "_yaml"),
    ("POST", r"/api/repos/create", "_create"),
    ("GET", rf"/api/{_REPO}(?:/revision/[^/]+)?", "_info"),
    ("GET", rf"/api/{_REPO}/tree/[^/]+(?:/(?P<folder>.*))?", "_tree"),
    ("POST", rf"/api/{_REPO}/paths-info/[^/]+", "_paths"),
    ("POST", rf"/api/{_REPO}/preupload/[^/]+", "_modes"),
    ("POST", rf"/api/{_REPO}/commit/[^/]+", "_commit"),
    ("POST", r"/.+\.git/info/lfs/objects/batch", "_batch"),
    ("PUT", r"/large/(?P<digest>[0-9a-f]{64})", "_store"),
    ("GET", r"/(?P<kind>datasets/)?(?P<name>[^/]+/[^/]+)/resolve/[^/]+/(?P<path>.+)", "_resolve"),
    ("HEAD", r"/(?P<kind>datasets/)?(?P<name>[^/]+/[^/]+)/resolve/[^/]+/(?P<path>.+)", "_resolve"),
]


def _git(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _entry(path: str, content: bytes) -> dict[str, Any]:
    """A file as the list of a tree has it."""
    told: dict[str, Any] = {"type": "file", "path": path, "size": len(content), "oid": _git(content)}
    if path.endswith(_LARGE):
        told["lfs"] = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 134}
    return told


@contextmanager
def hub_of_the_client(monkeypatch: pytest.MonkeyPatch, home: Path) -> Iterator[Hub]:
    """A stand-in that the client of the Hub takes for the Hub, with a token that it accepts."""
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with hub() as made:
        monkeypatch.setenv("HF_ENDPOINT", made.url)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        monkeypatch.setenv("HF_HOME", str(home))
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)  # read when the library was loaded
        monkeypatch.setattr("huggingface_hub._commit_api.is_xet_available", lambda: False)
        yield made

"""Ways in which an API key can leak: a server repeats it, or a user types it in the wrong place.

Each way is a command line, and for those of a server what it answers; `found` searches everything that was written and
printed for the key in any form. Used by `test_leaks.py`; add a way by adding a line to a table.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import zstandard

KEY = "sk-L3AKSECRET-0123456789abcdefXYZw"
"""What must be found nowhere."""

Answer = tuple[int, Mapping[str, str], bytes]
_JSON = {"Content-Type": "application/json"}


def reply(text: Any = "The answer is \\boxed{4}.", reason: Any = "stop", **more: Any) -> Answer:
    """A chat completion; `more` is put into its message."""
    message = {"role": "assistant", "content": text, **more}
    body = {"choices": [{"index": 0, "message": message, "finish_reason": reason}], "usage": {}}
    return 200, _JSON, json.dumps(body).encode()


def error(status: int, message: Any, **more: Any) -> Answer:
    """An error in OpenAI's form."""
    return status, _JSON, json.dumps({"error": {"message": message, **more}}).encode()


def _events(*pieces: str) -> Answer:
    chunks = [{"choices": [{"index": 0, "delta": {"content": piece}}]} for piece in pieces]
    ends: list[Any] = [*chunks, {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}]
    body = "".join(f"data: {json.dumps(one)}\n\n" for one in ends) + "data: [DONE]\n\n"
    return 200, {"Content-Type": "text/event-stream"}, body.encode()


_64 = base64.b64encode(f"user:{KEY}".encode()).decode()
_ESCAPED = "".join(f"\\u{ord(letter):04x}" for letter in KEY)

SERVERS: dict[str, Answer] = {
    "text": reply(f"My key is {KEY}. \\boxed{{4}}"),
    "text cut": reply(f"My key is {KEY[:9]}"),
    "text cut in front": reply(f"It ends in {KEY[-12:]}. \\boxed{{4}}"),
    "text in base64": reply(f"Basic {_64} \\boxed{{4}}"),
    "text percent-encoded": reply(f"?key={quote(KEY, safe='')}& \\boxed{{4}}"),
    "text as bearer": reply(f"Authorization: Bearer {KEY}\\boxed{{4}}"),
    "text with JSON's escapes": (200, _JSON, reply("HERE")[2].replace(b"HERE", _ESCAPED.encode())),
    "text in parts": reply([{"type": "text", "text": "key "}, {"type": "text", "text": KEY}]),
    "thinking": reply("\\boxed{4}", reasoning_content=f"The key {KEY} was sent."),
    "refusal": reply(None, "content_filter", refusal=f"no, {KEY}"),
    "finish reason": reply(reason=KEY),
    "finish reason as a list": reply(reason=[KEY]),
    "no message": (200, _JSON, json.dumps({"choices": [{"message": {KEY: KEY}, "finish_reason": KEY}]}).encode()),
    "name of a field": (200, _JSON, json.dumps({KEY: KEY, "choices": KEY}).encode()),
    "usage": (200, _JSON, reply()[2].replace(b'"usage": {}', json.dumps({"usage": {KEY: KEY}}).encode()[1:-1])),
    "other fields": (200, _JSON, reply()[2].replace(b"{", f'{{"id": "{KEY}", "model": "{KEY}", '.encode(), 1)),
    "stream": _events(f"it is {KEY} \\boxed{{4}}"),
    "stream in pieces": _events("it is ", KEY[:6], KEY[6:], " \\boxed{4}"),
    "page": (200, {"Content-Type": "text/html"}, f"<html>Authorization: {KEY}</html>".encode()),
    "page with an error": (400, {"Content-Type": "text/html"}, f"<html>Authorization: {KEY}</html>".encode()),
    "type of the content": (200, {"Content-Type": f"text/{KEY[:10]}"}, b"no"),
    "key is wrong": error(401, f"bad key {KEY} given", code="invalid_api_key"),
    "no rights": error(403, f"bad key {KEY} given"),
    "no credit": error(429, f"insufficient_quota for {KEY}", code="insufficient_quota"),
    "bad request": error(400, f"bad thing {KEY} given"),
    "bad request, cut by us": error(400, "a" * (500 - 20) + " " + KEY),
    "bad request, cut by the server": error(400, f"Bearer {KEY[:10]}...{KEY[-8:]}"),
    "bad request in base64": error(400, f"Proxy-Authorization: Basic {_64}"),
    "over-long": error(400, f"context length exceeded by {KEY}"),
    "unknown field": error(400, f"Unsupported parameter: '{KEY}'", code="unsupported_parameter"),
    "field of FastAPI": (422, _JSON, json.dumps({"detail": [{"loc": [KEY], "msg": KEY}]}).encode()),
    "code": error(400, "no", code=KEY, type=KEY),
    "message is an object": error(400, {KEY: {"a": KEY}}),
    "words of our own servers": error(400, KEY, type="RequestRefused", code=KEY, promptcot={"retry_after": None}),
    "error with status 200": (200, _JSON, json.dumps({"error": {"message": KEY, "code": 400}}).encode()),
    "error in a stream": (200, {"Content-Type": "text/event-stream"}, f'data: {{"error": "{KEY}"}}\n\n'.encode()),
    "redirect": (307, {"Location": f"http://user:{KEY}@127.0.0.1:1/?key={KEY}"}, KEY.encode()),
    "header": (400, {"X-Request-Id": KEY, "Retry-After": KEY, "Set-Cookie": f"key={KEY}", **_JSON}, b"{}"),
    "reason of the status": (400, {":reason": f"No {KEY}"}, b""),
    "header that is none": (200, {":raw": f"HTTP/1.1 200 OK\r\n{KEY}\x00: \x01\r\n\r\n"}, b""),
    "models": error(404, "The model `m` does not exist", code="model_not_found"),
}
"""What the server answers to calls; it lists a model that is called after the key."""

SOLVE = "solve --data_path in.jsonl --output_path out.jsonl --use_chat_template --model_path m"
_RUN = "run endpoint --output-dir out --model m"
TYPED: dict[str, str] = {
    "variable": f"{SOLVE} --base-url URL --api-key-env KEY",
    "variable, underscores": f"{SOLVE} --base-url URL --api_key_env sk_live_{'4eC39HqLyj'}KEY",
    "variable of a run": f"{_RUN} --base-url URL --set server.api_key_env=KEY",
    "variable in a table": f"{_RUN} --base-url URL --set server={{api_key_env='KEY'}}",
    "variable, wrong type": f"{_RUN} --base-url URL --set server.api_key_env=['KEY']",
    "variable of the doctor": "doctor --base-url URL --api-key-env KEY",
    "variable in a recipe": "run mine.toml --output-dir out",
    "unknown key": f"{_RUN} --set server.api_key=KEY",
    "user and password": f"{SOLVE} --base-url http://user:KEY@127.0.0.1:9/v1",
    "user": f"{SOLVE} --base-url http://KEY@127.0.0.1:9/v1",
    "user, IPv6": f"{SOLVE} --base-url http://user:KEY@[::1]:9/v1",
    "user, capitals": f"{SOLVE} --base-url HTTPS://user:KEY@127.0.0.1:9/v1",
    "user, no scheme": f"{SOLVE} --base-url user:KEY@127.0.0.1:9/v1",
    "user, one slash": f"{SOLVE} --base-url http:/user:KEY@127.0.0.1:9/v1",
    "user, encoded": f"{SOLVE} --base-url http://user%3AQUOTED%40127.0.0.1:9/v1",
    "user, other scheme": f"{SOLVE} --base-url ftp://user:KEY@127.0.0.1:9/v1",
    "user of a run": f"{_RUN} --base-url http://user:KEY@127.0.0.1:9/v1",
    "user by --set": f"{_RUN} --set server.base_url=http://user:KEY@127.0.0.1:9/v1",
    "query": f"{SOLVE} --base-url URL?api-key=QUOTED",
    "query, sig": f"{SOLVE} --base-url URL?api-version=1&sig=QUOTED",
    "query, any name": f"{SOLVE} --base-url URL?x=KEY",
    "query, Amazon": f"{SOLVE} --base-url URL?X-Amz-Security-Token=QUOTED",
    "fragment": f"{SOLVE} --base-url URL#access_token=QUOTED",
    "path": f"{SOLVE} --base-url http://127.0.0.1:9/KEY/v1",
    "body": f'{SOLVE} --base-url URL --extra-body {{"api_key":"KEY"}}',
    "body, deep": f'{SOLVE} --base-url URL --extra-body {{"a":[{{"Authorization":"KEY"}}]}}',
    "body, any name": f'{SOLVE} --base-url URL --extra-body {{"user":"KEY"}}',
    "body by --set": f"{_RUN} --base-url URL --set server.extra_body.password=KEY",
    "vLLM's key": f"{SOLVE} --engine vllm --engine-args --api-key=KEY",
    "vLLM's token": f"{SOLVE} --engine vllm --engine-args --hf-token=KEY",
    "vLLM's options": f"{SOLVE} --engine vllm --engine-args --otlp-traces-endpoint=http://user:KEY@127.0.0.1:9",
    "vLLM's options by --set": f"{_RUN} --set server.engine_args=['--api-key','KEY']",
    "options of a chain": "run distill-nano --output-dir out --set teacher.engine_args=['--hf-token=KEY']",
    "changes of a chain": "run distill-nano --output-dir out --set student.set=['model.token=KEY']",
    "body of a chain": "run distill-nano --output-dir out --set teacher.extra_body={user='KEY'}",
    "number": f"{SOLVE} --temperature KEY",
    "option": f"{SOLVE} --KEY",
    "verb": "KEY",
    "field": f"{SOLVE} --base-url http://127.0.0.1:9/v1 --omit KEY",
    "input": "filter --template s3://id:KEY@bucket/in.jsonl --output_path out.jsonl",
    "output": "solve --data_path in.jsonl --output_path s3://id:KEY@bucket/out.jsonl --journal j",
    "output, signed": "solve --data_path in.jsonl --output_path s3://b/o.jsonl?X-Amz-Signature=QUOTED --journal j",
    "journal": f"{SOLVE} --journal https://user:KEY@host/j",
    "cluster": f"{SOLVE} --ray-address ray://user:KEY@127.0.0.1:1",
    "file that is not there": "grade --output_path KEY.jsonl",
}
"""What is typed; KEY stands for the key, QUOTED for the key in a URL, URL for the server's address."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    answer: Answer = reply()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._send(self.answer)

    def do_GET(self) -> None:
        self._send((200, _JSON, json.dumps({"data": [{"id": f"model-{KEY}", "root": KEY}]}).encode()))

    def _send(self, answer: Answer) -> None:
        status, headers, body = answer
        if raw := headers.get(":raw"):
            self.wfile.write(raw.encode())
            self.close_connection = True
            return
        self.send_response(status, headers.get(":reason"))
        for name, value in headers.items():
            if not name.startswith(":"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Silence."""


@contextmanager
def serving() -> Iterator[tuple[str, Callable[[Answer], None]]]:
    """A server's base URL, and what sets its answer."""
    handler = type("Handler", (_Handler,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield (
            f"http://127.0.0.1:{server.server_port}/v1",
            lambda answer: setattr(handler, "answer", answer),
        )
    finally:
        server.shutdown()
        server.server_close()


def needles() -> list[str]:
    """The forms in which a key can be found: its beginning stands for all longer pieces, and so does its end."""
    found = [KEY[:8], KEY[-8:], quote(KEY, safe="")[:12], quote(KEY, safe="")[-12:], KEY[:12].lower()]
    for before in ("", "u", "us"):
        core = base64.b64encode(f"{before}{KEY}".encode()).decode()[4:-4]
        found += [core[:16], core[-12:]]
    return found


def found(folder: Path, printed: str) -> list[str]:
    """Where the key is: the names of files, in their names or contents, and what was printed."""
    places = [str(path) for path in folder.rglob("*") if _holds(str(path.relative_to(folder)))]
    places += [str(path) for path in folder.rglob("*") if path.is_file() and _holds(_text_of(path))]
    return places + ([f"printed: {printed}"] if _holds(printed) else [])


def _holds(text: str) -> bool:
    return any(needle in text or needle in text.replace("\\", "") for needle in needles())


def _text_of(path: Path) -> str:
    data = path.read_bytes()
    if path.suffix == ".zst":
        data = zstandard.ZstdDecompressor().decompressobj().decompress(data)
    if path.suffix == ".parquet":
        import pyarrow.parquet

        data = json.dumps(pyarrow.parquet.read_table(path).to_pylist(), ensure_ascii=False, default=str).encode()
    return data.decode(errors="replace")

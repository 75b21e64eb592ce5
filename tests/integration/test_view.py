"""`view` as a server: who may ask, what a decision does, and what hostile rows and notes come to."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

from promptcot.errors import StorageError
from promptcot.storage.reviews import reviews_in
from promptcot.viewer.guard import Guard
from tests.programs import started
from tests.viewing import HOSTILE, Client, live, problem, serving, write, write_run


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Guard, Client]]:
    changes = {f"p{n}": {"problem": HOSTILE, "level": HOSTILE, "foundational_concepts": [HOSTILE]} for n in (1, 4)}
    run = write_run(tmp_path_factory.mktemp("view") / "run", 60, **changes)
    with serving(run) as (guard, client):
        yield run, guard, client


def test_the_token_gives_a_cookie_and_leaves_the_address(served: tuple[Path, Guard, Client]) -> None:
    _, guard, _ = served
    fresh = Client(guard.port)
    answer = fresh.get("/open/" + guard.token)
    assert (answer.status, answer.headers["location"]) == (303, "/")
    assert "HttpOnly" in answer.headers["set-cookie"]
    assert "SameSite=strict" in answer.headers["set-cookie"]
    assert guard.token not in answer.headers["set-cookie"]
    assert fresh.get("/").status == 200


@pytest.mark.parametrize(
    "path", ["/", "/problem?id=p1", "/open/wrong", "/open/", "/styles.css", "/view.js", "/nothing"]
)
@pytest.mark.parametrize("cookie", [None, "", "made.up", "\u00e9.\u00e9"])
def test_without_the_token_nothing_is_shown(served: tuple[Path, Guard, Client], path: str, cookie: str | None) -> None:
    _, guard, _ = served
    cookies = {} if cookie is None else {guard.cookie: cookie}
    answer = Client(guard.port, cookies=cookies).get(path)
    assert answer.status == 403
    assert "the address that `promptcot view` printed" in answer.text


def test_another_session_of_an_earlier_server_is_not_let_in(served: tuple[Path, Guard, Client]) -> None:
    _, guard, _ = served
    with serving(served[0]) as (_, other):
        (value,) = other.cookies.values()
    assert Client(guard.port, cookies={guard.cookie: value}).get("/").status == 403


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "", "[::1", "a:b:{port}"]
)
def test_a_foreign_host_is_refused(served: tuple[Path, Guard, Client], host: str) -> None:
    _, guard, client = served
    assert client.get("/", Host=host.format(port=guard.port)).status in (400, 403)
    assert client.get("/open/" + guard.token, Host=host.format(port=guard.port)).status in (400, 403)


def test_this_machine_has_several_names(served: tuple[Path, Guard, Client]) -> None:
    _, guard, client = served
    assert client.get("/", Host=f"localhost:{guard.port}").status == 200


FOREIGN = [
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": "null", "Sec_Fetch_Site": "cross-site"},
    {"Sec_Fetch_Site": "cross-site"},
    {"Sec_Fetch_Site": "same-site"},
    {"Sec_Fetch_Site": "none"},
    {"Origin": "https://127.0.0.1:1"},
]


@pytest.mark.parametrize("headers", FOREIGN)
def test_a_change_from_elsewhere_is_refused(served: tuple[Path, Guard, Client], headers: dict[str, str]) -> None:
    run, _, client = served
    before = len(reviews_in(run).lines)
    fields = {"id": "p2", "decision": "reject", "csrf": client.csrf()}
    assert client.post("/decide", fields, **headers).status == 403
    assert len(reviews_in(run).lines) == before


@pytest.mark.parametrize("csrf", [None, "", "guessed", "\u00e9"])
def test_a_form_of_no_page_of_ours_is_refused(served: tuple[Path, Guard, Client], csrf: str | None) -> None:
    run, guard, client = served
    other = Client(guard.port)
    other.get("/open/" + guard.token)
    before = len(reviews_in(run).lines)
    for given in (csrf, other.csrf()):  # that of another session
        fields = {"id": "p2", "decision": "reject"} | ({} if given is None else {"csrf": given})
        assert client.post("/decide", fields).status == 403
        assert client.post("/name", fields | {"name": "eve"}).status == 403
    assert len(reviews_in(run).lines) == before


def test_a_change_is_never_made_by_a_link(served: tuple[Path, Guard, Client]) -> None:
    run, _, client = served
    before = len(reviews_in(run).lines)
    assert client.get("/decide?" + urlencode({"id": "p2", "decision": "reject", "csrf": client.csrf()})).status == 405
    assert len(reviews_in(run).lines) == before


@pytest.mark.parametrize("headers", [{}, {"Sec_Fetch_Site": "same-origin", "Origin": "null"}])
def test_a_decision_is_written_down_and_seen_at_once(
    served: tuple[Path, Guard, Client], headers: dict[str, str]
) -> None:
    run, _, client = served
    fields = {"id": "p7", "decision": "reject", "note": HOSTILE, "csrf": client.csrf(), "filter": "level=AIME&q=prime"}
    answer = client.post("/decide", fields, **headers)
    assert (answer.status, answer.headers["location"]) == (303, "/problem?q=prime&level=AIME&id=p7")
    page = client.get(answer.headers["location"]).text
    assert "rejected by ada" in page
    assert live(page) == []
    last = reviews_in(run).lines[-1]
    assert (last.id, last.decision, last.note, last.reviewer) == ("p7", "reject", HOSTILE, "ada")
    assert "p7" in client.get("/?review=rejected").text


def test_each_reviewer_has_a_name_of_their_own(served: tuple[Path, Guard, Client]) -> None:
    run, guard, _ = served
    grace = Client(guard.port)
    grace.get("/open/" + guard.token)
    assert grace.post("/name", {"name": " Gräce\n<b> ", "csrf": grace.csrf()}).status == 303
    grace.post("/decide", {"id": "p8", "decision": "accept", "csrf": grace.csrf()})
    assert reviews_in(run).lines[-1].reviewer == "Gräce <b>"
    assert "by Gräce &lt;b&gt;" in grace.get("/problem?id=p8").text


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"id": "p2"}, 400),
        ({"id": "p2", "decision": "delete"}, 400),
        ({"id": "nobody", "decision": "accept"}, 404),
        ({"id": "p2", "note": "x" * 10_001}, 413),
        ({"id": "p2", "note": "x" * 1_000_000}, 413),
        ({f"field {n}": "1" for n in range(100)}, 413),
    ],
)
def test_what_is_no_decision_is_refused(
    served: tuple[Path, Guard, Client], fields: dict[str, str], status: int
) -> None:
    run, _, client = served
    before = len(reviews_in(run).lines)
    assert client.post("/decide", {**fields, "csrf": client.csrf()}).status == status
    assert len(reviews_in(run).lines) == before


def test_every_answer_allows_nothing_but_its_own_files(served: tuple[Path, Guard, Client]) -> None:
    _, _, client = served
    for path in ("/", "/problem?id=p1", "/problem?id=no", "/view.js", "/nothing", "/open/wrong"):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'")
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "path", ["/", "/?q=pwned", "/problem?id=p1", f"/?{urlencode({'q': HOSTILE, 'level': HOSTILE})}"]
)
def test_hostile_rows_are_text(served: tuple[Path, Guard, Client], path: str) -> None:
    _, _, client = served
    page = client.get(path).text
    assert live(page) == []
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize(
    "path",
    [
        *("/?after=999999", "/?before=0", "/?after=x", "/?after=-1", "/?after=" + "9" * 400, "/?sort=nope", "/?q=%00"),
        *("/?q=%22", "/?level=%ff", "/?review=x&by=y", "/problem", "/problem?id=%00", "/problem?id=" + "a" * 5000),
        *("/?agreement_from=1e999", "/?concept=%22", "/?q=" + "a+" * 3000, "/?q=*id", "/?q=" + "(" * 900),
        *("/?q=%ed%a0%80", "/problem?id=%ed%a0%80", "/?by=%e2%80%ae", "/?concept=%e2%89%a0", "/?reason=gone"),
    ],
)
def test_odd_addresses_are_answered(served: tuple[Path, Guard, Client], path: str) -> None:
    assert served[2].get(path).status in (200, 404)


@pytest.mark.parametrize("letter", ["\u7d20", "\U0001f600"])
def test_the_longest_note_is_stored_in_any_script(served: tuple[Path, Guard, Client], letter: str) -> None:
    run, _, client = served
    wanted = urlencode({"q": letter * 900, "concept": letter * 900})
    fields = {"id": "p2", "note": letter * 10_000, "csrf": client.csrf(), "filter": wanted}
    assert client.post("/decide", fields).status == 303
    assert reviews_in(run).lines[-1].note == letter * 10_000


def test_a_browser_that_is_closed_in_the_middle_of_a_form_stores_nothing_and_breaks_nothing(
    served: tuple[Path, Guard, Client], capfd: pytest.CaptureFixture[str]
) -> None:
    run, guard, client = served
    before, fields = len(reviews_in(run).lines), urlencode({"id": "p2", "decision": "reject", "csrf": client.csrf()})
    cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    head = f"POST /decide HTTP/1.1\r\nHost: 127.0.0.1:{guard.port}\r\nCookie: {cookies}\r\nContent-Length: 9999\r\n\r\n"
    with socket.create_connection(("127.0.0.1", guard.port)) as connection:
        connection.sendall((head + fields).encode())
    assert client.get("/").status == 200
    assert len(reviews_in(run).lines) == before
    assert "Traceback" not in capfd.readouterr().err


def test_a_review_that_cannot_be_stored_says_so(
    served: tuple[Path, Guard, Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise StorageError("reviews.jsonl: the review cannot be stored")

    monkeypatch.setattr("promptcot.viewer.shelf.append", full)
    client = served[2]
    fields = {"id": "p2", "decision": "reject", "note": "Careful <b> words", "csrf": client.csrf()}
    answer = client.post("/decide", fields)
    assert answer.status == 500
    assert "Careful &lt;b&gt; words" in answer.text
    assert "Your review was not stored. reviews.jsonl" in answer.text


def test_two_views_of_one_run_see_each_other(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    with serving(run, "ada") as (_, one), serving(run, "grace") as (_, other):
        one.post("/decide", {"id": "p1", "decision": "accept", "csrf": one.csrf()})
        other.post("/decide", {"id": "p2", "decision": "reject", "csrf": other.csrf()})
        for client in (one, other):
            page = client.get("/?review=reviewed").text
            assert "accepted by ada" in page
            assert "rejected by grace" in page


def test_an_index_that_is_damaged_meanwhile_is_built_again(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", 300)
    with serving(run) as (_, client):
        path = run / "view.index" / "index.sqlite"
        with path.open("r+b") as file:
            file.seek(8192)
            file.write(b"\xff" * (path.stat().st_size - 8192))
        assert client.get("/?q=thoughts&sort=-agreement").status == 200


def test_a_run_that_is_being_written_is_shown_as_such_and_grows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("promptcot.viewer.shelf._LOOK_AGAIN", 0)
    run = tmp_path / "run"
    run.mkdir()
    write(run / "generate.jsonl.partial", [problem(1)])
    program = "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.flock(f, fcntl.LOCK_EX); print('held', flush=True)"
    program += "; sys.stdin.read()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with started([sys.executable, "-c", program, str(run / "lock")], **pipes) as holder:
        assert holder.stdout.readline() == "held\n"
        with serving(run) as (_, client):
            assert "This run is being written" in client.get("/").text
            write(run / "generate.jsonl.partial", [problem(2)], "a")
            while "2 problems" not in client.get("/").text:
                time.sleep(0.05)


def test_a_half_deleted_run_says_that_files_are_gone(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    (run / "generate.jsonl").unlink()
    (run / "set.jsonl").unlink()
    with serving(run) as (_, client):
        assert "Some files of this run are gone" in client.get("/").text
        assert client.get("/problem?id=p1").status == 200


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "promptcot", "view", *words]


def test_the_verb_prints_an_address_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with started(command(str(run)), **pipes) as process:
        lines = [process.stdout.readline() for _ in range(3)]
        port, path = re.fullmatch(r"open http://127\.0\.0\.1:(\d+)(/open/\S+)\n", lines[1]).groups()
        client = Client(int(port))
        assert client.get(path).status == 303
        assert "10 problems" in client.get("/").text
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode in (0, 130)
    assert "Traceback" not in err + out
    assert path not in err + out


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["nowhere"], "no such directory"),
        (["empty"], "no files of a run"),
        (["run", "--host", "no.such.host."], "listen"),
        (["run", "--export-static", "run/reviews.jsonl"], "a name without .jsonl"),
    ],
)
def test_what_cannot_be_shown_is_said_in_one_line(tmp_path: Path, words: list[str], complaint: str) -> None:
    write_run(tmp_path / "run")
    (tmp_path / "empty").mkdir()
    done = subprocess.run(command(*words), cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert complaint in done.stderr
    assert done.stderr.count("\n") == 1


def test_static_pages_need_no_server_and_have_no_script(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", 30, p1={"problem": HOSTILE})
    line = {"id": "p1", "decision": "accept", "note": HOSTILE, "reviewer": "ada", "at": "2026-01-01T00:00:00+00:00"}
    write(run / "reviews.jsonl", [line])
    for _ in range(2):  # an earlier export gives way
        done = subprocess.run(
            command(str(run), "--export-static", "pages", "--limit", "5"),
            **{"cwd": tmp_path, "capture_output": True, "text": True, "timeout": 120},
        )
        assert (done.returncode, done.stderr) == (0, "")
    assert "5 of 23 problems of the set have a page" in done.stdout
    pages = sorted((tmp_path / "pages").rglob("*.html"))
    assert len(pages) == 6
    for page in pages:
        text = page.read_text()
        assert "default-src 'none'" in text
        assert not re.search(r"<script|<img|<link|\shref=\"(?:https?:|/|javascript)", text)
        for target in re.findall(r'href="([^"]+)"', text):
            assert (page.parent / target).is_file(), target
    assert any("accepted by ada" in page.read_text() and "&lt;script&gt;" in page.read_text() for page in pages)


def test_a_folder_with_something_else_is_not_replaced(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "mine").write_text("mine")
    done = subprocess.run(
        command(str(run), "--export-static", str(tmp_path / "pages")), capture_output=True, text=True, timeout=120
    )
    assert done.returncode != 0
    assert json.loads(f'"{(tmp_path / "pages" / "mine").read_text()}"') == "mine"

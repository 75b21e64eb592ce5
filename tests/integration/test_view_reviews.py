"""Reviews in `view`: odd ids, reviews of other programs, and what a page says about a decision or a file."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from html import unescape
from pathlib import Path

from promptcot.stages.review import is_rejected
from promptcot.storage.reviews import reviews_in
from tests.viewing import problem, serving, write, write_run


def test_odd_ids_and_reviews_of_other_programs_are_shown_and_decided(tmp_path: Path) -> None:
    run = tmp_path / "a \udcff run"
    odd = ["a\0b", "\ud800x", "a b+c%41&d=e", "../../etc/passwd", "\u202egnp.exe", "<b>", '"', "\u7d20", "x" * 3000, 7]
    write_run(run)
    write(run / "generate.jsonl", [{**problem(1), "id": name} for name in odd], "a")
    write(
        run / "reviews.jsonl",
        [{"id": str(name), "note": "\ud800\0\u202e" + "n" * 20_000, "reviewer": "\ud800"} for name in odd],
    )
    with (run / "reviews.jsonl").open("a") as file:
        file.write("[]\n")
    with serving(run) as (_, client):
        page = client.get("/").text
        assert "1 line is damaged in reviews.jsonl" in page
        hrefs = [unescape(href) for href in re.findall(r'class="open" href="([^"]+)"', page)]
        assert len(hrefs) == 10 + len(odd)
        for href in hrefs[10:]:
            shown = client.get(href)
            assert shown.status == 200
            assert "Find the prime number 1" in shown.text
            row_id = re.search(r'name="id" value="([^"]*)"', shown.text)[1]
            answer = client.post("/decide", {"id": unescape(row_id), "decision": "reject", "csrf": client.csrf()})
            assert "rejected by ada" in client.get(answer.headers["location"]).text
    rejected = reviews_in(run).rejected
    assert rejected == {str(name) for name in odd}
    assert all(is_rejected({"id": name}, rejected) for name in odd)


def test_a_page_says_what_a_decision_does_not_change(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    write(run / "review.dropped.jsonl", [{**problem(2), "reason": "rejected by review"}])
    stages = {name: {} for name in ("generate", "judge-a", "filter", "label", "review")}
    (run / "summary.json").write_text(json.dumps({"stages": stages}))
    write(run / "set.jsonl", [problem(1)])
    words = {
        ("p4", "accept"): "An acceptance does not override a step",
        ("p2", "accept"): "The next run includes it again",
        ("p1", "reject"): "The next run, select and export leave this problem out",
    }
    with serving(run) as (_, client):
        for (row_id, decision), effect in words.items():
            client.post("/decide", {"id": row_id, "decision": decision, "csrf": client.csrf()})
            assert effect in client.get(f"/problem?id={row_id}").text


def test_a_run_that_is_deleted_meanwhile_is_not_created_again_by_a_review(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    with serving(run) as (_, client):
        fields = {"id": "p1", "decision": "reject", "csrf": client.csrf()}
        shutil.rmtree(run)
        answer = client.post("/decide", fields)
        assert (answer.status, "not stored" in answer.text, run.exists()) == (500, True, False)


def test_packed_files_of_a_run_are_named(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    (run / "solve.jsonl.zst").write_bytes(b"")
    (run / "set.parquet").write_bytes(b"")
    with serving(run) as (_, client):
        assert "set.parquet, solve.jsonl.zst: not shown" in client.get("/").text
    done = subprocess.run(
        [sys.executable, "-m", "promptcot", "show", str(run)], capture_output=True, text=True, timeout=120
    )
    assert "set.parquet, solve.jsonl.zst: not shown" in done.stdout


def test_a_problem_with_very_many_reviews_is_shown(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    write(run / "reviews.jsonl", [{"id": "p1", "note": f"note {n} " + "x" * 9000} for n in range(3000)])
    with serving(run) as (_, client):
        page = client.get("/problem?id=p1").text
    assert "note 2999" in page
    assert "2,800 earlier lines" in page

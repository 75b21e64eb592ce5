"""The viewer in a headless Chromium: keys, what a restart keeps, what planted rows do, how it looks and reads."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from promptcot.storage.reviews import read
from tests.browser.conftest import SCHEMES, WIDTHS, Watched
from tests.viewing import HOSTILE, problem, serving, write, write_run

Open = Callable[..., Watched]
SHOTS = os.environ.get("PROMPTCOT_SCREENSHOTS")
LONG = "Let $f(x) = \\sum_{k=1}^{n} \\frac{x^k}{k!}$ and \\[ \\int_0^1 f(x)\\,dx = \\frac{a}{b}. \\] Find $a + b$."


@pytest.fixture
def run(tmp_path: Path) -> Path:
    made = write_run(tmp_path / "run", 120, p1={"problem": LONG}, p3={"problem": HOSTILE, "level": HOSTILE})
    write(made / "solve.jsonl", [{**problem(1), "sample": 0, "completion": f"{HOSTILE} \\boxed{{1}}"}])
    stages = {name: {} for name in ("generate", "judge-a", "filter", "solve", "label")}
    (made / "summary.json").write_text(json.dumps({"stages": stages}))
    return made


@pytest.fixture
def view(run: Path) -> Iterator[str]:
    with serving(run) as (guard, _):
        yield guard.address()


def look(watched: Watched, name: str) -> None:
    """Keep a picture, where somebody wants to look at it."""
    if SHOTS:
        watched.page.screenshot(path=f"{SHOTS}/{name}.png")


def settled(watched: Watched, action: Callable[[], Any]) -> None:
    with watched.page.expect_navigation():
        action()


def test_the_token_leaves_the_address_bar(view: str, open_page: Open) -> None:
    assert open_page(view).page.url == view.partition("/open/")[0] + "/"


def test_problems_are_reviewed_by_keys_and_decisions_survive_a_restart(run: Path, open_page: Open) -> None:
    with serving(run) as (guard, _):
        watched = open_page(guard.address())
        keys, page = watched.page.keyboard, watched.page
        for key in "jjk":
            keys.press(key)
        settled(watched, lambda: keys.press("a"))  # p0 in the list
        assert page.locator(".chosen .badge-accept").count() == 1
        keys.press("j")
        settled(watched, lambda: keys.press("Enter"))  # p1
        settled(watched, lambda: keys.press("r"))
        assert page.locator(".badge-reject").first.inner_text() == "rejected by ada"
        settled(watched, lambda: keys.press("j"))  # p2
        keys.press("n")
        keys.type("jkar? <b>a note</b>")  # keys are letters here
        settled(watched, lambda: keys.press("Control+Enter"))
        assert page.locator(".said .text").inner_text() == "jkar? <b>a note</b>"
        settled(watched, lambda: keys.press("k"))
        assert "id=p1" in page.url
        assert watched.errors == []
    with serving(run) as (guard, _):
        watched = open_page(guard.address())
        assert watched.page.locator(".badge-accept, .badge-reject").count() == 2
        watched.page.goto(watched.page.url + "problem?id=p2")
        assert watched.page.locator(".said .text").inner_text() == "jkar? <b>a note</b>"
    said = read(run)
    assert {name: one.decision for name, one in said.items()} == {"p0": "accept", "p1": "reject", "p2": None}


def test_a_note_that_was_not_saved_is_not_left_without_a_question(view: str, open_page: Open) -> None:
    watched = open_page(view)
    page = watched.page
    page.goto(page.url + "problem?id=p1")
    page.click("#note")
    page.keyboard.type("half a note")
    page.keyboard.press("Escape")
    with page.expect_event("dialog") as asked:
        page.keyboard.press("j")
    assert asked.value.type == "beforeunload"
    assert "id=p1" in page.url


def test_the_next_problem_is_selected_where_a_decision_takes_one_out_of_the_list(view: str, open_page: Open) -> None:
    watched = open_page(view)
    page = watched.page
    page.goto(page.url + "?review=unreviewed")
    for key in "jjj":
        page.keyboard.press(key)
    settled(watched, lambda: page.keyboard.press("r"))
    assert page.locator(".chosen code").inner_text() == "p3"


def test_next_goes_on_to_the_next_page_of_the_list(view: str, open_page: Open) -> None:
    watched = open_page(view)
    for _ in range(50):
        watched.page.keyboard.press("j")
    settled(watched, lambda: watched.page.keyboard.press("j"))
    assert "after=" in watched.page.url
    assert watched.page.locator(".item").count() == 50


def test_the_question_mark_shows_the_keys(view: str, open_page: Open) -> None:
    watched = open_page(view)
    watched.page.keyboard.press("?")
    assert watched.page.locator("#keys").is_visible()
    assert watched.faults() == []
    watched.page.keyboard.press("a")
    watched.page.keyboard.press("Escape")
    assert not watched.page.locator("#keys").is_visible()


def test_everything_is_done_without_a_script(run: Path, view: str, open_page: Open) -> None:
    watched = open_page(view, java_script_enabled=False)
    page = watched.page
    page.fill("#q", "prime AND number")
    settled(watched, lambda: page.get_by_role("button", name="Show").click())
    settled(watched, lambda: page.locator("a.open").first.click())
    page.fill("#note", "by hand")
    settled(watched, lambda: page.get_by_role("button", name="Accept").click())
    assert page.locator(".badge-accept").count() == 1
    settled(watched, lambda: page.get_by_role("link", name="Next").click())
    settled(watched, lambda: page.locator("a.up").click())
    assert "prime+AND+number" in page.url
    assert read(run)["p0"].note == "by hand"


@pytest.mark.parametrize("path", ["", "?q=pwned", "problem?id=p1", "problem?id=p3"])
def test_nothing_planted_runs_and_nothing_is_asked_elsewhere(view: str, open_page: Open, path: str) -> None:
    watched = open_page(view)
    here = watched.page.url
    watched.page.goto(here + path)
    watched.page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert "pwned" not in watched.page.title().replace(HOSTILE[:40], "")
    assert watched.page.evaluate("document.querySelectorAll('img, iframe, script:not([src])').length") == 0
    assert all(address.startswith(here) for address in watched.requests)
    assert (watched.errors, watched.dialogs) == ([], [])


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_pages_fit_and_have_no_serious_fault(view: str, open_page: Open, width: int, scheme: str) -> None:
    watched = open_page(view, width, scheme)
    here = watched.page.url
    for name, path in (("list", ""), ("filters", "?level=AIME&review=unreviewed"), ("problem", "problem?id=p1")):
        watched.page.goto(here + path)
        if name == "problem":
            watched.page.evaluate("document.querySelectorAll('.problem details').forEach(one => one.open = true)")
        look(watched, f"view-{name}-{width}-{scheme}")
        assert watched.faults() == []
        assert watched.overflow() <= 0
    assert "1 trace" in watched.page.inner_text(".problem")
    assert watched.page.locator("math").first.bounding_box()["height"] > 8
    assert watched.errors == []


@pytest.mark.parametrize("width", WIDTHS)
def test_static_pages_are_read_from_the_disk(run: Path, open_page: Open, width: int) -> None:
    from promptcot.viewer.shelf import Shelf
    from promptcot.viewer.static_pages import export_static

    shelf = Shelf(run)
    done = export_static(shelf, run.parent / "pages", 3)
    shelf.close()
    watched = open_page(done.index.as_uri(), width)
    look(watched, f"static-list-{width}")
    assert watched.faults() == []
    assert watched.overflow() <= 0
    watched.page.locator("a.open").first.click()
    assert watched.page.locator("math").count() > 0
    watched.page.get_by_role("link", name="Next").click()
    watched.page.locator("a.up").click()
    assert all(address.startswith("file://") for address in watched.requests)
    assert watched.errors == []

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from promptcot.report.comparison import write_comparison
from promptcot.report.writing import write_report
from tests.browser.conftest import SCHEMES, WIDTHS, Watched
from tests.small_runs import HOSTILE, make

Open = Callable[..., Watched]
FORMULAS = r"Let $\frac{a}{b} = \sqrt{x_1^2 + 1}$ and \[\sum_{i=1}^{n} i^2 = \frac{n(n+1)(2n+1)}{6} + "
FORMULAS += r"\int_0^1 x^{100}\,dx + \begin{pmatrix}1&2\\3&4\end{pmatrix} + a_1 + a_2 + a_3 + a_4 + a_5 + a_6 + a_7.\] "
WINDOWS = [(width, scheme) for width in WIDTHS for scheme in SCHEMES]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_report(make(tmp_path_factory.mktemp("report") / "run", FORMULAS)).as_uri()


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> str:
    planted = {"level": HOSTILE, "foundational_concepts": [HOSTILE, "x" * 5_000], "findings": HOSTILE}
    return write_report(make(tmp_path_factory.mktemp("hostile") / "run", HOSTILE, **planted)).as_uri()


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("comparison")
    return write_comparison(make(folder / "a"), make(folder / "b", FORMULAS), folder / "page.html").as_uri()


@pytest.mark.parametrize(("width", "scheme"), WINDOWS)
@pytest.mark.parametrize("name", ["report", "hostile", "comparison"])
def test_a_page_fits_every_window_and_keeps_nobody_out(
    name: str, width: int, scheme: str, open_page: Open, request: pytest.FixtureRequest
) -> None:
    shown = open_page(request.getfixturevalue(name), width, scheme)
    shown.page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert shown.overflow() <= 0
    assert shown.faults() == []


def test_formulas_are_laid_out(report: str, open_page: Open) -> None:
    heights = open_page(report).page.evaluate(
        "[...document.querySelectorAll('.statement math')].map(one => one.getBoundingClientRect().height)"
    )
    assert len(heights) >= 6
    assert min(heights) > 12
    fraction = "document.querySelector('mfrac').getBoundingClientRect().height"
    assert open_page(report).page.evaluate(fraction) > 18


def test_a_wide_formula_scrolls_within_itself(report: str, open_page: Open) -> None:
    wide = "[...document.querySelectorAll('.statement .formula')].map(one => one.scrollWidth > one.clientWidth)"
    assert any(open_page(report, 390).page.evaluate(wide))


@pytest.mark.parametrize("name", ["report", "hostile", "comparison"])
def test_a_page_asks_for_nothing_and_runs_nothing(name: str, open_page: Open, request: pytest.FixtureRequest) -> None:
    address = request.getfixturevalue(name)
    shown = open_page(address)
    shown.page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    shown.page.wait_for_load_state("networkidle")
    assert [one for one in shown.requests if one != address] == []
    assert shown.page.evaluate("window.planted") is None
    assert shown.errors == []
    assert shown.dialogs == []
    assert shown.page.url == address


def test_what_is_planted_makes_no_elements(hostile: str, open_page: Open) -> None:
    page = open_page(hostile).page
    assert (
        page.evaluate("document.querySelectorAll('script, img, iframe, link, base, object, embed, form').length") == 0
    )
    handlers = "[...document.querySelectorAll('*')].flatMap(one => [...one.attributes]).map(one => one.name)"
    assert not [name for name in page.evaluate(handlers) if name.startswith("on") or name == "style"]
    addresses = page.evaluate("[...document.querySelectorAll('[href]')].map(one => one.getAttribute('href'))")
    assert all(address.startswith("#") for address in addresses)


def test_the_stylesheet_is_in_force(report: str, open_page: Open) -> None:
    paper = "getComputedStyle(document.body).backgroundColor"
    colours = {scheme: open_page(report, 1280, scheme).page.evaluate(paper) for scheme in SCHEMES}
    assert colours["light"] == "rgb(255, 255, 255)"
    assert colours["dark"] != colours["light"]


def test_a_page_can_be_printed(report: str, open_page: Open, tmp_path: Path) -> None:
    target = tmp_path / "report.pdf"
    open_page(report, 1280, "dark").page.pdf(path=str(target), format="A4")
    assert target.read_bytes().startswith(b"%PDF")
    assert target.stat().st_size > 20_000

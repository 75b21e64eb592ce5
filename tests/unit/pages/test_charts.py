from __future__ import annotations

from xml.etree import ElementTree

import pytest

from promptcot.pages import charts

SVG = "{http://www.w3.org/2000/svg}"


def parsed(drawn: str) -> ElementTree.Element:
    return ElementTree.fromstring(drawn)


@pytest.mark.parametrize(
    "drawn",
    [
        charts.bar(0.3, "<a> & b", soft=0.5),
        charts.interval(0.5, (0.2, 0.9), "<a> & b"),
        charts.interval(None, None, "<a> & b"),
        charts.histogram([2, 0], ["<b>", "c", "d"], "<a> & b", "<c>"),
        charts.squares([3, 1], 5, "<a> & b", "<c>"),
    ],
)
def test_every_chart_names_itself_and_nothing_in_it_is_markup(drawn: str) -> None:
    chart = parsed(drawn)
    assert chart.get("role") == "img"
    assert chart[0].tag == "title"
    assert chart[0].text == "<a> & b"
    assert {one.tag for one in chart.iter()} <= {"svg", "title", "desc", "path", "rect", "text"}


@pytest.mark.parametrize(("share", "width"), [(0.0, "0"), (0.256, "25.6"), (1.0, "100"), (7.0, "100"), (-1.0, "0")])
def test_a_bar_is_as_long_as_its_share(share: float, width: str) -> None:
    assert parsed(charts.bar(share, "x")).findall("rect")[-1].get("width") == width


def test_an_interval_stays_on_its_scale() -> None:
    drawn = parsed(charts.interval(0.0, (-9.0, 9.0), "x", ends=(-1.0, 1.0), zero=True))
    assert [path.get("d") for path in drawn.findall("path")] == ["M0 5H100", "M50 0V10", "M0 5H100", "M50 5h0"]


def test_there_is_a_square_for_each_concept_and_used_ones_are_darker() -> None:
    drawn = parsed(str(charts.squares([10, 4, 1], 5, "x", "y")))
    assert {path.get("class"): (path.get("d") or "").count("M") for path in drawn.findall("path")} == {
        "bar": 1,
        "bar-mid": 1,
        "bar-soft": 1,
        "empty": 2,
    }


def test_more_squares_than_can_be_seen_are_not_drawn() -> None:
    assert charts.squares([1] * 5_000, None, "x", "y") is None
    assert charts.squares([], None, "x", "y") is None


def test_empty_bars_of_a_histogram_have_no_count() -> None:
    drawn = parsed(charts.histogram([0, 1_200], ["a", "b", "c"], "x", "y"))
    assert [word.text for word in drawn.findall("text")] == ["1,200", "a", "b", "c"]

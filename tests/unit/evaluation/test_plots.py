"""Plots are written as PNG and SVG, are labelled, and leave out unknown values; the published table is complete."""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from promptcot.errors import InputError
from promptcot.evaluation.paper_numbers import BASES, PUBLISHED, published
from promptcot.evaluation.plots import Result, plot_accuracy, plot_levels, plot_tokens
from promptcot.evaluation.registry import BENCHMARKS

RESULTS = [
    Result("one", "gsm8k", 0.9, (0.88, 0.92), 1319, 800.0),
    Result("two", "gsm8k", 0.8, (0.78, 0.82), 1319),
    Result("one", "aime2024", 0.4, None, 30, 9000.0),
]


@pytest.fixture
def words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let SVG files hold text as text, so that it can be found."""
    pytest.importorskip("matplotlib")
    from promptcot.evaluation import figures

    monkeypatch.setitem(figures.STYLE, "svg.fonttype", "none")


@pytest.mark.usefixtures("words")
def test_accuracy_is_drawn_with_n_and_published_values(tmp_path: Path) -> None:
    png, svg = plot_accuracy(RESULTS, tmp_path / "new" / "accuracy", PUBLISHED)
    assert png.read_bytes().startswith(b"\x89PNG")
    text = svg.read_text(encoding="utf-8")
    for said in ("GSM8K", "AIME 2024", "n = 1,319", "n = 30", "PromptCoT-DS-7B, published", "95 % interval"):
        assert said in text
    assert "MATH-500" not in text


@pytest.mark.usefixtures("words")
def test_a_name_with_a_dollar_or_an_underscore_is_data(tmp_path: Path) -> None:
    odd = [Result("cost $x^{", "gsm8k", 0.5, None, 10), Result("_hidden", "gsm8k", 0.5, None, 10)]
    _, svg = plot_accuracy(odd, tmp_path / "odd.name")
    assert svg.name == "odd.name.svg"
    assert "cost $x^{" in svg.read_text(encoding="utf-8")


@pytest.mark.usefixtures("words")
@pytest.mark.parametrize("name", ["a\x00b\x1b[2J", "half \ud800", "x\u202ey\u200b", "two\nlines", "long" * 50_000])
def test_whatever_a_row_calls_its_level_can_be_drawn(name: str, tmp_path: Path) -> None:
    for plot in (plot_levels, plot_tokens):
        _, svg = plot([Result(name, name, 0.5, (0.4, 0.6), 10, 5.0)], tmp_path / "odd")
        ElementTree.parse(svg)


@pytest.mark.usefixtures("words")
def test_results_without_tokens_are_left_out_of_the_plot_against_tokens(tmp_path: Path) -> None:
    text = plot_tokens(RESULTS, tmp_path / "tokens")[1].read_text(encoding="utf-8")
    assert "mean tokens per trace" in text
    assert ">one<" in text
    assert ">two<" not in text


@pytest.mark.usefixtures("words")
def test_levels_keep_their_order(tmp_path: Path) -> None:
    levels = [Result("nano", level, 0.8, (0.7, 0.9), 70) for level in ("USAMO", "AMC12")]
    text = plot_levels(levels, tmp_path / "levels")[1].read_text(encoding="utf-8")
    assert text.index("USAMO") < text.index("AMC12")


@pytest.mark.usefixtures("words")
def test_the_same_plot_is_the_same_file(tmp_path: Path) -> None:
    first, second = (plot_accuracy(RESULTS, tmp_path / name)[1].read_bytes() for name in ("a", "b"))
    assert first == second


@pytest.mark.usefixtures("words")
@pytest.mark.parametrize("plot", [plot_accuracy, plot_levels, plot_tokens])
def test_nothing_to_plot_is_said(tmp_path: Path, plot: object) -> None:
    with pytest.raises(InputError, match="nothing to plot"):
        plot([], tmp_path / "empty")  # type: ignore[operator]


def test_without_matplotlib_the_way_out_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(InputError, match="pip install matplotlib"):
        plot_accuracy(RESULTS, tmp_path / "accuracy")


def test_published_values_are_shares_of_registered_benchmarks() -> None:
    assert all(one.benchmark in BENCHMARKS and 0 < one.mean < 1 for one in PUBLISHED)
    assert len({(one.model, one.benchmark) for one in PUBLISHED}) == len(PUBLISHED) == 20
    assert {one.model for one in PUBLISHED} == {*BASES, *BASES.values()}
    assert all((one.sd is None) == (one.runs is None) == (one.model in BASES.values()) for one in PUBLISHED)


def test_a_published_value_is_found_by_the_name_of_the_model_with_or_without_its_owner() -> None:
    found = published("xl-zhao/PromptCoT-DS-7B", "math500")
    assert found is not None
    assert (found.mean, found.sd, found.runs) == (0.937, 0.007, 8)
    assert published("PromptCoT-DS-7B", "math500") is found
    assert published("QwQ-32B", "gsm8k") is None

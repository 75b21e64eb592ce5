"""`promptcot show`: formulas as a person reads them, every field of a history, and nothing that a terminal obeys."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from promptcot.cli import main
from promptcot.cli.report.formulas import readable
from promptcot.storage.reviews import Review, append

FORMULAS = {
    r"$\frac{n}{2} \le 2^{k}$": "n/2 ≤ 2ᵏ",
    r"$\frac{a+b}{c-d}+1$": "(a+b)/(c-d)+1",
    r"\(\frac12x\)": "(1/2)x",
    r"$x\frac{1}{2}$": "x(1/2)",
    r"$\frac{1}{2}\sin x$": "(1/2)sin x",
    r"$1/\frac{1}{2}$": "1/(1/2)",
    r"$\left(\frac{1}{2}\right)^2$": "(1/2)²",
    r"$\sqrt{2}x+\sqrt{a+b}+\sqrt[3]{y}$": "√(2)x+√(a+b)+∛y",
    r"$a_{n+1}=a_n^2$": "aₙ₊₁=aₙ²",
    r"$x^{y^2}$": "x^(y²)",
    r"\[x\equiv 3\pmod{7}\]": "x ≡ 3 (mod 7)",
    r"$$\sum_{i=1}^{n} i^2$$": "∑ᵢ₌₁ⁿ i²",
    r"$90^\circ$": "90°",
    r"$\{1,2,\ldots,n\}\subset\mathbb{Z}$": "{1,2,…,n} ⊂ ℤ",
    r"$5\text{ cm}^2$": "5 cm²",
    r"$10{,}000$ and $100\%$": "10,000 and 100%",
    r"$\sin\theta$": "sin θ",
    r"so $x<1$, then $y$.": "so x<1, then y.",
}
AS_THEY_ARE = [
    *("cost $5 and $6", r"\$5 and \$6", "$5-$6", "no formula", "a $ alone", r"$unclosed \frac{1}{2}", "$$"),
    *(r"$2\frac{1}{2}$", r"$\overline{AB}$", r"$\begin{pmatrix}1&2\end{pmatrix}$", r"$\lim_{x\to 0} f$"),
    *(r"$\frac{1}$", r"$^2$", r"${$", r"$x}$", r"$\unknown$", "$" + "{" * 30 + "x" + "}" * 30 + "$"),
    "$" + "x" * 3000 + "$",
]


@pytest.mark.parametrize("source", FORMULAS)
def test_simple_formulas_are_written_as_they_are_read(source: str) -> None:
    assert readable(source) == FORMULAS[source]


@pytest.mark.parametrize("source", AS_THEY_ARE)
def test_what_is_no_formula_or_cannot_be_written_in_a_line_stays_as_it_is(source: str) -> None:
    assert readable(source) == source


@pytest.mark.parametrize("piece", ["\\(", "\\[", "$", "$ ", "$x", "\\$", "{", "\\frac", "^", "$$", "\\left", "\\sqrt["])
def test_no_text_takes_long(piece: str) -> None:
    began = time.process_time()
    readable(piece * (100_000 // len(piece)))
    readable(f"${piece * (1900 // len(piece))}$")
    assert time.process_time() - began < 10


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    hostile = "\x1b]0;title\x07 \x9b31m \u202e <script>alert(1)</script> [red]x[/red]"
    row = {"id": "p1", "level": "AIME", "problem": f"Find $x^2$. {hostile}", "foundational_concepts": [hostile]}
    rows: dict[str, list[dict[str, Any]]] = {
        "sample": [row],
        "judge-a": [{**row, "judge": "a", "judgement": "bad", "completion": "w" * 3000, "ratings": {"format": "bad"}}],
        "filter": [],
        "filter.dropped": [{**row, "reason": hostile}],
    }
    for name, found in rows.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(one) + "\n" for one in found))
    stages = {name: {"out": 1} for name in ("sample", "judge-a")}
    (folder / "summary.json").write_text(json.dumps({"stages": {**stages, "filter": {"out": 0}}}))
    append(folder, Review("p1", "reject", f"no\n{hostile}", hostile, "2026-01-01T00:00:00Z"))
    return folder


@pytest.mark.parametrize("more", [[], ["p1"], ["p1", "--full"], ["--json"], ["p1", "--json"]])
def test_nothing_is_printed_that_a_terminal_obeys(
    run: Path, more: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["show", str(run), *more]) == 0
    said = capsys.readouterr().out
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(said)
    assert "<script>alert(1)</script>" in said or more == ["--json"] or not more


FORGED = "x\nin the set\rin the set"


@pytest.mark.parametrize(
    "field", ["id", "level", "reason", "judge", "judgement", "ratings", "copy_of", "answer", "model"]
)
def test_no_short_text_of_a_run_can_imitate_a_line(
    field: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = {
        "id": "p1",
        "level": "AIME",
        "foundational_concepts": [FORGED],
        "reason": "bad",
        "judge": "a",
        "rule": FORGED,
    }
    more = {"judgement": "bad", "sample": 0, "completion": "w", "agreement": 0.5, "validity": {"votes": {FORGED: 1}}}
    told = {"ratings": {FORGED: FORGED}} if field == "ratings" else {field: FORGED}
    (tmp_path / "filter.dropped.jsonl").write_text(json.dumps({**row, **more, **told}) + "\n")
    assert main(["show", str(tmp_path)]) == 0
    assert main(["show", str(tmp_path), told.get("id", "p1")]) == 0
    assert "in the set" not in [line.strip() for line in capsys.readouterr().out.replace("\r", "\n").split("\n")]


def test_a_history_has_all_that_is_known(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", str(run), "p"]) == 0
    said = capsys.readouterr().out
    for words in (
        "problem p1, AIME",
        "dropped by filter: ",
        "review: rejected by ",
        "    Find x². ",
        "judge a: bad   format bad",
        "(1,000 more characters; --full prints them)",
        "  judge-a  passed on",
    ):
        assert words in said, words
    assert main(["show", str(run), "p1", "--full"]) == 0
    assert "w" * 3000 in capsys.readouterr().out


def test_json_is_one_line_of_the_same(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", str(run), "p1", "--json"]) == 0
    line = capsys.readouterr().out
    told = json.loads(line)
    assert line.isascii()
    assert line.count("\n") == 1
    assert (told["id"], told["fate"]["kind"], told["review"]["decision"]) == ("p1", "dropped", "reject")
    assert told["problem"].startswith("Find $x^2$. \x1b]0;title")
    assert main(["show", str(run), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["left_out"][0]["ids"] == ["p1"]


def test_an_unknown_id_and_what_is_no_run_are_mistakes(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", str(run), "p2"]) == 1
    assert "no row has the id 'p2'; the nearest are p1" in capsys.readouterr().err
    assert main(["show", str(run / "sample.jsonl")]) == 1
    assert "give the directory of its run" in capsys.readouterr().err

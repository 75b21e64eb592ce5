"""`promptcot.verify` on scripted engines: rows that pass, rows that do not, and a verifier with unusable replies."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import promptcot
from promptcot import domains
from promptcot.mock_server.replies import rated
from promptcot.records import Completion, Request

ROWS = [{"id": f"r{number}", "problem": f"Find ${number}^2$.", "level": "AIME"} for number in range(6)]


def votes(request: Request) -> str:
    """Valid, except about problems with an odd number: their last criterion but one is not met."""
    number = int(re.findall(r"Find \$(\d+)", request.prompt)[0])
    lines = rated(request.prompt)
    answers = ["yes"] * (len(lines) - 1)
    if number % 2:
        answers[-2] = "no"
    words = [*answers, "invalid" if number % 2 else "valid"]
    return "Looked at.\n\n" + "\n".join(
        f"{mark}{label}: {word}" for (mark, label), word in zip(lines, words, strict=True)
    )


def test_what_is_valid_passes_and_the_rest_is_left_out_with_its_votes() -> None:
    found = promptcot.verify(ROWS, model=promptcot.ScriptedEngine(votes, model="careful"), votes=3)
    assert [row["id"] for row in found.rows] == ["r0", "r2", "r4"]
    assert found.rows[0]["validity"]["models"] == ["careful"]
    assert found.counts.dropped == {"invalid: Single Question": 3}
    [first, *_] = found.dropped
    assert first["validity"]["votes"] == {"valid": 0, "invalid": 3, "undecided": 0}
    assert first["findings"].startswith("Looked at.")


def test_a_verifier_that_answers_nonsense_is_undecided_and_never_valid() -> None:
    found = promptcot.verify(ROWS[:3], model=promptcot.ScriptedEngine(lambda _: "Well."), prompts="math")
    assert not found.rows
    assert found.counts.dropped == {"undecided": 3}
    assert found.problem is not None
    assert "verify: none of 3 replies can be used (undecided: 3)" in found.problem


def test_a_verifier_that_answers_nonsense_is_stopped_after_some_calls() -> None:
    engine = promptcot.ScriptedEngine(lambda _: "Well.")
    many = [{**row, "id": f"{row['id']}-{copy}"} for row in ROWS for copy in range(30)]
    with pytest.raises(promptcot.SystematicFailure, match="verify: stopped because none of the first 20 replies"):
        promptcot.verify(many, model=engine)
    assert engine.asked <= 45


def test_votes_that_are_refused_cost_no_row() -> None:
    def sometimes(request: Request) -> str | Exception:
        return promptcot.RequestRefused("flagged") if request.sample == 1 else votes(request)

    found = promptcot.verify(ROWS[:2], model=promptcot.ScriptedEngine(sometimes), votes=3)
    assert [row["validity"]["votes"] for row in (*found.rows, *found.dropped)] == [
        {"valid": 2, "invalid": 0, "undecided": 1},
        {"valid": 0, "invalid": 2, "undecided": 1},
    ]


def test_all_votes_refused_is_a_failed_row() -> None:
    found = promptcot.verify(ROWS[:2], model=promptcot.ScriptedEngine(lambda _: promptcot.RequestRefused("flagged")))
    assert (len(found.rows), len(found.dropped), len(found.failed)) == (0, 0, 2)


def test_votes_that_were_cut_off_are_undecided() -> None:
    def cut(request: Request) -> Completion:
        return Completion(votes(request), "length", 9, 9)

    found = promptcot.verify(ROWS[:1], model=promptcot.ScriptedEngine(cut))
    assert found.counts.dropped == {"undecided": 1}
    assert "max_tokens" in str(found.problem)


@pytest.mark.parametrize(
    ("settings", "mistake"),
    [
        ({"votes": 0}, "votes: 0 is not a whole number of at least 1"),
        ({"min_share": 1.5}, "min_share: 1.5 is not between 0 and 1"),
        ({"min_share": True}, "min_share: True is not between 0 and 1"),
        ({"prompts": "bare"}, r"there is no verify\.jinja and no verify\.toml"),
    ],
)
def test_mistakes_are_named(
    settings: dict[str, object], mistake: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bare").mkdir()
    for name in ("generate.jinja", "judge.jinja", "criteria.toml"):
        Path("bare", name).write_bytes((domains.folder_of("math") / name).read_bytes())
    with pytest.raises(promptcot.PromptCoTError, match=mistake):
        promptcot.verify(ROWS, model=promptcot.ScriptedEngine(votes), **settings)  # type: ignore[arg-type]

"""The looks at a model in training count what is right, and nothing that only looks so."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nano import copycheck

COUNT = 60


def of_truth(text: str) -> str:
    return text


def cut(text: str) -> str:
    return text[: len(text) // 2]


def garbled(text: str) -> str:
    return "9 9 9"


def nothing(text: str) -> str:
    return ""


@pytest.mark.parametrize("role", ["judge-a", "judge-b", "verifier"])
@pytest.mark.parametrize(("reply", "share"), [(of_truth, 1.0), (cut, 0.0), (garbled, 0.0), (nothing, 0.0)])
def test_a_reply_without_a_verdict_finds_no_defect(
    role: str, reply: Callable[[str], str], share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = [reply(one.completion) for one in copycheck.fresh(role, COUNT)]
    monkeypatch.setattr(copycheck, "complete", lambda *_: written)
    found = copycheck.check(None, None, role, COUNT)  # type: ignore[arg-type]
    assert found == {"clean": share, "defect": share, "equal": share}


def test_the_generators_texts_are_read_and_solved(monkeypatch: pytest.MonkeyPatch) -> None:
    truth = [one.completion for one in copycheck.fresh("generator", COUNT)]
    ill_posed = truth[0].replace("BEGIN PROBLEM -->\n", "BEGIN PROBLEM -->\nThe ")
    written = [*truth[1:-1], ill_posed, truth[0].replace("<!-- END PROBLEM -->", "")]
    monkeypatch.setattr(copycheck, "complete", lambda *_: written)
    found = copycheck.check(None, None, "generator", COUNT)  # type: ignore[arg-type]
    assert found["parsed"] == round((COUNT - 1) / COUNT, 3)
    assert found["well_posed"] == round((COUNT - 2) / COUNT, 3)

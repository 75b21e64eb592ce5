"""The fast paths of `normalise`, and what it does not cache."""

from __future__ import annotations

import pytest

from promptcot.core.answers import normalise as module
from promptcot.core.answers.normalise import normalise
from promptcot.core.answers.remembered import remembered


@pytest.mark.parametrize(
    "text", ["0", "7", "-7", "007", "-0", "9" * 40, r"\frac{1}{2}", r"-\frac{15}{7}", r"\frac{0}{0}", r"\frac{007}{1}"]
)
def test_whole_numbers_and_fractions_are_what_the_rules_make_of_them(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert module.is_plain(text)
    monkeypatch.setattr(module, "is_plain", lambda text: None)
    by_rules = normalise.__wrapped__(text)  # type: ignore[attr-defined]
    assert by_rules == text


def test_long_texts_are_not_remembered() -> None:
    asked: list[str] = []
    call = remembered(10)(lambda text: asked.append(text))
    for text in ("short", "short", "long" * 1000, "long" * 1000):
        call(text)
    assert list(map(len, asked)) == [5, 4000, 4000]

"""Problems with a near copy: which ones, how similar, and how many by threshold."""

from __future__ import annotations

import pytest

from promptcot.core.measures.near_copies import THRESHOLDS, NearCopies, Nearest, by_threshold
from promptcot.core.overlap.near import Text

SOUND = "Find the number of primes below one hundred that leave a remainder of three when divided by seven"


def nearest(*texts: str) -> list[Nearest | None]:
    read = [Text.of(text) for text in texts]
    found = NearCopies([*enumerate(read)])
    for place, text in enumerate(read):
        found.look(place, text)
    return found.nearest()


def test_a_text_is_not_a_copy_of_itself() -> None:
    assert nearest(SOUND) == [None]


def test_equal_texts_are_wholly_alike_each() -> None:
    assert nearest(SOUND, SOUND, "Something else") == [Nearest(1.0, False), Nearest(1.0, False), None]


def test_respelled_latex_is_wholly_alike() -> None:
    found = nearest(r"Compute $\dfrac{1}{2}+x$ for all real $x$", r"Compute \(\frac{1}{2} + x\) for all real \(x\)")
    assert [one and one.similarity for one in found] == [1.0, 1.0]


def test_one_word_of_eighteen_leaves_seventeen() -> None:
    """Aligned word by word; the short shingles that both have are fewer."""
    found = nearest(SOUND, SOUND.replace("hundred", "thousand"))
    assert len(SOUND.split()) == 18
    assert [one and one.similarity for one in found] == [pytest.approx(17 / 18)] * 2


def test_sentences_in_another_order_are_found_by_their_shingles() -> None:
    first, second = "Let a be the least prime above seventy.", "Let b be the largest square below a thousand."
    found = nearest(f"{first} {second}", f"{second} {first}")
    assert all(one is not None and one.similarity > 0.85 for one in found)


def test_other_numbers_are_told_apart_from_other_words() -> None:
    found = nearest("How many primes lie between 10 and 50?", "How many primes lie between 20 and 90?")
    assert [one and one.numbers_only for one in found] == [True, True]


def test_the_most_alike_of_many_is_found() -> None:
    others = [f"{SOUND} and then add number {'x' * n} to the result of it" for n in range(20)]
    assert nearest(SOUND, *others, SOUND + " again")[0] == Nearest(pytest.approx(18 / 19), False)


@pytest.mark.parametrize("text", ["", "求方程的解", "$x^2+y^2$", "a", "x" * 20_000])
def test_odd_texts_are_looked_at(text: str) -> None:
    found = nearest(text, SOUND)
    assert found[1] is None


def test_the_order_of_the_set_does_not_matter() -> None:
    texts = [SOUND, SOUND.replace("seven", "nine"), SOUND.replace("primes", "squares"), "Another one altogether"]
    assert nearest(*texts) == nearest(*reversed(texts))[::-1]


def test_counts_by_threshold_are_cumulative_and_have_an_interval() -> None:
    found = by_threshold([Nearest(0.9, True), Nearest(0.55, False), None, None])
    assert [one["count"] for one in found] == [2, 1, 1, 1, 1, 1, 0, 0]
    assert [one["numbers_only"] for one in found] == [1, 1, 1, 1, 1, 1, 0, 0]
    assert [one["least"] for one in found] == [*THRESHOLDS]
    assert found[0]["share"] == 0.5
    assert found[0]["interval"] == (pytest.approx(0.1500, abs=1e-4), pytest.approx(0.8500, abs=1e-4))


def test_no_text_has_no_share() -> None:
    assert [(one["count"], one["share"], one["interval"]) for one in by_threshold([])] == [(0, None, None)] * 8

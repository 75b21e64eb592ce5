"""What an answer states in addition to its value."""

from __future__ import annotations

import pytest

from promptcot.core.answers.stated import stated


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5", "value"),
        (r"\frac{1}{2}", "value"),
        (r"\text{no solution}", "value"),
        (r"\begin{pmatrix}1\\2\end{pmatrix}", "value"),
        ("", "value"),
        ("7" * 20_000, "value"),
        ("C", "letter"),
        ("(C)", "letter"),
        (r"\text{Option C}", "letter"),
        ("A, C", "letter"),
        (r"\textbf{(C)}\ 12", "letter value"),
        (r"\textbf{(C)}\ 12\text{ cm}", "letter unit value"),
        (r"\text{(C) D}", "letter value"),
        (r"5\text{ cm}", "unit value"),
        (r"6\text{ red}", "unit value"),
        (r"33.5\%", "unit value"),
        (r"60^\circ", "unit value"),
        (r"\$4.50", "unit value"),
        (r"5\text{ ft }3\text{ in}", "unit value"),
        (r"3\text{ cm}, 4", "unit value"),
        ("x=5", "name value"),
        ("f(x)=2x", "name value"),
        ("m+n=293", "name value"),
        ("a=1, b=2", "name value"),
        ("x=1, 2", "name value"),
        (r"x=5\text{ cm}", "name unit value"),
        (r"3 \pmod 7", "modulus value"),
        (r"x \equiv 3 \pmod 7", "modulus name value"),
    ],
)
def test_what_is_stated(text: str, expected: str) -> None:
    assert " ".join(sorted(stated(text))) == expected

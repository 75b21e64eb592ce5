"""Nonsense replies: no function raises an error, and the time is bounded by the length."""

from __future__ import annotations

import pytest

from promptcot.core.answers.exact import same
from promptcot.core.answers.extraction import extract
from promptcot.core.answers.stated import stated
from tests.programs import computing_at_most

ONCE = {
    name: piece * (6000 // len(piece))
    for name, piece in {
        "parentheses": "(", "braces": "{", "texts": r"\text{", "fractions": r"\frac{", "bare roots": r"\sqrt",
        "roots of Unicode": "√", "joined": "1 and ", "assigned": "x=1, y=2 or ", "dotted digits": r"\dot{3}",
        "digits": "7", "commas": "1,", "blanks": " ", "ratios": "1:", "feet": "5 ft ", "primes": "5' ",
        "leads": "the answer is ", "long leads": "total of a ", "signs": r"\pm", "cases": r"\begin{cases}",
        "indices": "x_", "towers": "2^", "entities": "&lt;", "ampersands": "&", "tags": "<b>", "residues": r"5 \pmod ",
        "bars": "|x|", "choices": "(A) ", "Chinese": "答案是", "Cyrillic": "и", "units": r"5\text{ cm}",
        "money": r"\$5 ", "arrays": r"\begin{array}{c}", "qualifiers": "1 for all ", "vectors": r"\langle 1,",
        "percent": "5%", "factorials": "5!",
        "powers of ten": "1e5", "degrees": r"5^\circ ", "members": r"\in ", "equations": "x=",
        "orders": "x<", "unions": r"\cup ", "rows": "1\\\\", "conditions": r"\{x\mid ", "mixed brackets": "[(",
        "turned intervals": "]1,2[", "words": "word ", "no width": "\u200b", "raised": "⁴", "minus": "-",
        "dollars": "$",
        "backslashes": "\\", "ticks": "`", "boxes": r"\boxed{1} and ", "emphasis": "**1", "right to left": "\u202eشش",
    }.items()
}  # fmt: skip


@pytest.mark.parametrize("text", ONCE.values(), ids=ONCE.keys())
def test_nonsense_is_graded_in_no_time(text: str) -> None:
    with computing_at_most():
        for gold, answer in ((text, "x+1"), ("42", text), (r"5\text{ cm}", text)):
            assert same(gold, answer) is not True
        same(text, text + "1")
        assert same(text, text) is True
        assert stated(text)


@pytest.mark.parametrize("text", ONCE.values(), ids=ONCE.keys())
def test_an_answer_is_found_or_not_in_no_time(text: str) -> None:
    with computing_at_most():
        for completion in (text * 10, rf"\boxed{{{text}", f"The answer is {text}", rf"\boxed{{1}}{text}\boxed{{2}}"):
            extract(completion, unboxed=True)


@pytest.mark.parametrize(
    "code",
    ["print('3')", "<script>3</script>", '{"answer": 4}', "return 4", "lambda x: 3", "SELECT 3", "\u202e4\u202c"],
)
def test_code_and_turned_text_is_another_answer(code: str) -> None:
    assert same("3", code) is not True

"""What makes a trace malformed."""

from __future__ import annotations

import pytest

from promptcot.core.parsing.traces import malformed


@pytest.mark.parametrize(
    ("prompt", "completion", "fault"),
    [
        ("p", "The answer is 4.", None),
        ("p", "<think>a</think>4", None),
        ("p", "\n <think>a</think>4", None),
        ("p<think>\n", "a</think>4", None),
        ("p<think>\n", "<think>a</think>4", None),
        ("p", "a</think>4", None),
        ("p", "<think>a", "thinking not closed"),
        ("p<think>", "a", "thinking not closed"),
        ("p<think> b", "a", None),
        ("p", "", None),
        ("p<think>", "", "thinking not closed"),
        ("p", "<think>a</think>b</think>4", "thinking closed twice"),
        ("p", "<think>a<think>b</think>4", "thinking opened again"),
        ("p", "<think>a</think>4<think>", "thinking opened again"),
        ("p", "so <think>a</think>4", "thinking opened again"),
    ],
)
def test_form_of_a_trace(prompt: str, completion: str, fault: str | None) -> None:
    assert malformed(prompt, completion) == fault

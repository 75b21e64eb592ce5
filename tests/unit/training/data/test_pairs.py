"""Pairs of answers: which are used, in which form, and the reasons for dropping the others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from promptcot.errors import InputError
from promptcot.training.data.pairs import Pairs, open_pairs
from promptcot.training.recipe import TrainRecipe
from tests.unit.training.materials import CHATML, THINKING, tokenizer, write

OPENED = "<|im_start|>user\n1<|im_end|>\n<|im_start|>assistant\n"
SYSTEM = {"role": "system", "content": "0"}


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def said(text: str, **more: str) -> dict[str, str]:
    return {"role": "assistant", "content": text, **more}


def pair(chosen: Any, rejected: Any, prompt: Any = "1\n", **more: Any) -> dict[str, Any]:
    return {"prompt": prompt, "chosen": chosen, "rejected": rejected, **more}


BESIDE = {"chosen_messages": [user("1"), said("8")], "rejected_messages": [user("1"), said("9")]}
"""The sides as chats, as `label` writes them beside the texts."""


def recipe(path: Path, window: int = 64, **data: Any) -> TrainRecipe:
    return TrainRecipe.model_validate(
        {
            "model": {"path": "nano:solver"},
            "data": {"path": str(path), **data},
            "method": {"kind": "dpo"},
            "schedule": {"max_length": window},
        }
    )


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMPTCOT_CACHE", str(tmp_path / "cache"))


def opened(tmp_path: Path, rows: Sequence[dict[str, Any]], known: Any = None, **data: Any) -> Pairs:
    return open_pairs(recipe(write(tmp_path / "pairs.jsonl", rows), **data), known or tokenizer())


def texts(pairs: Pairs, known: Any) -> list[tuple[str, ...]]:
    """Prompt, chosen and rejected of each pair, decoded."""
    return [tuple(known.decode(ids) for ids in pairs.ids(number).values()) for number in range(len(pairs))]


@pytest.mark.parametrize(
    ("row", "template", "data", "learnt"),
    [
        (pair("2<|im_end|>", "3</s>\n"), None, {}, ("1\n", "2<eos>", "3<eos>")),
        (
            pair("<think>2</think>3", "<think>\n4", "1\n<think>\n"),
            None,
            {},
            ("1\n<think>\n", "2</think>3<eos>", "4<eos>"),
        ),
        (pair("2", "3", **BESIDE), None, {}, ("1\n", "2<eos>", "3<eos>")),
        (pair("2", "3", **BESIDE), CHATML, {}, (OPENED, "8<|im_end|>", "9<|im_end|>")),
        (pair("2", "3", chosen_messages=[], rejected_messages=[]), CHATML, {}, ("1\n", "2<eos>", "3<eos>")),
        (
            {"prompt": "1\n", "a": "2", "b": "3", **BESIDE},
            CHATML,
            {"columns": {"chosen": "a", "rejected": "b"}},
            ("1\n", "2<eos>", "3<eos>"),
        ),
        (BESIDE, CHATML, {}, (OPENED, "8<|im_end|>", "9<|im_end|>")),
        (pair("2", "3", "1"), CHATML, {"chat": True}, (OPENED, "2<|im_end|>", "3<|im_end|>")),
        (pair([said("2")], [said("3")], [user("1")]), CHATML, {}, (OPENED, "2<|im_end|>", "3<|im_end|>")),
        (pair("2", [said("3")], "1"), CHATML, {}, (OPENED, "2<|im_end|>", "3<|im_end|>")),
        (pair([user("1"), said("2")], [user("1"), said("3")], "1"), CHATML, {}, (OPENED, "2<|im_end|>", "3<|im_end|>")),
        (
            pair([said("2"), user("3"), said("4")], [said("2"), user("3"), said("5")], [user("1")]),
            CHATML,
            {},
            (f"{OPENED}2<|im_end|>\n{OPENED.replace('1', '3')}", "4<|im_end|>", "5<|im_end|>"),
        ),
        (
            pair([said("3", reasoning_content="2")], [said("4")], [user("1")]),
            THINKING,
            {"without_reasoning": "close"},
            (f"{OPENED}<think>\n", "2\n</think>\n\n3<|im_end|>", "\n</think>\n\n4<|im_end|>"),
        ),
    ],
)
def test_sides_are_learnt_as_fine_tuning_learns_rows(
    tmp_path: Path, row: dict[str, Any], template: str | None, data: dict[str, Any], learnt: tuple[str, ...]
) -> None:
    known = tokenizer(template)
    assert texts(opened(tmp_path, [row], known, **data), known) == [learnt]


@pytest.mark.parametrize(
    ("row", "template", "reason"),
    [
        (pair("2", "2<|im_end|>\n"), None, "chosen and rejected are equal"),
        (pair("2", " \n"), None, "rejected: empty completion"),
        (pair("</s>", "2"), None, "chosen: only an end mark"),
        (pair("2", None), None, "no rejected answer"),
        (pair("2", "3", "  "), None, "no prompt"),
        ({"question": "1", "chosen": "2", "rejected": "3"}, None, "no prompt: it has `question`, `chosen`, `rejected`"),
        ({"prompt": "1", "better": "2"}, None, "neither chosen nor rejected: it has `prompt`, `better`"),
        (pair([user("1"), said("2")], [user("2"), said("3")], None), CHATML, "the sides have different prompts"),
        (pair([user("1"), said("2")], [user("1"), said("3")], "9"), CHATML, "the sides do not begin with the prompt"),
        (
            pair([user("1"), said("2")], [user("1"), said("3")], [SYSTEM, user("1")]),
            CHATML,
            "the sides do not begin with the prompt",
        ),
        (pair([said("2")], [said("3")], [user(OPENED)]), CHATML, "chosen: already rendered"),
        (pair("2", "3 " * 100), None, "too long"),
        (pair("2<eos>3", "4"), None, "special token in the completion"),
    ],
)
def test_pairs_that_are_no_use_are_left_out_by_name(
    tmp_path: Path, row: dict[str, Any], template: str | None, reason: str
) -> None:
    good = pair([said("2")], [said("3")], [user("5")]) if template else pair("2", "3", "5\n")
    pairs = opened(tmp_path, [{"id": "bad", **row}, good], tokenizer(template))
    assert (len(pairs), pairs.dropped) == (1, {"bad": reason})
    assert pairs.counts.rows_in == 2


@pytest.mark.parametrize(
    "names", [("a", "a", "a", "a"), (None, None, None, None), ("\ud800", "\ud801", "\ud802", "\ud803")]
)
def test_a_side_is_never_joined_with_that_of_another_pair(tmp_path: Path, names: tuple[str | None, ...]) -> None:
    long, known = "7 " * 100, tokenizer()
    answers = [("2", "3"), ("4", long), (long, "5"), ("6", "8")]
    pairs = opened(tmp_path, [{"id": name, **pair(*both)} for name, both in zip(names, answers, strict=True)], known)
    assert texts(pairs, known) == [("1\n", "2<eos>", "3<eos>"), ("1\n", "6<eos>", "8<eos>")]
    assert pairs.counts.rows_in == 4


def test_what_can_be_done_about_pairs_is_said_in_the_words_of_their_method(tmp_path: Path) -> None:
    rows = [pair("2", "3 " * 100), pair("2", "3</s>"), pair("<think>4</think>5", "6", "1\n<think>\n")]
    told = opened(tmp_path, rows).lines
    assert "1 × end mark of another model taken off, counted by sides" in told[0]
    assert "1 × answer without reasoning after <think>, counted by sides" in told[0]
    assert told[1] == "too long: a side and the prompt are longer than the window: raise schedule.max_length"
    assert told[2].startswith("answer without reasoning after <think>: the prompt opens the thinking")
    with pytest.raises(
        InputError, match=r"already rendered: the texts already contain turn markers.* set\s+data\.chat = false"
    ):
        opened(tmp_path, [pair("2", "3", OPENED)], tokenizer(CHATML), chat=True)


def test_pairs_are_held_out_whole_and_another_share_is_another_training(tmp_path: Path) -> None:
    path, known = write(tmp_path / "pairs.jsonl", [pair("2", "3", f"{number}\n") for number in range(10)]), tokenizer()
    found = {share: open_pairs(recipe(path, validation=share), known) for share in (0.0, 0.2, 0.4)}
    assert [len(pairs) for pairs in found.values()] == [10, 8, 6]
    held_out = open_pairs(recipe(path, validation=0.4), known, "validation")
    assert {held_out.id(n) for n in range(4)}.isdisjoint(found[0.4].id(n) for n in range(6))
    assert str(held_out.counts).startswith("10 pairs, 4 kept; 6 in the other part of the validation split")
    assert len({str(pairs.fingerprint) for pairs in found.values()}) == 3

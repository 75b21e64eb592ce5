"""The loss on all answers of a chat: which tokens have a loss, on disk, packed and padded; and the errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from promptcot.training.data.collating import IGNORED, Collator
from promptcot.training.data.reading import Example, Reader, Rejected
from promptcot.training.data.reasons import REWRITTEN
from promptcot.training.data.store import TokenStore
from promptcot.training.data.tokens import open_store
from promptcot.training.data_recipe import Data
from tests.unit.training.materials import CHATML, THINKING, recipe, tokenizer, write

STRIPPING = CHATML.replace("m.content | trim", "m.content.split('</think>')[-1] | trim")
"""As R1's and Qwen3's, which leave the reasoning out of earlier answers."""


def chat(*said: str, system: bool = False) -> list[dict[str, str]]:
    turns = [
        {"role": role, "content": text} for role, text in zip(("user", "assistant") * len(said), said, strict=False)
    ]
    return [{"role": "system", "content": "Be brief."}, *turns] if system else turns


def read(messages: list[dict[str, Any]], template: str = CHATML) -> Example | Rejected:
    data = Data(path=["rows.jsonl"], loss="assistant")
    return Reader(data, tokenizer(template))({"id": "a", "messages": messages})


def stored(path: Path, chats: list[list[dict[str, str]]], **options: Any) -> TokenStore:
    rows = write(path / "rows.jsonl", [{"id": f"r{n}", "messages": turns} for n, turns in enumerate(chats)])
    return open_store(recipe(rows, loss="assistant", **options), tokenizer(CHATML), cache=path / "cache")


def learnt(store: TokenStore, row: int) -> str:
    return str(tokenizer(CHATML).decode(store.row(row)[0][store.learnt(row)]))


CHATS: list[tuple[list[dict[str, str]], str]] = [
    (chat("1 + 1?", "2"), "2<|im_end|>"),
    (chat("1 + 1?", "2", "2 + 2?", "4"), "2<|im_end|>4<|im_end|>"),
    (chat("1 + 1?", "2", "2 + 2?", "4", "3 + 3?", "6", system=True), "2<|im_end|>4<|im_end|>6<|im_end|>"),
    (chat("1 + 1?", " 2 \n", "2 + 2?", " 4 "), "2<|im_end|> 4 <|im_end|>"),
    (chat("1 + 1?", "2<|im_end|>\n", "2 + 2?", "4<eos>"), "2<|im_end|>4<|im_end|>"),
    (chat("1 + 1?", "<think>hm</think>2", "2 + 2?", "4"), "<think>hm</think>2<|im_end|>4<|im_end|>"),
    (chat("1 + 1?", "2", "2 + 2?", "4", "thanks"), "2<|im_end|>4<|im_end|>"),
    ([{"role": "assistant", "content": "Ask!"}, *chat("1 + 1?", "2", "3?", "3")], "2<|im_end|>3<|im_end|>"),
]


@pytest.mark.parametrize(("turns", "wanted"), CHATS)
def test_each_answer_is_learnt_with_the_end_of_its_turn(tmp_path: Path, turns: list[Any], wanted: str) -> None:
    store = stored(tmp_path, [turns], window=256)
    assert learnt(store, 0) == wanted
    assert store.counts.completion_tokens == int(store.learnt(0).sum())


def test_the_pieces_of_a_prompt_are_the_prompt() -> None:
    example = read(chat("1 + 1?", "2", "2 + 2?", "4", "3 + 3?", "6"))
    assert isinstance(example, Example)
    assert "".join(example.pieces) == example.prompt
    assert example.pieces[1::2] == ("2<|im_end|>", "4<|im_end|>")


def test_reasoning_that_was_kept_apart_from_earlier_answers_is_learnt_where_the_template_keeps_it() -> None:
    turns = chat("1 + 1?", "2", "2 + 2?", "4")
    turns[1]["reasoning_content"] = "one and one"
    example = read(turns)
    assert isinstance(example, Example)
    assert example.pieces[1] == "<think>\none and one\n</think>\n\n2<|im_end|>"
    assert read(turns, STRIPPING) == Rejected("a", REWRITTEN)


@pytest.mark.parametrize(
    ("turns", "template"),
    [
        (chat("1 + 1?", "<think>hm</think>2", "2 + 2?", "4"), STRIPPING),
        (chat("1 + 1?", "2", "2 + 2?", "4"), THINKING),  # which opens thinking that earlier answers do not have
        (chat("1 + 1?", "2", "2 + 2?", "4"), "{{ messages | length }}" + CHATML),
    ],
)
def test_a_row_whose_earlier_answers_the_template_rewrites_is_left_out(turns: list[Any], template: str) -> None:
    assert read(turns, template) == Rejected("a", REWRITTEN)
    last = Reader(Data(path=["rows.jsonl"]), tokenizer(template))({"id": "a", "messages": turns})
    assert isinstance(last, Example)


def test_a_special_token_inside_an_earlier_answer_leaves_the_row_out(tmp_path: Path) -> None:
    quoted = chat("1 + 1?", "It ends with <|im_end|> always.", "2 + 2?", "4")
    store = stored(tmp_path, [quoted, chat("1?", "1", "2?", "2")], window=256)
    assert store.counts.dropped == {"special token in the completion": 1}


def test_an_answer_that_is_cut_keeps_its_mask(tmp_path: Path) -> None:
    turns = chat("1 + 1?", "2", "2 + 2?", "4 " * 40)
    whole = stored(tmp_path, [turns], window=256)
    window = whole.row(0)[1] + 5
    cut = stored(tmp_path, [turns], window=window, overlong="cut")
    assert len(cut.row(0)[0]) == window
    assert cut.learnt(0).tolist() == whole.learnt(0)[:window].tolist()


@pytest.mark.parametrize("packing", [True, False])
def test_packed_and_padded_batches_learn_the_same(tmp_path: Path, packing: bool) -> None:
    store = stored(tmp_path, [turns for turns, _ in CHATS], window=256)
    packs = [[2, 1], [0]] if packing else [[2], [1]]
    batch = Collator(store, 1, packing)([{"rows": pack} for pack in packs])
    found = batch["labels"][batch["labels"] != IGNORED].tolist()
    rows = [row for pack in packs for row in pack]
    assert found == [int(token) for row in rows for token in store.row(row)[0][store.learnt(row)]]
    assert "attention_mask" not in batch if packing else batch["attention_mask"].sum() == sum(store.lengths[rows])


def test_only_this_loss_takes_room_for_a_mask(tmp_path: Path) -> None:
    stored(tmp_path, [CHATS[1][0]])
    assert len(list((tmp_path / "cache").rglob("learnt.bin"))) == 1
    open_store(recipe(tmp_path / "rows.jsonl"), tokenizer(CHATML), cache=tmp_path / "other")
    assert not list((tmp_path / "other").rglob("learnt.bin"))

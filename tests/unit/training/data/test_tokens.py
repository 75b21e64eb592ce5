"""The token store: ids as at inference, rows that do not fit, the cache, and held-out rows."""

from __future__ import annotations

import json
import pickle
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptcot.errors import InputError
from promptcot.training.data import tokens
from promptcot.training.data.encoding import Encoder, padding_id, tokenizer_hash
from promptcot.training.data.reading import Example
from promptcot.training.data.store import TokenStore
from promptcot.training.data.tokens import open_store
from tests.programs import PATIENCE
from tests.unit.training.materials import CHATML, recipe, spaced, tokenizer, write

EOS = 0
ROWS = [{"id": f"r{n}", "prompt": f"What is {n} + {n}?", "completion": f"It is {2 * n}."} for n in range(20)]


def encoded(made: Any, *examples: Example) -> list[tuple[list[int], list[int]]]:
    return [(prompt.tolist(), completion.tolist()) for prompt, completion in Encoder(made)(examples)]


def stored(path: Path, rows: list[dict[str, Any]], made: Any = None, **options: Any) -> TokenStore:
    which = options.pop("which", "train")
    chosen = recipe(write(path / "rows.jsonl", rows), **options)
    return open_store(chosen, made or tokenizer(), cache=path / "cache", which=which)


@given(st.lists(st.tuples(st.text("ab <think>é\n∑0"), st.text("ab <think>é\n∑0")), min_size=1, max_size=4))
def test_ids_are_those_of_the_tokenizer_itself(texts: list[tuple[str, str]]) -> None:
    made = BEGINNING
    found = encoded(made, *(Example("", prompt, completion) for prompt, completion in texts))
    for (prompt, completion), (asked, answer) in zip(texts, found, strict=True):
        assert asked == made(prompt)["input_ids"]
        assert answer == [*made(completion, add_special_tokens=False)["input_ids"], EOS]


BEGINNING = tokenizer(CHATML, begin=True)


def test_a_prompt_that_begins_with_bos_gets_no_second_one() -> None:
    bos = BEGINNING.bos_token_id
    texts = Example("", "a", "b"), Example("", "<bos>a", "b"), Example("", "<bos>a", "b", chat=True)
    plain, written, chat = [prompt for prompt, _ in encoded(BEGINNING, *texts)]
    assert plain == written == chat
    assert plain.count(bos) == 1
    assert encoded(BEGINNING, Example("", "a", "b", chat=True))[0][0].count(bos) == 0


def test_an_answer_in_a_chat_ends_with_the_end_of_its_turn_and_a_text_with_eos() -> None:
    end = BEGINNING.convert_tokens_to_ids("<|im_end|>")
    plain, chat = encoded(BEGINNING, Example("", "a", "b"), Example("", "a", "b", chat=True))
    assert (plain[1][-1], chat[1][-1]) == (EOS, end)
    assert EOS not in chat[1]


@pytest.mark.parametrize(("text", "chat"), [("b<eos>", False), ("b<eos>", True), ("b<|im_end|>", True)])
def test_an_answer_that_has_its_end_gets_no_second_one(text: str, chat: bool) -> None:
    [(_, ids)] = encoded(BEGINNING, Example("", "a", text, chat))
    assert ids == BEGINNING(text, add_special_tokens=False)["input_ids"]


def test_a_template_whose_turns_end_in_plain_words_gets_the_end_token_too() -> None:
    made = tokenizer("{% for m in messages %}{{ m.content }} END\n{% endfor %}")
    [(_, ids)] = encoded(made, Example("", "a", "b", chat=True))
    assert made.decode(ids[:-1]) == "b END"
    assert ids[-1] == EOS


def test_an_answer_gets_no_space_from_a_tokenizer_that_begins_every_text_with_one() -> None:
    made = spaced()
    [(prompt, answer)] = encoded(made, Example("", "ab", "ab"))
    assert made.convert_ids_to_tokens(prompt) == ["▁ab"]
    assert made.convert_ids_to_tokens(answer) == ["ab", "</s>"]


def test_a_slow_tokenizer_serves_as_well() -> None:
    from transformers import ByT5Tokenizer

    made = ByT5Tokenizer()
    [(prompt, answer)] = encoded(made, Example("", "ab", "cd"))
    assert prompt == made("ab")["input_ids"]
    assert made.decode(answer) == "cd</s>"
    assert len(tokenizer_hash(made)) == 32


def test_a_tokenizer_without_an_end_token_is_an_error() -> None:
    made = tokenizer()
    made.eos_token = None
    with pytest.raises(InputError, match="eos_token"):
        Encoder(made)


def test_a_tokenizer_without_a_pad_token_pads_with_its_end_token() -> None:
    made = tokenizer()
    assert padding_id(made) == made.pad_token_id
    made.pad_token = None
    assert padding_id(made) == EOS


def test_the_hash_of_a_tokenizer_changes_with_its_rules_and_template_alone() -> None:
    made = tokenizer()
    known = tokenizer_hash(made)
    made(["a", "b b"], padding=True, truncation=True, max_length=8)
    assert tokenizer_hash(made) == known == tokenizer_hash(tokenizer())
    assert len({known, tokenizer_hash(tokenizer(CHATML)), tokenizer_hash(tokenizer(begin=True))}) == 3


def test_a_store_gives_rows_ids_and_counts(tmp_path: Path) -> None:
    store, made = stored(tmp_path, [*ROWS, {"id": "bad", "prompt": "p"}]), tokenizer()
    assert [store.id(i) for i in range(len(store))] == [row["id"] for row in ROWS]
    ids, prompt = store.row(7)
    assert made.decode(ids[:prompt]) == ROWS[7]["prompt"]
    assert made.decode(ids[prompt:]) == ROWS[7]["completion"] + "<eos>"
    assert store.lengths.tolist() == [len(store.row(i)[0]) for i in range(len(store))]
    counts = store.counts
    assert (counts.rows_in, counts.kept, counts.dropped, counts.cut) == (21, 20, {"no completion": 1}, 0)
    assert counts.tokens == sum(len(store.row(i)[0]) for i in range(20))
    assert counts.completion_tokens == counts.tokens - sum(store.row(i)[1] for i in range(20))
    assert "1 dropped (no completion)" in str(counts)


def test_a_prompt_without_room_for_an_answer_is_dropped_and_an_answer_is_cut(tmp_path: Path) -> None:
    made = tokenizer()
    asked, answer = made("a b c")["input_ids"], [*made("d e")["input_ids"], EOS]
    rows = [{"prompt": "a b c", "completion": "d e"}]
    whole = len(asked) + len(answer)
    for window in range(len(asked) + 1, whole + 1):
        store = stored(tmp_path, rows, window=window)
        assert store.row(0)[0].tolist() == (asked + answer)[:window]
        assert store.counts.cut == (window < whole)
    with pytest.raises(InputError, match=rf"1 × prompt too long; .*{len(asked)}"):
        stored(tmp_path, rows, window=len(asked))


def test_a_recipe_may_drop_answers_that_do_not_fit(tmp_path: Path) -> None:
    rows = [{"prompt": "a", "completion": "b"}, {"prompt": "a", "completion": "b " * 100}]
    store = stored(tmp_path, rows, overlong="drop")
    assert (store.counts.kept, store.counts.dropped, store.counts.cut) == (1, {"too long": 1}, 0)


@pytest.fixture
def made_stores(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders of the stores that had to be made."""
    made: list[Path] = []
    make = tokens._make

    def noted(folder: Path, *others: Any) -> None:
        made.append(folder)
        make(folder, *others)

    monkeypatch.setattr(tokens, "_make", noted)
    return made


def test_a_store_is_made_once_and_again_when_anything_changes(tmp_path: Path, made_stores: list[Path]) -> None:
    stored(tmp_path, ROWS)
    again = stored(tmp_path, ROWS)
    assert len(made_stores) == 1
    assert again.fingerprint == stored(tmp_path, ROWS).fingerprint
    for options in ({"window": 63}, {"overlong": "drop"}, {"limit": 19}, {"chat": True}, {"loss": "assistant"}):
        changed = stored(tmp_path, ROWS, tokenizer(CHATML), **options)
        assert changed.fingerprint != again.fingerprint
    stored(tmp_path, ROWS[1:])
    assert len(set(made_stores)) == len(made_stores) == 7


@pytest.mark.parametrize("damage", ["tokens.bin", "store.json"])
def test_a_store_that_is_not_whole_is_made_again(tmp_path: Path, made_stores: list[Path], damage: str) -> None:
    stored(tmp_path, ROWS)
    (made_stores[0] / damage).write_bytes(b"") if damage == "tokens.bin" else (made_stores[0] / damage).unlink()
    assert stored(tmp_path, ROWS).counts.kept == 20
    assert len(made_stores) == 2


@pytest.mark.parametrize("file", ["tokens.bin", "lengths.bin", "prompts.bin", "ids.bin", "asked.bin", "store.json"])
def test_a_store_in_which_a_bit_is_wrong_is_made_again(tmp_path: Path, made_stores: list[Path], file: str) -> None:
    right = stored(tmp_path, ROWS).row(7)[0].tolist()
    path = made_stores[0] / file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    again = stored(tmp_path, ROWS)
    assert len(made_stores) == 2
    assert again.row(7)[0].tolist() == right


def test_a_store_of_an_earlier_version_is_taken(tmp_path: Path, made_stores: list[Path]) -> None:
    stored(tmp_path, ROWS)
    told = json.loads((made_stores[0] / "store.json").read_bytes())
    del told["crc32"], told["checksums"]
    (made_stores[0] / "store.json").write_text(json.dumps(told))
    assert stored(tmp_path, ROWS).counts.kept == 20
    assert len(made_stores) == 1


def test_nothing_is_left_of_a_store_that_could_not_be_made(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="2 × no completion"):
        stored(tmp_path, [{"prompt": "a"}, {"prompt": "b"}])
    assert [path.suffix for path in (tmp_path / "cache" / "tokens").iterdir()] == [".lock"]


def test_whoever_comes_while_a_store_is_made_waits_for_it(
    tmp_path: Path, made_stores: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    make, chosen = tokens._make, recipe(write(tmp_path / "rows.jsonl", ROWS))
    begun = threading.Event()

    def slowly(*given: Any) -> None:
        begun.set()
        time.sleep(0.3)
        make(*given)

    monkeypatch.setattr(tokens, "_make", slowly)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(open_store, chosen, tokenizer(), cache=tmp_path)
        assert begun.wait(PATIENCE)
        second = pool.submit(open_store, chosen, tokenizer(), cache=tmp_path)
        assert len(first.result()) == len(second.result()) == 20
    assert len(made_stores) == 1


def test_a_share_is_held_out_of_one_store_and_traces_of_one_prompt_stay_together(
    tmp_path: Path, made_stores: list[Path]
) -> None:
    rows = [{"id": f"{n}-{trace}", "prompt": f"p{n}", "completion": "c"} for n in range(40) for trace in "ab"]
    train = stored(tmp_path, rows, validation=0.1)
    held_out = stored(tmp_path, rows, validation=0.1, which="validation")
    sides = [{store.id(i).partition("-")[0] for i in range(len(store))} for store in (train, held_out)]
    assert not sides[0] & sides[1]
    assert len(train) + len(held_out) == 80
    assert (len(held_out), train.counts.held_out, train.counts.kept) == (8, 8, 72)
    assert len(made_stores) == 1
    assert train.fingerprint != stored(tmp_path, rows).fingerprint


def test_a_small_share_holds_out_one_prompt_and_never_all(tmp_path: Path) -> None:
    assert len(stored(tmp_path, ROWS, validation=0.001, which="validation")) == 1
    with pytest.raises(InputError, match="no row to train on"):
        stored(tmp_path, ROWS[:1], validation=0.5)
    with pytest.raises(InputError, match=r"data\.validation is 0"):
        stored(tmp_path, ROWS, which="validation")


def test_validation_from_a_file_is_a_store_of_its_own(tmp_path: Path) -> None:
    other = write(tmp_path / "other.jsonl", ROWS[:3])
    held_out = stored(tmp_path, ROWS, validation=str(other), limit=2, which="validation")
    assert [held_out.id(i) for i in range(len(held_out))] == ["r0", "r1", "r2"]
    assert len(stored(tmp_path, ROWS, validation=str(other))) == 20


def test_a_slice_and_a_pickled_store_show_the_same_rows(tmp_path: Path) -> None:
    store = stored(tmp_path, ROWS).slice(range(5, 10)).slice([0, 3])
    copy = pickle.loads(pickle.dumps(store))
    assert [store.id(i) for i in (0, 1)] == [copy.id(i) for i in (0, 1)] == ["r5", "r8"]
    assert np.array_equal(copy.row(1)[0], store.row(1)[0])
    assert len(pickle.dumps(store)) < 2000


def test_the_cache_lies_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMPTCOT_CACHE", str(tmp_path / "here"))
    open_store(recipe(write(tmp_path / "rows.jsonl", ROWS)), tokenizer())
    assert [path.name for path in (tmp_path / "here").iterdir()] == ["tokens"]

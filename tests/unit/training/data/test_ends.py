"""The end of a completion, and the start of its thinking: tables of cases from rows of the Hub."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest

from promptcot.errors import InputError
from promptcot.training.data.encoding import Encoder
from promptcot.training.data.reading import Example, Reader, Rejected
from promptcot.training.data.reasons import FOREIGN_END, NO_REASONING, ONLY_END, RENDERED, UNREASONED
from promptcot.training.data.rendered import is_rendered
from promptcot.training.data.tokenizers import load_tokenizer
from promptcot.training.data.tokens import open_store
from promptcot.training.data_recipe import Data
from promptcot.training.recipe import TrainRecipe
from tests.unit.training.families import FAMILIES
from tests.unit.training.materials import CHATML, THINKING, recipe, tokenizer, write


@cache
def tokenizer_of(family: str) -> Any:
    if family == "nano":
        return tokenizer(CHATML)
    folder = FAMILIES[family].write(Path(mkdtemp()))
    return load_tokenizer(TrainRecipe.model_validate({"model": {"path": str(folder)}, "data": {"path": "r.jsonl"}}))


def read(row: dict[str, Any], made: Any = None, **data: Any) -> Example | Rejected:
    return Reader(Data(path=["rows.jsonl"], **data), made or tokenizer_of("nano"))({"id": "a", **row})


def learnt(family: str, row: dict[str, Any], **data: Any) -> tuple[str, bool]:
    """The text of what is learnt with its end, and whether it was remarked that the end was another model's."""
    made = tokenizer_of(family)
    example = read(row, made, **data)
    assert isinstance(example, Example), example
    [found] = Encoder(made).encoded([example])
    assert Encoder(made).misfit(example, found, 10_000) is None
    return made.decode(found.completion), FOREIGN_END in example.remarks


ENDS: list[tuple[str, str, bool, str, bool]] = [
    # the tokenizer, the completion, as a chat, what is learnt, the end was another model's
    ("nano", "2", False, "2<eos>", False),
    ("nano", "2<eos>", False, "2<eos>", False),
    ("nano", "2<eos>\n", False, "2<eos>", False),
    ("nano", "2<eos> <eos>\n\n<eos>", False, "2<eos>", False),
    ("nano", "2 \n<eos>", False, "2 \n<eos>", False),
    ("nano", "2</s>", False, "2<eos>", True),
    ("nano", "2<|eot_id|>\n", False, "2<eos>", True),
    ("nano", "2<|eot_id|><eos>", False, "2<eos>", True),
    ("nano", "2<eos>\n", True, "2<|im_end|>", False),
    ("nano", "2<|im_end|>\n", False, "2<|im_end|>", False),
    ("nano", "2<|im_end|>\n", True, "2<|im_end|>", False),
    ("nano", "2<|im_end|>\n<eos>", True, "2<|im_end|>", False),
    ("Qwen2.5", "2", False, "2<|endoftext|>", False),
    ("Qwen2.5", "2<|endoftext|>\n", False, "2<|endoftext|>", False),
    ("Qwen2.5", "2<|im_end|>", False, "2<|im_end|>", False),
    ("Qwen2.5", "2<|im_end|>\n<|endoftext|>", False, "2<|im_end|>", False),
    ("Qwen2.5", "2<|endoftext|>", True, "2<|im_end|>", False),
    ("Qwen2.5", "2</s>", True, "2<|im_end|>", True),
    ("Qwen2.5-Instruct", "2<|im_end|>\n", False, "2<|im_end|>", False),
    ("Qwen2.5-Instruct", "2<|endoftext|>", False, "2<|im_end|>", False),
    ("QwQ", "</think>2<|im_end|>\n", True, "</think>2<|im_end|>", False),
    ("Llama-3.1", "2<|eot_id|>", False, "2<|eot_id|>", False),
    ("Llama-3.1", "2<|end_of_text|>", False, "2<|end_of_text|>", False),
    ("Llama-3.1-Instruct", "2<|eot_id|>\n", True, "2<|eot_id|>", False),
    ("R1-Distill-Qwen", "2<｜end▁of▁sentence｜>", False, "2<｜end▁of▁sentence｜>", False),
    ("R1-Distill-Qwen", "2<|im_end|>", False, "2<｜end▁of▁sentence｜>", True),
]


@pytest.mark.parametrize(("family", "completion", "chat", "wanted", "foreign"), ENDS)
def test_end_marks_come_off_and_the_models_own_end_is_put_on(
    family: str, completion: str, chat: bool, wanted: str, foreign: bool
) -> None:
    assert learnt(family, {"prompt": "1 + 1?", "completion": completion}, chat=chat) == (wanted, foreign)


@pytest.mark.parametrize("mark", ["<|im_end|>", "<|endoftext|>", "<|im_start|>"])
def test_a_mark_in_the_middle_leaves_the_row_out_as_before(mark: str) -> None:
    made = tokenizer_of("Qwen2.5")
    example = read({"prompt": "1 + 1?", "completion": f"It ends with {mark} and so on.<|im_end|>"}, made)
    assert isinstance(example, Example)
    [found] = Encoder(made).encoded([example])
    assert Encoder(made).misfit(example, found, 10_000) == "special token in the completion"


def test_a_mark_of_another_model_in_the_middle_is_text() -> None:
    row = {"prompt": "1 + 1?", "completion": "Models end with </s>, as you know."}
    assert learnt("Qwen2.5", row) == ("Models end with </s>, as you know.<|endoftext|>", False)


def test_marks_in_earlier_answers_come_off_too() -> None:
    says = ["1 + 1?", "2<|im_end|>\n", "2 + 2?", "4<eos>"]
    turns = [{"role": role, "content": said} for role, said in zip(("user", "assistant") * 2, says, strict=True)]
    example = read({"messages": turns})
    assert isinstance(example, Example)
    assert "2<|im_end|>\n<|im_start|>user" in example.prompt
    assert example.completion == "4"


NOTHING = ["<eos>", " \n<eos>\n", "<|im_end|>", "</s>", "<|im_end|>\n<eos>"]


@pytest.mark.parametrize("completion", NOTHING)
@pytest.mark.parametrize("kind", ["text", "chat", "messages"])
def test_a_completion_of_end_marks_alone_is_left_out_by_name(completion: str, kind: str) -> None:
    pair = {"prompt": "1 + 1?", "completion": completion}
    turns = [{"role": "user", "content": "1 + 1?"}, {"role": "assistant", "content": completion}]
    row = {"messages": turns} if kind == "messages" else pair
    assert read(row, chat=kind == "chat") == Rejected("a", ONLY_END)


THOUGHTS: list[tuple[str, str, str]] = [
    ("Q<think>\n", "<think>\nhm</think>2", "hm</think>2"),
    ("Q<think>\n", "\n<think>hm</think>2", "hm</think>2"),
    ("Q<think>", "<think>\nhm</think>2", "\nhm</think>2"),
    ("Q<think>\n", "hm</think>2", "hm</think>2"),
    ("Q\n", "<think>\nhm</think>2", "<think>\nhm</think>2"),
    ("What does <think> mean?", "<think>hm</think>2", "<think>hm</think>2"),
]


@pytest.mark.parametrize(("prompt", "completion", "wanted"), THOUGHTS)
def test_thinking_that_the_prompt_of_a_text_row_has_opened_is_not_opened_twice(
    prompt: str, completion: str, wanted: str
) -> None:
    found = read({"prompt": prompt, "completion": completion})
    assert isinstance(found, Example)
    assert found.completion == wanted


UNREASONED_ROWS: list[tuple[str, dict[str, Any]]] = [
    ("a chat under a template that opens it", {"prompt": "1 + 1?", "completion": "2"}),
    ("a text whose prompt opens it", {"prompt": "1 + 1?<think>\n", "completion": "2"}),
]


@pytest.mark.parametrize(("kind", "row"), UNREASONED_ROWS, ids=[kind for kind, _ in UNREASONED_ROWS])
def test_an_answer_without_reasoning_is_counted_closed_or_dropped(kind: str, row: dict[str, Any]) -> None:
    made, chat = tokenizer(THINKING), kind.startswith("a chat")
    kept, closed = (read(row, made, chat=chat, without_reasoning=what) for what in ("keep", "close"))
    assert isinstance(kept, Example)
    assert isinstance(closed, Example)
    assert (kept.completion, kept.remarks) == ("2", (UNREASONED,))
    assert (closed.completion, closed.remarks) == ("\n</think>\n\n2", ())
    assert read(row, made, chat=chat, without_reasoning="drop") == Rejected("a", NO_REASONING)


@pytest.mark.parametrize("completion", ["hm</think>2", "<think>hm</think>2", "<think>hm"])
def test_an_answer_with_reasoning_is_no_such_answer(completion: str) -> None:
    found = read({"prompt": "1 + 1?", "completion": completion}, tokenizer(THINKING), chat=True)
    assert isinstance(found, Example)
    assert found.remarks == ()


RENDERINGS = [
    "<|im_start|>user\n1 + 1?<|im_end|>\n<|im_start|>assistant\n",
    "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n1 + 1?<|im_end|>\n",
    "<｜begin▁of▁sentence｜><｜User｜>1 + 1?<｜Assistant｜><think>\n",
    "<｜User｜>1 + 1?",
    "[INST] 1 + 1? [/INST]",
    "<s>[INST] 1 + 1? [/INST]",
    "<s> [INST] <<SYS>>\nBe brief.\n<</SYS>>\n\n1 + 1? [/INST]",
    "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n1 + 1?<|eot_id|>",
    "<|start_header_id|>user<|end_header_id|>\n\n1 + 1?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
    "<bos><start_of_turn>user\n1 + 1?<end_of_turn>\n<start_of_turn>model\n",
    "<|user|>\n1 + 1?<|end|>\n<|assistant|>\n",
    "<|start|>user<|message|>1 + 1?<|end|><|start|>assistant",
    "Be brief.\n<|im_start|>user\n1 + 1?<|im_end|>\n<|im_start|>assistant\n<think>\n",
]
NO_RENDERINGS = [
    "What does `<|im_start|>user` mean in ChatML?",
    "Llama 2 writes [INST] before a question. Why?",
    "Where does <｜User｜> come from?",
    "How long is the interval [1, 2]?",
    "An answer is opened by <|im_start|>assistant in ChatML, is it not?",
]


@pytest.mark.parametrize("text", RENDERINGS)
def test_a_prompt_that_is_rendered_already_is_refused_by_name_where_a_template_would_render_it(text: str) -> None:
    assert read({"prompt": text, "completion": "2"}, chat=True) == Rejected("a", RENDERED)
    turns = [{"role": "user", "content": text}, {"role": "assistant", "content": "2"}]
    assert read({"messages": turns}) == Rejected("a", RENDERED)
    assert isinstance(read({"prompt": text, "completion": "2"}), Example)


@pytest.mark.parametrize("text", NO_RENDERINGS)
def test_a_question_about_marks_is_no_rendered_prompt(text: str) -> None:
    assert not is_rendered(text)


def test_a_set_of_rendered_prompts_names_the_way_out(tmp_path: Path) -> None:
    rows = write(tmp_path / "rows.jsonl", [{"prompt": text, "completion": "2"} for text in RENDERINGS])
    with pytest.raises(InputError, match=rf"{len(RENDERINGS)} × {RENDERED}(?s:.*)data\.chat = false"):
        open_store(recipe(rows, chat=True), tokenizer_of("nano"), cache=tmp_path)


def test_what_was_changed_is_told_with_the_way_out(tmp_path: Path) -> None:
    pairs = [("1?", "1</s>"), ("2?<think>\n", "2"), ("3?", "3 " * 100), ("4?", "<eos>")]
    rows = write(tmp_path / "rows.jsonl", [{"prompt": prompt, "completion": said} for prompt, said in pairs])
    counts = open_store(recipe(rows, overlong="drop"), tokenizer_of("nano"), cache=tmp_path).counts
    assert counts.remarks == {FOREIGN_END: 1, UNREASONED: 1}
    assert counts.dropped == {ONLY_END: 1, "too long": 1}
    told = "\n".join(counts.lines)
    assert f"1 × {FOREIGN_END}; 1 × {UNREASONED}" in told
    assert "too long: longer than the window, and a truncated trace has no end: raise schedule.max_length" in told
    assert "data.without_reasoning" in told

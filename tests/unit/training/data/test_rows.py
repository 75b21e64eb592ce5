"""The texts of a row, the reasons for dropping rows, and the sources of rows."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import promptcot
from promptcot.errors import InputError
from promptcot.training.data.chat import end_of_turn
from promptcot.training.data.reading import Example, Rejected
from promptcot.training.data.rows import examples, fingerprint
from promptcot.training.data_recipe import Data
from tests.unit.training.materials import CHATML, THINKING, tokenizer, write

REVISION = "0123456789abcdef0123456789abcdef01234567"
ASKED = "<|im_start|>user\n1 + 1?<|im_end|>\n<|im_start|>assistant\n"


def read(path: Path, rows: list[dict[str, Any]], template: str | None = CHATML, **data: Any) -> list[Any]:
    write(path / "rows.jsonl", rows)
    return list(examples(Data(path=[str(path / "rows.jsonl")], **data), tokenizer(template)))


def test_texts_are_taken_exactly_as_they_are(tmp_path: Path) -> None:
    [row] = read(tmp_path, [{"id": "a", "prompt": " 1 + 1?\n", "completion": "\n<think> 2 </think> "}], None)
    assert row == Example("a", " 1 + 1?\n", "\n<think> 2 </think> ")


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.zst", ".parquet"])
def test_every_format_of_rows_is_read_and_several_files_are_one_set(tmp_path: Path, suffix: str) -> None:
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    one = write(tmp_path / f"one{suffix}", [{"prompt": "p", "completion": "c"}, {"prompt": "p", "completion": "d"}])
    two = write(tmp_path / f"two{suffix}", [{"prompt": "p", "completion": "e"}])
    found = list(examples(Data(path=[str(one), str(two)]), None))
    first = found[0].id
    assert [row.id for row in found] == [first, f"{first}-2", f"{first}-3"]
    assert [row.completion for row in found if isinstance(row, Example)] == ["c", "d", "e"]


ANSWER = "<think>\n1 and 1 </think>\n\n2 \n"
CHATS: list[dict[str, Any]] = [
    {"messages": [{"role": "user", "content": "1 + 1?"}, {"role": "assistant", "content": ANSWER}]},
    {"prompt": [{"role": "user", "content": "1 + 1?"}], "completion": [{"role": "assistant", "content": ANSWER}]},
    {"prompt": [{"role": "user", "content": "1 + 1?"}], "completion": ANSWER},
    {"prompt": "1 + 1?", "completion": [{"role": "assistant", "content": ANSWER}]},
]


@pytest.mark.parametrize("row", CHATS)
def test_every_kind_of_chat_row_is_rendered_and_its_answer_is_left_untouched(
    tmp_path: Path, row: dict[str, Any]
) -> None:
    [found] = read(tmp_path, [row])
    assert (found.prompt, found.completion, found.chat) == (ASKED, ANSWER, True)


def test_texts_go_through_the_template_only_where_the_recipe_says_so(tmp_path: Path) -> None:
    row = {"prompt": "1 + 1?", "completion": ANSWER}
    assert read(tmp_path, [row])[0].prompt == "1 + 1?"
    assert read(tmp_path, [row], chat=True)[0].prompt == ASKED


PAIR = {"prompt": "Solve: 1 + 1?", "completion": ANSWER}
BOTH: list[tuple[str, list[dict[str, str]] | None, str | None, str]] = [
    ("messages, and a template to render them", CHATS[0]["messages"], CHATML, ASKED),
    ("messages, and no template", CHATS[0]["messages"], None, "Solve: 1 + 1?"),
    ("a column of messages that is empty here", [], CHATML, "Solve: 1 + 1?"),
    ("a column of messages that is null here", None, CHATML, "Solve: 1 + 1?"),
]


@pytest.mark.parametrize(("messages", "template", "prompt"), [case[1:] for case in BOTH], ids=[c[0] for c in BOTH])
def test_of_a_row_with_messages_and_a_pair_the_messages_are_learnt_where_they_can_be_rendered(
    tmp_path: Path, messages: Any, template: str | None, prompt: str
) -> None:
    [found] = read(tmp_path, [{**PAIR, "messages": messages}], template)
    assert (found.prompt, found.completion, found.chat) == (prompt, ANSWER, prompt == ASKED)


def test_a_model_with_a_template_learns_what_label_writes_in_the_words_of_the_template(tmp_path: Path) -> None:
    trace = {"problem": "1 + 1?", "completion": r"So \boxed{2}.", "truncated": False}
    labelled = promptcot.label([{**trace, "id": "a", "sample": sample} for sample in range(2)])
    assert set(labelled.sft[0]) > {"prompt", "completion", "messages"}
    found = read(tmp_path, labelled.sft)
    assert [one.prompt.startswith("<|im_start|>user\n1 + 1?") for one in found] == [True, True]
    assert all(one.prompt.endswith("<|im_start|>assistant\n") for one in found)


def test_the_last_answer_is_learnt_and_earlier_turns_are_its_prompt(tmp_path: Path) -> None:
    roles = ["system", "user", "assistant", "user", "assistant", "user"]
    [found] = read(tmp_path, [{"messages": [{"role": role, "content": f"t{n}"} for n, role in enumerate(roles)]}])
    assert found.completion == "t4"
    assert "t3" in found.prompt
    assert "t5" not in found.prompt


@pytest.mark.parametrize(
    ("answer", "learnt"),
    [
        ("<think>\nhm</think>2", "hm</think>2"),
        ("\n<think>hm</think>2", "hm</think>2"),
        ("<think>\n<think>hm", "<think>hm"),
        ("hm</think>2", "hm</think>2"),
        ("2 <think>", "2 <think>"),
    ],
)
def test_a_tag_that_the_template_has_opened_is_not_opened_twice(tmp_path: Path, answer: str, learnt: str) -> None:
    [found] = read(tmp_path, [{"prompt": "1 + 1?", "completion": answer}], THINKING, chat=True)
    assert found.prompt.endswith("<think>\n")
    assert found.completion == learnt


UNUSABLE: list[tuple[dict[str, Any], str]] = [
    ({"completion": "c"}, "no prompt"),
    ({"prompt": "p"}, "no completion"),
    ({"prompt": "p", "completion": None}, "no completion"),
    ({"prompt": "p", "completion": " \n"}, "empty completion"),
    ({"prompt": "", "completion": "c"}, "empty prompt"),
    ({"prompt": 7, "completion": "c"}, "not text"),
    ({"prompt": "p", "completion": {"text": "c"}}, "not text"),
    ({"prompt": "p", "completion": "\ud800"}, "not text"),
    ({"messages": []}, "no completion"),
    ({"messages": "hello"}, "not text"),
    ({"messages": [{"role": "user", "content": "p"}]}, "no completion"),
    ({"messages": [{"role": "assistant", "content": "c"}]}, "no prompt"),
    ({"messages": [{"role": "user", "content": None}, {"role": "assistant", "content": "c"}]}, "not text"),
    ({"messages": [{"role": "user", "content": "p"}, {"role": "assistant", "content": ""}]}, "empty completion"),
]


@pytest.mark.parametrize(("row", "reason"), UNUSABLE)
def test_an_unusable_row_is_counted_under_its_reason(tmp_path: Path, row: dict[str, Any], reason: str) -> None:
    assert read(tmp_path, [{"id": "x", **row}]) == [Rejected("x", reason)]


def test_a_row_that_the_template_refuses_is_one_row_less_and_no_crash(tmp_path: Path) -> None:
    strict = "{% if messages[0].role != 'user' %}{{ raise_exception('no') }}{% endif %}" + CHATML
    turns = [{"role": "system", "content": "s"}, *CHATS[0]["messages"]]
    found = read(tmp_path, [{"id": "a", "messages": turns}, {"id": "b", **CHATS[0]}], strict)
    assert found[0] == Rejected("a", "refused by the chat template")
    assert isinstance(found[1], Example)


def test_chats_without_a_template_are_an_error_that_names_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"model\.chat_template"):
        read(tmp_path, CHATS, None)


@pytest.mark.parametrize(
    ("template", "end"),
    [(CHATML, "<|im_end|>"), ("{% for m in messages %}[{{ m.content }}] </s>\n{% endfor %}", "] </s>")],
)
def test_the_end_of_an_answer_is_found_by_rendering(template: str, end: str) -> None:
    assert end_of_turn(tokenizer(template)) == end


def test_a_template_that_drops_answers_is_an_error() -> None:
    with pytest.raises(InputError, match="leaves out"):
        end_of_turn(tokenizer("{{ messages[0].content }}"))


def test_the_limit_counts_rows_that_are_read(tmp_path: Path) -> None:
    rows = [{"prompt": "p"}, {"prompt": "p", "completion": "c"}, {"prompt": "p", "completion": "c"}]
    assert len(read(tmp_path, rows, limit=2)) == 2


def test_the_fingerprint_of_a_file_is_its_sha256(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", [{"prompt": "p"}])
    assert fingerprint(Data(path=[str(path)])) == {str(path): hashlib.sha256(path.read_bytes()).hexdigest()}


BAD: list[tuple[dict[str, Any], str]] = [
    ({"path": ["missing.jsonl"]}, "cannot be read"),
    ({"path": ["rows.csv"]}, "neither a file"),
    ({"path": ["owner/name"]}, "40 hex digits"),
    ({"path": ["owner/name"], "revision": "main"}, "40 hex digits"),
    ({"path": ["owner/one", "owner/two"], "revision": REVISION}, "applies to one only"),
]


@pytest.mark.parametrize(("data", "message"), BAD)
def test_a_source_that_cannot_be_used_says_why(data: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        fingerprint(Data(**data))


class FakeHub(ModuleType):
    """Stands in for the `datasets` package."""

    def __init__(self, given: list[dict[str, Any]] | Exception) -> None:
        super().__init__("datasets")
        self.given, self.asked = given, ((), {})  # type: ignore[var-annotated]
        self.exceptions = SimpleNamespace(DatasetsError=RuntimeError)

    def load_dataset(self, *args: Any, **named: Any) -> list[dict[str, Any]]:
        self.asked = (args, named)
        if isinstance(self.given, Exception):
            raise self.given
        return self.given


def test_a_dataset_of_the_hub_is_loaded_at_its_revision(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = FakeHub([{"prompt": "p", "completion": "c", "messages": None}])
    monkeypatch.setitem(sys.modules, "datasets", hub)
    data = Data(path=["owner/name"], revision=REVISION, split="part")
    [row] = list(examples(data, None))
    assert isinstance(row, Example)
    assert (row.prompt, row.completion) == ("p", "c")
    assert hub.asked == (("owner/name",), {"revision": REVISION, "split": "part", "streaming": False})
    assert fingerprint(data) == {"owner/name": REVISION}


@pytest.mark.parametrize("error", [ConnectionError("Couldn't reach it"), ValueError("bad split"), RuntimeError("x")])
def test_a_dataset_that_cannot_be_fetched_names_the_way_out(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    monkeypatch.setitem(sys.modules, "datasets", FakeHub(error))
    with pytest.raises(InputError, match=r"(?s)01234567.*HF_HUB_OFFLINE.*path of a file"):
        next(examples(Data(path=["owner/name"], revision=REVISION), None))


def test_without_the_package_for_datasets_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(InputError, match=r"promptcot\[hub\]"):
        next(examples(Data(path=["owner/name"], revision=REVISION), None))

"""The start token of real model families: one if the model needs it, in training and at inference."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest

from promptcot import domains
from promptcot.engines.local.model import TextCodec
from promptcot.engines.local.model import load_tokenizer as load_for_inference
from promptcot.records import Message, Request, Sampling
from promptcot.stages.questions import asks
from promptcot.training.data.encoding import Encoder
from promptcot.training.data.reading import Example, Reader
from promptcot.training.data.tokenizers import load_tokenizer
from promptcot.training.data_recipe import Data
from promptcot.training.recipe import TrainRecipe
from tests.unit.training.families import FAMILIES

TEXT = "What is 1 + 1?\n\n It's 2."
STARTS = {"R1-Distill-Qwen": 1, "R1-Distill-Llama": 1, "R1": 1, "QwQ": 0, "Qwen2.5": 0, "Qwen2.5-Instruct": 0}
STARTS |= {"Llama-3.1-Instruct": 1, "Llama-3.1": 1}
"""How many start tokens a prompt has, of whichever kind."""


@cache
def folder_of(family: str) -> Path:
    return FAMILIES[family].write(Path(mkdtemp()) / family)


@cache
def tokenizer_of(family: str) -> Any:
    return load_tokenizer(
        TrainRecipe.model_validate({"model": {"path": str(folder_of(family))}, "data": {"path": "rows.jsonl"}})
    )


def encoded(family: str, row: dict[str, Any], **data: Any) -> list[int]:
    """The ids of a row's prompt, as they are learnt."""
    made = tokenizer_of(family)
    example = Reader(Data(path=["rows.jsonl"], **data), made)({"id": "a", "completion": "2", **row})
    assert isinstance(example, Example)
    [(prompt, _)] = Encoder(made)([example])
    return prompt.tolist()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_tokenizer_reads_text_as_its_own_file_does(family: str) -> None:
    from tokenizers import Tokenizer

    written = Tokenizer.from_file(str(folder_of(family) / "tokenizer.json"))
    for made in (tokenizer_of(family), load_for_inference(folder_of(family))):
        ids = made(TEXT, add_special_tokens=False)["input_ids"]
        assert ids == written.encode(TEXT, add_special_tokens=False).ids
        assert made.decode(ids) == TEXT


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", ["a text", "a text that begins with it", "a chat", "messages"])
def test_a_prompt_has_one_start_token_where_the_model_has_one(family: str, kind: str) -> None:
    made = tokenizer_of(family)
    turns = [{"role": "user", "content": TEXT}]
    row, chat = {
        "a text": ({"prompt": TEXT}, False),
        "a text that begins with it": ({"prompt": f"{made.bos_token or ''}{TEXT}"}, False),
        "a chat": ({"prompt": TEXT}, True),
        "messages": ({"prompt": turns}, False),
    }[kind]
    ids = encoded(family, row, chat=chat)
    assert ids.count(made.bos_token_id) == STARTS[family]
    assert (ids[0] == made.bos_token_id) == bool(STARTS[family])


@pytest.mark.parametrize("family", FAMILIES)
def test_training_and_the_local_engine_give_a_model_the_same_prompt(family: str) -> None:
    codec = TextCodec(load_for_inference(folder_of(family)), folder_of(family))
    sampling = Sampling(temperature=0.0, max_tokens=1)
    chat = codec.request_ids(Request(messages=(Message("user", TEXT),), sampling=sampling))
    raw = codec.request_ids(Request(prompt=TEXT, sampling=sampling))
    assert chat == encoded(family, {"prompt": TEXT}, chat=True)
    assert raw == encoded(family, {"prompt": TEXT})


@pytest.mark.parametrize(
    ("family", "style"), [("R1-Distill-Qwen", "deepseek-r1"), ("R1", "deepseek-r1"), ("QwQ", "qwq")]
)
def test_the_raw_prompt_of_a_style_is_that_of_a_chat(family: str, style: str) -> None:
    codec = TextCodec(load_for_inference(folder_of(family)), folder_of(family))
    prompt = asks(domains.load("math"), style)({"problem": TEXT}).prompt
    ids = codec.request_ids(Request(prompt=prompt, sampling=Sampling(temperature=0.0, max_tokens=1)))
    made = tokenizer_of(family)
    assert ids == encoded(family, {"prompt": prompt})
    assert ids.count(made.bos_token_id) == STARTS[family]
    assert made.convert_ids_to_tokens(ids).count("<think>") == made.apply_chat_template(
        [{"role": "user", "content": TEXT}], add_generation_prompt=True, tokenize=False
    ).count("<think>")


@pytest.mark.parametrize("family", FAMILIES)
def test_a_tokenizer_that_was_saved_begins_texts_as_before(family: str, tmp_path: Path) -> None:
    made = tokenizer_of(family)
    made.save_pretrained(tmp_path)
    again = load_for_inference(tmp_path)
    assert again(TEXT)["input_ids"] == made(TEXT)["input_ids"]

"""Replies of the mock server: deterministic, of the requested kind, and parsed by this package."""

from collections import Counter
from typing import Any

import pytest

from promptcot import domains
from promptcot.core.criteria import parse_criteria
from promptcot.core.parsing import extraction
from promptcot.core.parsing.blocks import Blocks, Unreadable, parse, parse_others, render
from promptcot.core.parsing.judging import read_reply
from promptcot.core.parsing.verifying import read_vote
from promptcot.mock_server.replies import (
    Voice,
    count_tokens,
    kind_of,
    prompt_logprobs,
    split_tokens,
    token_id,
    vector,
)

MATH = domains.load("math")
MATERIAL = (
    "<!-- BEGIN RATIONALE -->\nr\n<!-- END RATIONALE -->\n<!-- BEGIN PROBLEM -->\n\\boxed p\n<!-- END PROBLEM -->"
)


def shipped(conversation: str) -> str:
    """The shipped prompt of a conversation about some row."""
    variables = MATH.judging(["primes", "gcd"], "AIME", MATERIAL)
    return MATH.render(conversation, **variables, problem="How many?", n=3)


def keys(count: int) -> list[bytes]:
    return [b"key %d" % number for number in range(count)]


def test_the_shipped_prompts_get_the_kind_of_reply_that_they_ask_for() -> None:
    assert [kind_of(shipped(name)) for name in ("generate", "judge", "solve")] == ["blocks", "judgement", "trace"]
    assert [kind_of(shipped(name)) for name in ("extract", "explain")] == ["concepts", "blocks"]
    assert kind_of("Say anything.") == "blocks"


@pytest.mark.parametrize("tokens", [1, 100, 400, 5000])
def test_problems_are_read_as_generations(tokens: int) -> None:
    texts = [Voice(0, tokens).reply(shipped("generate"), key) for key in keys(50)]
    assert all(not isinstance(parse(text), Unreadable) for text in texts)
    assert len(set(texts)) == 50


def test_annotators_replies_are_readable_and_differ() -> None:
    lists = [extraction.parse(Voice(0, 100).reply(shipped("extract"), key), 3) for key in keys(50)]
    assert not any(isinstance(found, Unreadable) for found in lists)
    assert len(set(lists)) > 25
    written = [parse_others(Voice(0, 100).reply(shipped("explain"), key)) for key in keys(50)]
    assert not any(isinstance(found, Unreadable) for found in written)
    assert len({str(found) for found in written}) > 25


@pytest.mark.parametrize("tokens", [1, 100, 400])
def test_judgements_are_valid_and_of_all_three_verdicts(tokens: int) -> None:
    texts = [Voice(0, tokens).reply(shipped("judge"), key) for key in keys(300)]
    mark = MATH.judging(["primes", "gcd"], "AIME", MATERIAL)["own_mark"]
    read = [read_reply(text, "stop", MATH.criteria, MATERIAL, mark) for text in texts]
    assert all(text.count(f"[{mark}] ") == 6 for text in texts)
    assert [judgement.reason for judgement in read] == [None] * 300
    verdicts = Counter(judgement.verdict for judgement in read)
    assert set(verdicts) == {"perfect", "acceptable", "bad"}
    assert min(verdicts.values()) > 30


@pytest.mark.parametrize("tokens", [1, 600])
def test_votes_are_readable_and_those_on_one_problem_mostly_agree(tokens: int) -> None:
    verdicts = []
    for number in range(40):
        told = MATH.verifying(f"Find {number}, a perfect square.", 0)
        prompt = MATH.render("verify", **told)
        replies = [Voice(0, tokens).reply(prompt, b"%d" % vote) for vote in range(9)]
        votes = [
            read_vote(text, "stop", MATH.asked_of_verifiers(), told["problem"], told["own_mark"]) for text in replies
        ]
        assert not any(vote.reason for vote in votes)
        verdicts.append(Counter(vote.verdict for vote in votes).most_common(1)[0])
    assert 20 < sum(verdict == "valid" for verdict, _ in verdicts) < 40
    assert sum(count for _, count in verdicts) > 0.8 * 9 * 40


def test_traces_of_one_prompt_mostly_agree_on_their_answer() -> None:
    texts = [Voice(0, 100).reply(shipped("solve"), key) for key in keys(300)]
    assert all(text.startswith("<think>\n") and text.count("</think>") == 1 for text in texts)
    answers = Counter(text.partition("\\boxed{")[2].partition("}")[0] for text in texts)
    assert 180 <= answers.most_common(1)[0][1] <= 240
    assert all(0 <= int(answer) < 1000 for answer in answers)


@pytest.mark.parametrize("conversation", ["generate", "judge", "solve"])
def test_a_reply_has_about_the_length_that_was_asked_for(conversation: str) -> None:
    lengths = [count_tokens(Voice(0, 400).reply(shipped(conversation), key)) for key in keys(50)]
    assert 360 <= min(lengths) <= max(lengths) <= 410


def test_a_reply_is_a_function_of_seed_prompt_and_key() -> None:
    asked = [(seed, prompt, key) for seed in (0, 1) for prompt in ("a", "\\boxed") for key in keys(3)]
    texts = [Voice(seed, 100).reply(prompt, key) for seed, prompt, key in asked]
    assert texts == [Voice(seed, 100).reply(prompt, key) for seed, prompt, key in asked]
    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize("text", ["", "a", "abcd", "abcde", "ünïcödé 数学 \n"])
def test_tokens_make_up_the_text_and_are_counted_alike(text: str) -> None:
    assert "".join(split_tokens(text)) == text
    assert len(split_tokens(text)) == count_tokens(text)


def test_prompt_logprobs_hold_each_token_first_and_the_likeliest_beside_it() -> None:
    tokens = split_tokens("The quick brown fox jumps over the lazy dog, twice, and once more.")
    ids = [token_id(token) for token in tokens]
    first, *others = prompt_logprobs(0, "mock", ids, tokens)
    assert first is None
    for number, token, entry in zip(ids[1:], tokens[1:], others, strict=True):
        assert entry is not None
        own, *likelier = entry.items()
        assert own[0] == str(number)
        assert own[1]["decoded_token"] == token
        assert own[1]["logprob"] < 0
        assert [value["rank"] for _, value in likelier] == ([1] if own[1]["rank"] > 1 else [])
        assert all(value["logprob"] > own[1]["logprob"] for _, value in likelier)
    assert any(entry and len(entry) == 2 for entry in others)


def test_a_continuation_does_not_change_the_log_probabilities_of_what_precedes_it() -> None:
    short = prompt_logprobs(0, "mock", [1, 2, 3], "abc")
    assert prompt_logprobs(0, "mock", [1, 2, 3, 4], "abcd")[:3] == short


def test_vectors_have_length_one_and_differ_between_texts_models_and_seeds() -> None:
    asked = [(0, "m", "a"), (0, "m", "b"), (0, "n", "a"), (1, "m", "a")]
    drawn = [vector(seed, model, text, 16) for seed, model, text in asked]
    assert all(float(row @ row) == pytest.approx(1) for row in drawn)
    assert len({row.tobytes() for row in drawn}) == 4
    assert drawn[0].tobytes() == vector(0, "m", "a", 16).tobytes()


RULES = [
    {"required": ["a"], "others_perfect": 0},
    {"required": ["a", "b", "c"], "others_perfect": 0},
    {"required": [], "others_perfect": 1},
    {"required": ["c"], "others_perfect": 2},
]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("mark", ["", "[k7f3q9ab] "])
def test_judgements_fit_criteria_that_the_server_has_never_seen(rule: dict[str, Any], mark: str) -> None:
    ratings = "".join(f'[[ratings]]\nkey = "{key}"\nlabel = "Part {key.upper()}"\n' for key in "abc")
    verdict = f'[verdict]\nlabel = "All in All"\nrequired = {rule["required"]}\n'
    criteria = parse_criteria(f"{verdict}others_perfect = {rule['others_perfect']}\n{ratings}", "test")
    lines = "\n".join(f"{mark}{line.label}: ..." for line in criteria.lines)
    prompt = f"Rate this:\n{MATERIAL}\nFormat: ...\nFinal Judgement: ...\n\nEnd with\n{lines}\n"
    texts = [Voice(0, 100).reply(prompt, key) for key in keys(200)]
    read = [read_reply(text, "stop", criteria, MATERIAL, mark.strip(" []") or None) for text in texts]
    assert [judgement.reason for judgement in read] == [None] * 200
    assert {judgement.verdict for judgement in read} == {"perfect", "acceptable", "bad"}


@pytest.mark.parametrize("names", [("plan", "problem", "unit_tests"), ("task",), ("problem",), ("setup", "riddle")])
@pytest.mark.parametrize("tokens", [1, 100, 1000])
def test_replies_have_the_blocks_that_the_prompt_shows(names: tuple[str, ...], tokens: int) -> None:
    blocks = Blocks(names, names[-1])
    prompt = f"Write:\n{render(dict.fromkeys(names, 'text'), blocks)}"
    texts = [Voice(0, tokens).reply(prompt, key) for key in keys(50)]
    found = [parse(text, prompt=prompt, blocks=blocks) for text in texts]
    assert not any(isinstance(one, Unreadable) for one in found)
    assert len(set(texts)) > 25


def test_one_line_of_the_form_of_a_rating_makes_no_judge() -> None:
    assert kind_of("Finish this sentence: ...") == "blocks"

"""Wordings learnt from rows: every row is rebuilt exactly, or the first one that is not is named."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from promptcot import domains
from promptcot.core.parsing import prompt_like
from promptcot.core.parsing.prompt_like import LearntTemplate
from promptcot.errors import InputError
from promptcot.records import Row

LEVELS = domains.settings("math").levels
Wording = Callable[[list[str], str], str]


def learn_template(rows: prompt_like.Rows, levels: Sequence[str] = LEVELS, source: str = "rows") -> LearntTemplate:
    return prompt_like.learn_template(rows, levels, source)


def plain(concepts: list[str], level: str) -> str:
    items = "\n".join(f"{i}. {concept}" for i, concept in enumerate(concepts, 1))
    return f"Design a problem.\n\nConcepts:\n{items}\n\nLevel: {level}"


def twice(concepts: list[str], level: str) -> str:
    items = "\n\n".join(f"- ({i}) {concept}" for i, concept in enumerate(concepts, 1))
    return f"For {level}, use\n{items}\nso that {level}-problems stay {level}.\n"


def listing_levels(concepts: list[str], level: str) -> str:
    items = "\r\n".join(f"Concept {i}: {concept}" for i, concept in enumerate(concepts, 1))
    return f"Levels are {', '.join(LEVELS)}.\r\n{items}\r\nThe level is {level}, no other.\r\n"


def with_steps(concepts: list[str], level: str) -> str:
    items = "\n".join(f"{i}) {concept}" for i, concept in enumerate(concepts, 1))
    return f"1. Read.\n2. Think.\n3. Write.\n\n{items}\n\n{level}\n\n1. Be brief.\n2. Be right.\n3. Stop.\n"


def list_last(concepts: list[str], level: str) -> str:
    return f"{level}:\n" + "\n".join(f"[{i}] {concept}" for i, concept in enumerate(concepts, 1))


def inline(concepts: list[str], level: str) -> str:
    items = "; ".join(f"{i}: {concept}" for i, concept in enumerate(concepts, 1))
    return f"Level {level}. Use {items}. Go on."


WORDINGS = [plain, twice, listing_levels, with_steps, list_last]
COMBINATIONS = [
    (["gcd", "modular arithmetic", "sums"], "AIME"),
    (["2. order of 3 modulo 7", "Vieta's formulas"], "AIME"),
    (["areas", "points (x, y) with 1 < x", "50% of it", "USAMO style"], "USAJMO"),
    (["{{ 7 * 7 }}", "{level}", "\\1 and \\g<level>", "%s $x"], "HMMT-Feb"),
    (["gcd", "areas"], "HMMT-Nov"),
]


def bare(wording: Wording) -> list[Row]:
    return [{"prompt": wording(concepts, level)} for concepts, level in COMBINATIONS]


def full(wording: Wording) -> list[Row]:
    return [
        {"prompt": wording(concepts, level), "foundational_concepts": concepts, "level": level}
        for concepts, level in COMBINATIONS
    ]


@pytest.mark.parametrize("wording", WORDINGS)
@pytest.mark.parametrize("rows_of", [bare, full])
def test_a_learnt_wording_writes_new_prompts_as_the_old_ones_were_written(
    wording: Wording, rows_of: Callable[[Wording], list[Row]]
) -> None:
    template = learn_template(rows_of(wording))
    for concepts, level in [*COMBINATIONS, (["one"], "AMC12"), (["a", "b", "c", "d", "e", "f"], "a level of our own")]:
        assert template.render(concepts, level) == wording(concepts, level)


def test_a_list_on_one_line_is_learnt_where_rows_name_their_concepts() -> None:
    template = learn_template(full(inline))
    assert template.render(["a", "b", "c"], "AIME") == inline(["a", "b", "c"], "AIME")
    with pytest.raises(InputError, match="no row has a prompt with a numbered list"):
        learn_template(bare(inline))


def test_concepts_of_several_lines_are_learnt_where_rows_name_them() -> None:
    rows = [{**row, "foundational_concepts": ["a\n2. b", "c"]} for row in full(plain)]
    for row in rows:
        row["prompt"] = plain(row["foundational_concepts"], row["level"])
    assert learn_template(rows).render(["x", "y"], "AIME") == plain(["x", "y"], "AIME")


@pytest.mark.parametrize("wording", [plain, twice, with_steps, list_last])
def test_rows_of_one_known_level_are_enough(wording: Wording) -> None:
    rows: list[Row] = [{"prompt": wording(concepts, "USAMO")} for concepts, _ in COMBINATIONS[:2]]
    assert learn_template(rows).render(["x", "y"], "AIME") == wording(["x", "y"], "AIME")


def test_rows_of_one_level_that_they_name_themselves_are_enough() -> None:
    rows: list[Row] = [{"prompt": plain(concepts, "Olympiad"), "level": "Olympiad"} for concepts, _ in COMBINATIONS]
    assert learn_template(rows).render(["x", "y"], "AIME") == plain(["x", "y"], "AIME")


def test_other_levels_can_be_made_known() -> None:
    rows: list[Row] = [{"prompt": plain(concepts, "hard")} for concepts, _ in COMBINATIONS]
    assert learn_template(rows, ["easy", "hard"]).render(["x", "y"], "easy") == plain(["x", "y"], "easy")
    with pytest.raises(InputError, match=r"names no known level \(AMC12, .*add a field `level`"):
        learn_template(rows)


def test_levels_that_start_alike_are_told_apart() -> None:
    rows: list[Row] = [{"prompt": plain(["a", "b"], level)} for level in ("HMMT", "HMMT-Nov")]
    assert learn_template(rows, ["HMMT", "HMMT-Nov"]).tail == ("\n\nLevel: ", "")


def test_one_level_among_several_that_the_wording_lists_is_not_guessed() -> None:
    rows: list[Row] = [{"prompt": listing_levels(concepts, "AIME")} for concepts, _ in COMBINATIONS]
    with pytest.raises(InputError, match=r"names several .*add a row of another level"):
        learn_template(rows)


def test_a_wording_without_a_level_is_refused() -> None:
    rows: list[Row] = [
        {"prompt": "Use\n1. a\n2. b\n", "foundational_concepts": ["a", "b"], "level": level} for level in LEVELS
    ]
    with pytest.raises(InputError, match="the prompt of row 1 names no level outside its list"):
        learn_template(rows)


def test_the_text_of_a_concept_is_never_evaluated() -> None:
    template = learn_template(bare(plain))
    evil = ["{{ 7 * 7 }}", "{% raise %}", "{0} {level} \\1", "AIME"]
    assert template.render(evil, "{{ level }}") == plain(evil, "{{ level }}")


@pytest.mark.parametrize(
    ("prompt", "complaint"),
    [
        (plain(["a", "b"], "AIME") + "!", "another way"),
        (plain(["a", "b"], "AIME").replace("Design", "Invent"), "lacks the text 'Design a problem."),
        (plain(["a", "b"], "AIME").replace("2.", "3."), "another way"),
        (plain(["a", "b"], "AIME").replace("\n\nLevel", "\n\nUse all.\n\nLevel"), "another way"),
        (plain(["a", "b"], "AIME and no other"), "another way"),
        ("Write a poem.", "lacks the text 'Design a problem."),
    ],
)
def test_the_first_row_that_does_not_fit_is_named_with_how_it_differs(prompt: str, complaint: str) -> None:
    rows = [*bare(plain), {"prompt": prompt}, {"prompt": "neither does this"}]
    with pytest.raises(InputError) as caught:
        learn_template(rows, source="rows.jsonl")
    assert "rows.jsonl: row 6 does not fit the wording of row 1" in str(caught.value)
    assert complaint in str(caught.value)


def test_a_row_that_is_not_rebuilt_from_the_fields_it_names_is_refused() -> None:
    rows = full(plain)
    rows[3] = {**rows[3], "prompt": rows[3]["prompt"].replace("%s $x", "%s  $x")}
    with pytest.raises(InputError, match=r"row 4 does not fit .* at character 82 it has ' \$x.* instead of '\$x"):
        learn_template(rows)


def test_a_row_whose_level_is_not_the_one_in_its_prompt_is_refused() -> None:
    rows = full(plain)
    rows[4]["level"] = "AIME"
    with pytest.raises(InputError, match=r"row 5 does not fit .*'HMMT-Nov' instead of 'AIME'"):
        learn_template(rows)


def test_two_wordings_that_differ_beside_the_level_are_refused() -> None:
    rows = [full(plain)[0], full(twice)[2]]
    with pytest.raises(InputError, match="row 2 does not fit the wording of row 1 before the list: it has 'For USAJMO"):
        learn_template(rows)


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ([], "no row has a prompt with a numbered list"),
        ([{"prompt": "Concepts:\n1. one\nLevel: AIME"}], "no row has a prompt with a numbered list"),
        ([{"prompt": plain(["a", "b"], "AIME")}, {"problem": "Find n."}], "row 2 has no text in `prompt`"),
    ],
)
def test_rows_that_teach_nothing_are_refused(rows: list[Row], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        learn_template(rows)


def test_rows_are_read_as_a_stream_and_only_a_few_are_alive_at_a_time() -> None:
    class Counted(dict[str, str]):
        alive = most = 0

        def __init__(self, prompt: str) -> None:
            super().__init__(prompt=prompt)
            Counted.alive += 1
            Counted.most = max(Counted.most, Counted.alive)

        def __del__(self) -> None:
            Counted.alive -= 1

    def rows() -> Iterator[Row]:
        for i in range(2000):
            yield Counted(plain([f"a{i}", "b"], "AIME" if i < 1900 else "USAMO"))

    learn_template(rows)
    assert Counted.most <= 10


phrases = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8).map(
    lambda text: " ".join(text.split())
)
concept_lists = st.lists(phrases.filter(bool), min_size=1, max_size=6)


@given(concept_lists, st.sampled_from(LEVELS), st.sampled_from(WORDINGS))
def test_what_a_template_writes_from_any_concepts_it_reads_back(
    concepts: list[str], level: str, wording: Wording
) -> None:
    template = learn_template(full(wording))
    assume(not any(template.between in concept for concept in concepts))
    assert template.read(template.render(concepts, level), LEVELS) == (concepts, level)


@given(st.text())
def test_any_other_text_is_read_without_an_error(text: str) -> None:
    read = LearntTemplate(("Concepts:\n",), "\n", ". ", ("\nLevel: ", "")).read(text, LEVELS)
    assert read is None or text.startswith("Concepts:\n1. ")

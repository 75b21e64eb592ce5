"""Which problems a list shows: filters, order, neighbours, and words that are searched for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from promptcot.storage.reviews import Review, append
from promptcot.viewer.queries import SORTS, Filter
from promptcot.viewer.shelf import Shelf
from tests.viewing import HOSTILE, write_run


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    run = write_run(
        tmp_path_factory.mktemp("view") / "run",
        40,
        p3={"problem": f'Say "never twice" to $n-1$. {HOSTILE}'},
        p5={"level": " Level  \r\n5 ", "foundational_concepts": [" \u2265 ", "number  theory"]},
        p6={"problem": "\u7d20\u6570\u306e\u548c"},
    )
    for row_id, decision, note, reviewer in [
        ("p1", "accept", None, "ada"),
        ("p2", "reject", "wrong", "grace"),
        ("p3", "accept", None, "ada"),
        ("p3", "reject", None, "grace"),
        ("gone", "reject", None, "ada"),
    ]:
        append(run, Review(row_id, decision, note, reviewer, "2026-01-01T00:00:00+00:00"))  # type: ignore[arg-type]
    opened = Shelf(run)
    yield opened
    opened.close()


def ids(shelf: Shelf, **fields: str) -> list[str]:
    with shelf.reading() as lists:
        wanted = Filter.of(fields)
        found = [one.id for one in lists.page(wanted, most=1000)]
        assert lists.count(wanted) == len(found)
        return found


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"level": "AIME", "fate": "dropped"}, ["p9", "p19", "p29", "p39"]),
        ({"reason": "label: unlabelled: tie"}, ["p0"]),
        ({"verdict": "bad"}, ["p4", "p9", "p14", "p19", "p24", "p29", "p34", "p39"]),
        ({"agreement_from": "0.7", "agreement_to": "0.75"}, ["p35", "p36", "p37"]),
        ({"pass_rate_to": "0.4"}, []),
        ({"agreement_to": "0.02"}, ["p0"]),
        ({"review": "accepted"}, ["p1"]),
        ({"review": "rejected"}, ["p2", "p3"]),
        ({"review": "with a note"}, ["p2"]),
        ({"by": "grace"}, ["p2", "p3"]),
        ({"by": "ada"}, ["p1", "p3"]),  # grace decided about p3 after her
        ({"agreement_from": "70%", "agreement_to": "75 %"}, ["p35", "p36", "p37"]),
        ({"level": "Level 5"}, ["p5"]),
        ({"level": " Level  5 "}, ["p5"]),
        ({"concept": "\u2265"}, ["p5"]),
        ({"concept": " number theory "}, ["p5"]),
        ({"q": "\u7d20\u6570*"}, ["p6"]),
        ({"q": "!!! ,"}, []),
        ({"q": "*id"}, []),  # a command of FTS5
        ({"q": "*reads"}, []),
        ({"review": "unreviewed", "agreement_to": "0.1"}, ["p0", "p5"]),
        ({"concept": "divisor"}, []),
        ({"concept": "greatest common divisor", "agreement_to": "0.1"}, ["p0", "p2"]),
        ({"q": "never"}, ["p3"]),
        ({"q": '"never twice"'}, ["p3"]),
        ({"q": '"twice never"'}, []),
        ({"q": "nev* twi*"}, ["p3"]),
        ({"q": "thoughts number 12"}, ["p12", "p15"]),
        ({"level": "' OR 1 = 1 --"}, []),
    ],
)
def test_a_filter_finds(shelf: Shelf, fields: dict[str, str], expected: list[str]) -> None:
    assert ids(shelf, **fields) == expected


@pytest.mark.parametrize(
    "words",
    [
        '"',
        "n-1",
        "x^2",
        "AND",
        "a OR",
        "(",
        "NEAR(",
        "*",
        '"*',
        "nope:x",
        "p_{3}$",
        "'",
        "a\0b",
        "\ud800",
        "- -",
        "{a}:b",
        "^",
    ],
)
def test_odd_words_are_searched_for_as_they_stand(shelf: Shelf, words: str) -> None:
    assert isinstance(ids(shelf, q=words), list)


def test_words_that_are_no_query_are_found_as_words(shelf: Shelf) -> None:
    assert ids(shelf, q="never n-1") == ["p3"]


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("fields", [{}, {"q": "prime"}, {"level": "AMC12"}])
def test_pages_and_neighbours_visit_each_problem_once(shelf: Shelf, sort: str, fields: dict[str, str]) -> None:
    wanted = Filter.of({**fields, "sort": sort})
    with shelf.reading() as lists:
        everything = [one.number for one in lists.page(wanted, most=1000)]
        forward, last = [], None
        while page := lists.page(wanted, after=last, most=7):
            forward += [one.number for one in page]
            last = page[-1].number
        backward = [everything[-1]]
        while page := lists.page(wanted, before=backward[0], most=1):
            backward.insert(0, page[0].number)
    assert forward == everything == backward
    assert len(set(everything)) == len(everything) >= 20


def test_lists_are_in_the_order_that_was_asked_for(shelf: Shelf) -> None:
    with shelf.reading() as lists:
        falling = [one.agreement for one in lists.page(Filter.of({"sort": "-agreement"}), most=1000)]
    assert falling == sorted(falling, reverse=True)


@pytest.mark.parametrize("sort", [sort for sort in SORTS if sort])
def test_problems_without_a_value_come_last(shelf: Shelf, sort: str) -> None:
    with shelf.reading() as lists:
        entries = lists.page(Filter.of({"sort": sort}), most=1000)
    values = [getattr(entry, sort.removeprefix("-")) for entry in entries]
    known = [value for value in values if value not in (-1.0, "")]
    assert values[: len(known)] == known == sorted(known, reverse=sort.startswith("-"))
    assert known


def test_what_is_no_number_limits_nothing_and_is_named(shelf: Shelf) -> None:
    wanted = Filter.of(
        {"agreement_from": "much", "pass_rate_to": "nan", "agreement_to": "80", "pass_rate_from": "1e999"}
    )
    assert wanted.not_numbers == ["much", "80", "1e999", "nan"]
    assert len(ids(shelf, agreement_from="much", pass_rate_to="nan")) == 40


def test_a_decision_of_another_process_is_seen_at_once(shelf: Shelf) -> None:
    assert "p30" not in ids(shelf, review="reviewed")
    append(shelf.directory, Review("p30", "accept", None, "eve", "2026-01-02T00:00:00+00:00"))
    assert "p30" in ids(shelf, review="reviewed")
    assert shelf.reviewers() == ["ada", "eve", "grace"]


def test_a_note_of_another_reviewer_is_found_by_its_author_and_changes_no_decision(shelf: Shelf) -> None:
    append(shelf.directory, Review("p12", "reject", None, "ada", "2026-01-02T00:00:00+00:00"))
    append(shelf.directory, Review("p12", None, "why?", "bob", "2026-01-03T00:00:00+00:00"))
    assert "p12" in ids(shelf, by="ada", review="rejected")
    assert ids(shelf, by="bob") == ["p12"]
    assert shelf.latest_reviews(["p12"])["p12"].reviewer == "ada"


def test_reviews_that_are_taken_out_of_the_file_no_longer_count(shelf: Shelf) -> None:
    before = (shelf.directory / "reviews.jsonl").read_bytes()
    append(shelf.directory, Review("p20", "reject", None, "zoe", ""))
    assert ids(shelf, by="zoe") == ["p20"]
    (shelf.directory / "reviews.jsonl").write_bytes(before)
    assert ids(shelf, by="zoe") == []

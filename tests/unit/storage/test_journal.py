"""The journal: appended calls are found again, whatever happened to the process."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptcot.errors import InputError, LockedError, StorageError
from promptcot.records import Completion, Request, Sampling
from promptcot.storage.checked import body, intact
from promptcot.storage.journal import Journal

MODEL = "m"


def ask(prompt: str, max_tokens: int = 100) -> Request:
    return Request(prompt=prompt, sampling=Sampling(max_tokens=max_tokens))


def write(folder: Path, *pairs: tuple[Request, Completion]) -> None:
    with Journal(folder) as journal:
        for request, reply in pairs:
            journal.append(request.key(MODEL), request, reply)


def as_old(calls: Path) -> bytes:
    """The file as versions without checksums would have written it."""
    return b"".join(body(line) + b"}\n" for line in calls.read_bytes().splitlines(keepends=True))


def find(folder: Path, request: Request) -> object:
    with Journal(folder) as journal:
        return journal.find(request.key(MODEL), request)


@given(
    texts=st.lists(st.text(), max_size=20, unique=True),
    reply=st.builds(Completion, st.text(), st.sampled_from(["stop", "refused"]), st.none() | st.integers(0, 99)),
)
def test_every_appended_reply_is_found_by_the_next_process(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], reply: Completion
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    requests = [ask("p" + text) for text in texts]
    write(folder, *[(request, reply) for request in requests])
    with Journal(folder) as journal:
        assert [journal.find(request.key(MODEL), request) for request in requests] == [reply] * len(requests)
        assert journal.find(ask("never asked").key(MODEL), ask("never asked")) is None


@pytest.mark.parametrize("cut", [2, 30, 10_000])
def test_torn_last_line_is_cut_off_and_the_rest_stays(tmp_path: Path, cut: int) -> None:
    first, second = (ask("a"), Completion("1")), (ask("b"), Completion("2" * 20_000))
    write(tmp_path, first, second)
    calls = tmp_path / "calls.jsonl"
    os.truncate(calls, calls.stat().st_size - cut)
    assert find(tmp_path, second[0]) is None
    assert find(tmp_path, first[0]) == first[1]
    write(tmp_path, second)
    assert find(tmp_path, second[0]) == second[1]


def test_a_file_that_is_one_torn_line_becomes_empty(tmp_path: Path) -> None:
    (tmp_path / "calls.jsonl").write_bytes(b'{"key":"' + b"a" * 40_000)
    assert find(tmp_path, ask("a")) is None
    assert (tmp_path / "calls.jsonl").stat().st_size == 0


def test_the_later_line_of_a_key_counts(tmp_path: Path) -> None:
    request = ask("a")
    write(tmp_path, (request, Completion("old")), (request, Completion("new")))
    assert find(tmp_path, request) == Completion("new")


FITS = [
    ("a finished reply fits a larger limit", Completion("x", "stop", 5, 50), 100, 200, True),
    ("a finished reply fits a smaller limit that it keeps", Completion("x", "stop", 5, 50), 100, 50, True),
    ("a finished reply beyond the new limit does not fit", Completion("x", "stop", 5, 51), 100, 50, False),
    ("a truncated reply fits the same limit", Completion("x", "length", 5, 100), 100, 100, True),
    ("a truncated reply is asked again at a larger limit", Completion("x", "length", 5, 100), 100, 200, False),
    ("a truncated reply is asked again at a smaller limit", Completion("x", "length", 5, 100), 100, 60, False),
    ("an unknown length counts as fitting", Completion("x", "stop"), 100, 10, True),
]


@pytest.mark.parametrize(("reply", "then", "now", "fits"), [case[1:] for case in FITS], ids=[case[0] for case in FITS])
def test_max_tokens(tmp_path: Path, reply: Completion, then: int, now: int, fits: bool) -> None:
    write(tmp_path, (ask("a", then), reply))
    assert (find(tmp_path, ask("a", now)) == reply) is fits


CHANGES = [
    Request(prompt="b"),
    Request(prompt="a", seed=1),
    Request(prompt="a", sample=1),
    Request(prompt="a", attempt=1),
    Request(prompt="a", sampling=Sampling(temperature=0.5)),
    Request(prompt="a", sampling=Sampling(stop=("x",))),
]


@pytest.mark.parametrize("other", CHANGES, ids=str)
def test_a_call_is_known_by_all_that_shapes_its_reply(other: Request) -> None:
    assert other.key(MODEL) != Request(prompt="a").key(MODEL)
    assert Request(prompt="a").key("another model") != Request(prompt="a").key(MODEL)


def test_second_writer_is_refused(tmp_path: Path) -> None:
    with Journal(tmp_path), pytest.raises(LockedError, match="another process"), Journal(tmp_path):
        pass
    with Journal(tmp_path):  # free again
        pass


def test_full_disk_leaves_a_journal_that_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    request = ask("a")
    with Journal(tmp_path) as journal:
        journal.append(request.key(MODEL), request, Completion("kept"))
        real = os.write

        def half_then_full(handle: int, data: bytes) -> int:
            if len(data) > 20:
                return real(handle, data[:20])
            raise OSError(28, "No space left on device")

        def full_after_a_part(handle: int, data: bytes) -> int:
            monkeypatch.setattr(os, "write", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
            return half_then_full(handle, data)

        monkeypatch.setattr(os, "write", full_after_a_part)
        with pytest.raises(StorageError, match="No space left"):
            journal.append(ask("b").key(MODEL), ask("b"), Completion("lost"))
        monkeypatch.undo()
        journal.append(ask("c").key(MODEL), ask("c"), Completion("after"))
    assert find(tmp_path, request) == Completion("kept")
    assert find(tmp_path, ask("b")) is None
    assert find(tmp_path, ask("c")) == Completion("after")


def test_a_reply_that_fits_is_found_behind_one_that_does_not(tmp_path: Path) -> None:
    full, cut = Completion("x", "stop", 5, 150), Completion("x", "length", 5, 100)
    write(tmp_path, (ask("a", 200), full), (ask("a", 100), cut))
    assert find(tmp_path, ask("a", 200)) == full
    assert find(tmp_path, ask("a", 100)) == cut


def test_a_hole_in_the_middle_costs_its_own_call_only(tmp_path: Path) -> None:
    write(tmp_path, (ask("a"), Completion("1")), (ask("b"), Completion("2")))
    calls = tmp_path / "calls.jsonl"
    first, second = calls.read_bytes().splitlines(keepends=True)
    calls.write_bytes(first + bytes(50) + b"\n" + second)
    assert find(tmp_path, ask("a")) == Completion("1")
    assert find(tmp_path, ask("b")) == Completion("2")


def test_a_file_in_which_no_line_is_a_call_is_refused_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "calls.jsonl").write_text('hello\n{"id":"p1"}\n')
    with pytest.raises(InputError, match="no line of it is a finished call; move the file away"), Journal(tmp_path):
        pass


def test_what_was_paid_is_known_by_model_to_the_next_process(tmp_path: Path) -> None:
    reply = Completion("x", "stop", 10, 5)
    with Journal(tmp_path) as journal:
        for number, (model, cost) in enumerate([("a", 0.25), ("a", 1e-7), ("b", None)]):
            request = ask(str(number))
            journal.append(request.key(model), request, reply, model=model, cost=cost)
        now = {model: paid.summary() for model, paid in journal.paid.items()}
    with Journal(tmp_path) as journal:
        assert {model: paid.summary() for model, paid in journal.paid.items()} == now
        assert journal.paid["a"].cost == pytest.approx(0.2500001, abs=1e-12)
        assert (journal.paid["b"].unpriced, journal.paid["b"].completion_tokens) == (1, 5)


def test_a_call_that_was_paid_twice_counts_twice(tmp_path: Path) -> None:
    request = ask("a")
    for _ in range(2):
        with Journal(tmp_path) as journal:
            journal.append(request.key(MODEL), request, Completion("x", "stop", 1, 2), model=MODEL, cost=0.5)
    with Journal(tmp_path) as journal:
        assert (journal.paid[MODEL].calls, journal.paid[MODEL].cost) == (2, 1.0)


OLD = '{"key":"%s","max_tokens":100,"finish_reason":"stop","prompt_tokens":%s,"completion_tokens":%s,"text":"x"}\n'


def test_a_journal_without_models_and_costs_is_read_and_counts_as_unpriced(tmp_path: Path) -> None:
    known, unknown = ask("a"), ask("b")
    lines = OLD % (known.key(MODEL), 10, 5) + OLD % (unknown.key(MODEL), "null", "null")
    (tmp_path / "calls.jsonl").write_text(lines)
    assert find(tmp_path, known) == Completion("x", "stop", 10, 5)
    with Journal(tmp_path) as journal:
        [paid] = journal.paid.values()
        assert (paid.calls, paid.prompt_tokens, paid.completion_tokens, paid.unpriced) == (2, 10, 5, 2)
        assert paid.summary()["cost"] is None
        journal.append(known.key(MODEL), known, Completion("y", "stop", 1, 1), model="new", cost=0.5)
        assert sorted(journal.paid) == ["", "new"]


@given(text=st.text(), model=st.text(), cost=st.none() | st.floats(0, 1e6))
def test_no_text_and_no_name_confuses_the_books(
    tmp_path_factory: pytest.TempPathFactory, text: str, model: str, cost: float | None
) -> None:
    folder, request = tmp_path_factory.mktemp("journal"), ask("a")
    trap = text + '"prompt_tokens":7,"completion_tokens":7,"cost":7,"text":' + text
    with Journal(folder) as journal:
        journal.append(request.key(model), request, Completion(trap, "stop", 3, 4), model=model, cost=cost)
    with Journal(folder) as journal:
        [(name, paid)] = journal.paid.items()
        assert (name, paid.prompt_tokens, paid.completion_tokens) == (model, 3, 4)
        assert (paid.cost, paid.unpriced) == (cost or 0.0, int(cost is None))


@pytest.mark.parametrize("model", ["C:\\models\\m", 'a "quoted" one', "tab\there", 'x","prompt_tokens":9,"text":'])
def test_a_name_that_json_escapes_is_read_again_as_it_is(tmp_path: Path, model: str) -> None:
    request = ask("a")
    with Journal(tmp_path) as journal:
        journal.append(request.key(model), request, Completion("x", "stop", 3, 4), model=model)
    with Journal(tmp_path) as journal:
        assert {name: paid.prompt_tokens for name, paid in journal.paid.items()} == {model: 3}


RECORDED = [
    ("more tokens than its own limit", "stop", 500, 100, 100, "reused"),
    ("cut, in another server's word", "MAX_TOKENS", 100, 100, 200, "truncated at another limit"),
    ("cut, in another server's word, at the same limit", "MAX_TOKENS", 100, 100, 100, "reused"),
    ("interrupted", "insufficient_system_resource", 7, 100, 100, "interrupted"),
    ("interrupted, in our word", "interrupted", 7, 100, 100, "interrupted"),
    ("no word", None, 7, 100, 100, "reused"),
]


@pytest.mark.parametrize(
    ("word", "tokens", "then", "now", "found"), [case[1:] for case in RECORDED], ids=[case[0] for case in RECORDED]
)
def test_what_older_journals_hold(
    tmp_path: Path, word: str | None, tokens: int, then: int, now: int, found: str
) -> None:
    write(tmp_path, (ask("a", then), Completion("x", "stop", 5, tokens)))
    calls = tmp_path / "calls.jsonl"
    calls.write_bytes(as_old(calls).replace(b'"stop"', b"null" if word is None else f'"{word}"'.encode()))
    reply = find(tmp_path, ask("a", now))
    assert (reply.text if isinstance(reply, Completion) else reply) == ("x" if found == "reused" else found)


def three(folder: Path) -> tuple[list[Request], list[bytes], Path]:
    """Three calls, their lines, and the file."""
    requests = [ask(text) for text in "abc"]
    write(folder, *[(request, Completion(f"reply to {request.prompt}", "stop", 5, 7)) for request in requests])
    calls = folder / "calls.jsonl"
    return requests, calls.read_bytes().splitlines(keepends=True), calls


def changed(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    return lambda line: line.replace(old, new)


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "another letter": changed(b"reply to b", b"reply to q"),
    "another digit of the tokens": changed(b'"completion_tokens":7', b'"completion_tokens":8'),
    "another key": lambda line: line[:8] + (b"0" if line[8:9] != b"0" else b"1") + line[9:],
    "another model": changed(b'"model":""', b'"model":"x"'),
    "a shorter text, the checksum gone with the rest": lambda line: line[: line.index(b" to b")] + b'"}\n',
    "no checksum": lambda line: body(line) + b"}\n",
    "another checksum": lambda line: line[:-4] + (b"1" if line[-4:-3] != b"1" else b"2") + line[-3:],
    "half a line": lambda line: line[: len(line) // 2] + b"\n",
    "zeros": lambda line: bytes(len(line) - 1) + b"\n",
    "another value of JSON": lambda line: b"[1, 2, 3]\n",
    "not UTF-8": changed(b"reply", b"re\xffly"),
    "nothing": lambda line: b"",
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
@pytest.mark.parametrize("place", [1, 2], ids=["inside", "at the end"])
def test_a_damaged_line_costs_its_own_call_only_and_is_counted(
    tmp_path: Path, damage: Callable[[bytes], bytes], place: int
) -> None:
    requests, lines, calls = three(tmp_path)
    lines[place] = damage(lines[place].replace(b"reply to c", b"reply to b"))
    calls.write_bytes(b"".join(lines))
    with Journal(tmp_path) as journal:
        found = [journal.find(request.key(MODEL), request) for request in requests]
        assert [reply is None for reply in found] == [number == place for number in range(3)]
        assert journal.damaged == bool(lines[place])
        assert journal.paid[""].calls == 2


def test_the_first_line_may_be_the_damaged_one(tmp_path: Path) -> None:
    requests, lines, calls = three(tmp_path)
    calls.write_bytes(b"\0" * 40 + lines[0][40:] + lines[1] + lines[2])
    with Journal(tmp_path) as journal:
        assert [journal.find(one.key(MODEL), one) is None for one in requests] == [True, False, False]


def test_a_journal_of_one_damaged_line_is_still_a_journal(tmp_path: Path) -> None:
    write(tmp_path, (ask("a"), Completion("x")))
    calls = tmp_path / "calls.jsonl"
    calls.write_bytes(calls.read_bytes().replace(b'"x"', b'"y"'))
    assert find(tmp_path, ask("a")) is None


def test_a_lost_line_break_costs_the_line_before_it(tmp_path: Path) -> None:
    requests, lines, calls = three(tmp_path)
    calls.write_bytes(lines[0] + lines[1][:-1] + lines[2])
    with Journal(tmp_path) as journal:
        assert [journal.find(one.key(MODEL), one) is None for one in requests] == [False, True, False]
        assert journal.damaged == 1


def test_a_last_line_that_lacks_nothing_but_its_end_is_kept(tmp_path: Path) -> None:
    requests, _, calls = three(tmp_path)
    whole = calls.read_bytes()
    os.truncate(calls, len(whole) - 1)
    with Journal(tmp_path) as journal:
        assert all(isinstance(journal.find(one.key(MODEL), one), Completion) for one in requests)
    assert calls.read_bytes() == whole


def test_line_ends_of_another_system_are_no_damage(tmp_path: Path) -> None:
    requests, lines, calls = three(tmp_path)
    calls.write_bytes(b"".join(line.replace(b"\n", b"\r\n") for line in lines))
    with Journal(tmp_path) as journal:
        assert all(isinstance(journal.find(one.key(MODEL), one), Completion) for one in requests)
        assert journal.damaged == 0


def test_a_damaged_later_line_does_not_hide_the_earlier_one(tmp_path: Path) -> None:
    request = ask("a")
    write(tmp_path, (request, Completion("old")), (request, Completion("new")))
    calls = tmp_path / "calls.jsonl"
    calls.write_bytes(calls.read_bytes().replace(b'"new"', b'"now"'))
    assert find(tmp_path, request) == Completion("old")


def test_an_old_journal_that_is_continued_keeps_its_lines(tmp_path: Path) -> None:
    requests, _, calls = three(tmp_path)
    calls.write_bytes(as_old(calls))
    write(tmp_path, (ask("d"), Completion("new")))
    with Journal(tmp_path) as journal:
        assert all(isinstance(journal.find(one.key(MODEL), one), Completion) for one in [*requests, ask("d")])
        assert journal.damaged == 0


@pytest.mark.parametrize("cut", [b'"text":"reply to b"', b'"key"', b'"finish_reason":"stop",', b"}"])
def test_an_old_line_with_other_fields_is_damaged(tmp_path: Path, cut: bytes) -> None:
    requests, _, calls = three(tmp_path)
    lines = as_old(calls).splitlines(keepends=True)
    calls.write_bytes(lines[0] + lines[1].replace(cut, b"") + lines[2])
    with Journal(tmp_path) as journal:
        assert [journal.find(one.key(MODEL), one) is None for one in requests] == [False, True, False]
        assert journal.damaged == 1


def test_lines_of_an_old_journal_get_checksums_when_they_join_others(tmp_path: Path) -> None:
    requests, _, calls = three(tmp_path / "old")
    calls.write_bytes(as_old(calls))
    for _ in range(2):
        with Journal(tmp_path / "new") as journal:
            journal.absorb_file(calls)
    joined = (tmp_path / "new" / "calls.jsonl").read_bytes().splitlines(keepends=True)
    assert [intact(line) for line in joined] == [True] * 3
    with Journal(tmp_path / "new") as journal:
        assert all(isinstance(journal.find(one.key(MODEL), one), Completion) for one in requests)


def test_damaged_lines_of_another_journal_are_not_taken_in(tmp_path: Path) -> None:
    _, _, calls = three(tmp_path / "one")
    calls.write_bytes(calls.read_bytes().replace(b"reply to b", b"reply to q"))
    with Journal(tmp_path / "two") as journal:
        assert journal.absorb_file(calls) == 1
    assert find(tmp_path / "two", ask("b")) is None


def test_a_reply_with_half_a_character_is_found_again(tmp_path: Path) -> None:
    write(tmp_path, (ask("a"), Completion("half \ud83d of it")), (ask("b"), Completion("whole")))
    assert find(tmp_path, ask("a")) == Completion("half \ud83d of it")
    assert find(tmp_path, ask("b")) == Completion("whole")


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: os.symlink("/dev/zero", path)], ids=["pipe", "device"])
def test_what_is_no_file_is_refused_and_not_read(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "calls.jsonl")
    with pytest.raises(StorageError, match=r"calls\.jsonl: not a regular file; move it away"):
        write(tmp_path)

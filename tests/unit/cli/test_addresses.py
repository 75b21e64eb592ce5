"""Addresses on the command line: what is read there, what is written there, and that no folder is called `s3:`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import click
import pytest

from promptcot.cli import main
from promptcot.cli.parameters import JOURNAL, LocalPath, Target
from promptcot.cli.root import VERBS, root
from promptcot.errors import StorageError
from promptcot.storage import remote
from promptcot.storage.remote import Folder
from promptcot.storage.rows import read_rows

pytest.importorskip("fsspec")

Say = Callable[[], str]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No test may leave a folder that is called like the scheme of an address."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PROMPTCOT_CACHE", str(tmp_path / "cache"))
    yield
    assert [path.name for path in tmp_path.rglob("*:")] == []


@pytest.fixture
def place() -> str:
    """A folder of this test alone, in memory."""
    return f"memory://{uuid4().hex}"


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Say:
    return lambda: "".join(capsys.readouterr())


def put(place: str, name: str, *rows: dict[str, Any]) -> str:
    """Rows at an address."""
    source = Path(f"{uuid4().hex}.jsonl")
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    Folder.at(place).send(source, name)
    source.unlink()
    return f"{place}/{name}"


def names(place: str) -> list[str]:
    return list(Folder.at(place).files(""))


SAMPLE = ["sample", "--data_path", "nano", "--data_size", "3"]


def commands(command: click.Command, name: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    if isinstance(command, click.Group):
        context = click.Context(command)
        for one in command.list_commands(context):
            found = command.get_command(context, one)
            assert found is not None
            yield from commands(found, (*name, one))
    else:
        yield name, command


ALL = dict(commands(root))
PATHS = [
    (name, param) for name, command in ALL.items() for param in command.params if isinstance(param.type, click.Path)
]


def words_for(command: click.Command, chosen: click.Parameter, place: str) -> list[str]:
    """A command line in which the chosen option, and whatever else is required, is an address where it is a path."""
    words = ["--dry-run"] if any(param.name == "dry_run" for param in command.params) else []
    for param in command.params:
        if param is not chosen and not param.required:
            continue
        number = isinstance(param.type, click.types.IntParamType)
        value = f"{place}/{param.name}.jsonl" if isinstance(param.type, click.Path) else "1" if number else "nano"
        option = [param.opts[0]] if isinstance(param, click.Option) else []
        words += [*option, *[value] * max(1, param.nargs)]
    return words


def test_every_path_of_every_command_says_whether_it_may_be_an_address() -> None:
    assert {name[0] for name in ALL} == set(VERBS)
    assert len(PATHS) > 40
    assert [(name, param.name) for name, param in PATHS if not isinstance(param.type, LocalPath)] == []
    files = [
        (name, param.name) for name, one in ALL.items() for param in one.params if isinstance(param.type, click.File)
    ]
    assert files == []


def test_a_command_with_an_output_takes_a_journal_and_no_other_does() -> None:
    for name, command in ALL.items():
        has_output = any(isinstance(param.type, Target) for param in command.params)
        assert (JOURNAL in [param.name for param in command.params]) == has_output, name


@pytest.mark.parametrize("journal", [[], ["--journal", "J"]], ids=["no journal", "journal"])
@pytest.mark.parametrize(("name", "param"), PATHS, ids=[f"{'-'.join(name)} {param.name}" for name, param in PATHS])
def test_no_path_of_any_command_makes_a_folder_called_like_a_scheme(
    name: tuple[str, ...], param: click.Parameter, journal: list[str], place: str, said: Say
) -> None:
    command = ALL[name]
    takes = any(one.name == JOURNAL for one in command.params) and param.name != JOURNAL
    code = main([*name, *words_for(command, param, place), *(journal if takes else [])])
    told = said()
    assert code == 0 or (code in (1, 2) and told.startswith("promptcot: ")), told
    if isinstance(param.type, Target) and not journal:
        assert code == 2
        assert "--journal DIR" in told or "on this machine is needed" in told


def test_an_output_appears_at_its_address_with_what_lies_beside_it(place: str, said: Say) -> None:
    assert main([*SAMPLE, "--output_path", f"{place}/x.jsonl", "--journal", "J"]) == 0
    assert main([*SAMPLE, "--output_path", "here.jsonl"]) == 0
    assert f"copied:  {place}/x.jsonl" in said()
    assert names(place) == ["x.jsonl", "x.recipe.json", "x.summary.json"]
    assert list(read_rows(f"{place}/x.jsonl")) == list(read_rows("here.jsonl"))


BAD: list[tuple[str, list[str], int, list[str]]] = [
    ("no journal", ["--output_path", "PLACE/x.jsonl"], 2, ["needs --journal DIR"]),
    ("a journal for nothing", ["--output_path", "x.jsonl", "--journal", "J"], 2, ["--journal is for outputs at addre"]),
    ("a journal at an address", ["--output_path", "PLACE/x.jsonl", "--journal", "PLACE/J"], 2, ["on this machine"]),
    ("an unknown scheme", ["--output_path", "nonsense://x/y.jsonl", "--journal", "J"], 1, ["nonsense://x/y.jsonl"]),
    ("no name", ["--output_path", "s3://", "--journal", "J"], 2, ["'s3://' is an address without a file"]),
    (
        "a folder that is a file",
        ["--output_path", "local://HERE/file/x.jsonl", "--journal", "J"],
        1,
        ["local://HERE/file/x.jsonl", "nothing can be written there"],
    ),
    ("a wrong suffix", ["--output_path", "PLACE/x.csv", "--journal", "J"], 1, ["x.csv", ".jsonl"]),
]


@pytest.mark.parametrize(("options", "code", "words"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_what_is_wrong_with_an_address_is_one_line_and_nothing_is_made(
    options: list[str], code: int, words: list[str], place: str, said: Say
) -> None:
    Path("file").write_text("")

    def filled(text: str) -> str:
        return text.replace("PLACE", place).replace("HERE", str(Path.cwd()))

    assert main([*SAMPLE, *map(filled, options)]) == code
    told = said()
    assert all(filled(word) in told for word in words), told
    assert "sample:" not in told
    assert not list(Path("J").glob("*.jsonl"))
    assert names(place) == []


def test_an_address_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch, said: Say) -> None:
    from threading import Event

    never = Event()
    monkeypatch.setattr(remote, "PATIENCE", 0.05)
    monkeypatch.setattr(Folder, "at", lambda url: never.wait(600))
    assert main([*SAMPLE, "--output_path", "s3://b/x.jsonl", "--journal", "J"]) == 1
    never.set()
    assert "s3://b/x.jsonl: no answer within" in said()


def test_a_mistyped_address_does_not_take_the_folder(place: str, said: Say) -> None:
    assert main([*SAMPLE, "--output_path", "nonsense://x/x.jsonl", "--journal", "J"]) == 1
    assert main([*SAMPLE, "--output_path", f"{place}/x.jsonl", "--journal", "J"]) == 0


def test_two_addresses_of_one_name_do_not_share_a_folder(place: str, said: Say) -> None:
    assert main([*SAMPLE, "--output_path", f"{place}/a/x.jsonl", "--journal", "J"]) == 0
    assert main([*SAMPLE, "--output_path", f"{place}/b/x.jsonl", "--journal", "J"]) == 2
    assert f"is the output for {place}/a/x.jsonl; give another --journal" in said()


def test_an_output_does_not_replace_what_is_read(place: str, said: Say) -> None:
    source = put(place, "x.jsonl", {"concepts": ["a", "b"]})
    assert main(["sample", "--data_path", source, "--output_path", source, "--journal", "J"]) == 2
    assert "would be replaced" in said()
    failed = put(place, "y.failed.jsonl", {"concepts": ["a", "b"]})
    assert main(["sample", "--data_path", failed, "--output_path", f"{place}/y.jsonl", "--journal", "J"]) == 2


def test_a_copy_that_fails_leaves_the_result_and_the_same_command_copies_it(
    place: str, said: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = Folder.send

    def failing(self: Folder, source: Path, name: str) -> None:
        if name == "x.jsonl":
            raise StorageError("the network is gone")
        send(self, source, name)

    command = [*SAMPLE, "--output_path", f"{place}/x.jsonl", "--journal", "J"]
    with monkeypatch.context() as patched:
        patched.setattr(Folder, "send", failing)
        assert main(command) == 1
    told = said()
    assert f"{place}/x.jsonl: the result could not be uploaded completely: the network is gone" in told
    assert "complete in J/x.jsonl" in told
    assert "x.jsonl" not in names(place)
    assert len(list(read_rows("J/x.jsonl"))) == 3
    assert main(command) == 0
    assert "x.jsonl" in names(place)


def test_a_command_that_fails_copies_nothing(place: str, said: Say) -> None:
    put(place, "bad.jsonl", {"problem": "no concepts"})
    command = ["sample", "--data_path", f"{place}/bad.jsonl", "--output_path", f"{place}/x.jsonl", "--journal", "J"]
    assert main(command) == 1
    assert f"{place}/bad.jsonl, row 1" in said()
    assert names(place) == ["bad.jsonl"]


def test_companions_of_an_earlier_result_vanish_and_other_files_stay(place: str, said: Say) -> None:
    put(place, "x.failed.jsonl", {"id": "old"})
    put(place, "x.dropped.jsonl", {"id": "old"})
    put(place, "other.failed.jsonl", {"id": "not ours"})
    assert main([*SAMPLE, "--output_path", f"{place}/x.jsonl", "--journal", "J"]) == 0
    assert names(place) == ["other.failed.jsonl", "x.jsonl", "x.recipe.json", "x.summary.json"]


def test_file_urls_are_paths_of_this_machine(said: Say) -> None:
    assert main([*SAMPLE, "--output_path", f"file://{Path.cwd()}/x.jsonl"]) == 0
    assert Path("x.jsonl").is_file()


def prediction(answer: str) -> dict[str, Any]:
    return {"source": "mine", "id": "1", "problem": "p", "answer": "7", "completion": rf"So \boxed{{{answer}}}."}


def test_predictions_at_an_address_get_their_grades_beside_them(place: str, said: Say) -> None:
    first, second = put(place, "a/p.jsonl", prediction("7")), put(place, "b/p.jsonl", prediction("8"))
    put(place, "a/p.failed.jsonl", {"id": "2"})
    assert main(["grade", "--output_path", first]) == 2
    assert main(["grade", "--output_path", first, "--journal", "J", "--details", f"{place}/d.jsonl"]) == 0
    assert names(f"{place}/a") == ["p.failed.jsonl", "p.grades.json", "p.jsonl"]
    assert [row["correct"] for row in read_rows(f"{place}/d.jsonl")] == [True]
    assert main(["grade", "--compare", first, second, "--journal", "J"]) == 0
    assert names(f"{place}/b") == ["p.grades.json", "p.jsonl"]


def test_all_outputs_of_a_command_go_to_their_own_places(place: str, said: Say) -> None:
    rows = [{**prediction("7"), "prompt": "p", "sample": sample} for sample in range(2)]
    source = put(place, "traces.jsonl", *rows)
    outputs = ["--output_path", f"{place}/l.jsonl", "--sft_path", f"{place}/sft.jsonl", "--rl_path", "rl.jsonl"]
    assert main(["label", "--data_path", source, *outputs, "--journal", "J"]) == 0
    assert {"l.jsonl", "sft.jsonl"} <= set(names(place))
    assert len(list(read_rows(f"{place}/sft.jsonl"))) == 2
    assert len(list(read_rows("rl.jsonl"))) == 1
    same = ["--output_path", f"{place}/l.jsonl", "--sft_path", f"{place}/x/l.jsonl", "--journal", "K"]
    assert main(["label", "--data_path", source, *same]) == 2
    assert "have the same name" in said()


def test_judged_files_at_addresses_are_filtered_and_stars_are_refused(place: str, said: Say) -> None:
    row = {"id": "1", "prompt": "p", "rationale_and_problem": "r", "judge": "j", "judgement": "perfect"}
    put(place, "judged-0.jsonl", row)
    template, output = f"{place}/judged-{{}}.jsonl", f"{place}/kept.jsonl"
    assert main(["filter", "--template", template, "--n-rewards", "1", "--output_path", output, "--journal", "J"]) == 0
    assert [one["id"] for one in read_rows(output)] == ["1"]
    assert main(["filter", "--template", f"{place}/judged-*.jsonl", "--output_path", "x.jsonl"]) == 2
    assert "repeat --template" in said()


def test_failed_rows_at_an_address_say_nothing_about_a_generator(place: str, said: Say) -> None:
    prompts = [{"id": name, "foundational_concepts": ["a"], "level": "AIME"} for name in "12"]
    asked, written = put(place, "prompts.jsonl", *prompts), put(place, "w.jsonl", {"id": "1", "problem": "p"})
    put(place, "w.failed.jsonl", {"id": "2"})
    options = ["--prompts-path", asked, "--trained-on", asked, "--before", written, "--after", written]
    assert main(["chain", "generators", *options, "--output_path", f"{place}/t.json", "--journal", "J"]) == 0
    told = json.loads(Folder.at(place).read("t.json"))
    assert (told["after"]["readable"]["count"], told["after"]["readable"]["n"]) == (1, 1)


def test_a_recipe_is_read_at_an_address(place: str, said: Say) -> None:
    Path("r.toml").write_text('name = "far"\nprompts = "nano"\n[encode]\nskip = true\n[[judge]]\nname = "a"\n')
    Folder.at(place).send(Path("r.toml"), "r.toml")
    assert main(["run", f"{place}/r.toml", "--dry-run", "--set", f"concepts.path={place}/c.jsonl"]) == 1
    put(place, "c.jsonl", *[{"concepts": ["primes", "gcd", "parity", "divisors", "sums"]}] * 2)
    assert main(["run", f"{place}/r.toml", "--dry-run", "--set", f"concepts.path={place}/c.jsonl"]) == 0
    assert main(["run", f"{place}/none.toml", "--dry-run"]) == 1
    assert f"{place}/none.toml" in said()


def test_a_model_at_an_address_is_no_model_of_this_process(said: Say) -> None:
    Path("in.jsonl").write_text('{"prompt": "p"}\n')
    command = ["generate", "--data_path", "in.jsonl", "--output_path", "x.jsonl", "--model_path", "s3://b/m"]
    assert main([*command, "--engine", "local"]) == 1
    assert "s3://b/m: an address" in said()

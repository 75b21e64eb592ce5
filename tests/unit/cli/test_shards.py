"""`--shard` on the verbs from rows to rows, and `merge` of what they wrote: the files of the command without shards."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

import promptcot
from promptcot.cli import main
from promptcot.cli.root import VERBS, root
from promptcot.storage.atomic import open_locked
from promptcot.storage.rows import read_rows

STEPS = Path(__file__).parents[1] / "pipeline" / "sharded_steps.py"
ENGINE = ["--engine", "sharded_steps:open_faulty", "--model-path", "m"]
SHARDED = {
    "run",
    "sample",
    "generate",
    "judge",
    "verify",
    "decontaminate",
    "filter",
    "extract",
    "explain",
    "solve",
    "label",
}


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(STEPS, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    write(
        "in.jsonl",
        ({"id": f"{n:03}", "prompt": f"p{n}", "foundational_concepts": ["a"], "level": "AIME"} for n in range(50)),
    )
    write("problems.jsonl", ({"id": f"{n % 28}", "problem": f"What is {n} + 1?", "source": "s"} for n in range(30)))
    write("traces.jsonl", traces())


def write(name: str, rows: Iterator[dict[str, Any]]) -> None:
    Path(name).write_text("".join(json.dumps(row) + "\n" for row in rows))


def traces() -> Iterator[dict[str, Any]]:
    """Four traces a problem, in rounds, so that those of one problem lie far apart; some cut off, some tied."""
    for sample in range(4):
        for number in range(24):
            right = (number * 7 + sample * 5) % 3 > 0
            answer = number if right else number + 100 + sample
            cut = (number + sample) % 7 == 0
            yield {
                "id": f"t{number}",
                "source": "s",
                "problem": f"Find {number}.",
                "sample": sample,
                "completion": "so" if cut else f"So it is \\boxed{{{answer}}}.",
                "finish_reason": "length" if cut else "stop",
                "truncated": cut,
                "completion_tokens": sample + number,
            }


def shards(verb: list[str], count: int, stem: str = "part", suffix: str = ".jsonl") -> list[str]:
    """The outputs of all shards; `I` in an argument stands for the number of the shard."""
    outputs = []
    for index in range(1, count + 1):
        outputs.append(f"{stem}.{index}{suffix}")
        told = [word.replace("%I", str(index)) for word in verb]
        assert main([*told, "--output-path", outputs[-1], "--shard", f"{index}/{count}"]) in (0, 3)
    return outputs


def files(output: str) -> dict[str, Any]:
    """The output and what lies beside it, by ending."""
    stem = output.partition(".")[0]
    found: dict[str, Any] = {path.name.removeprefix(stem): path.read_bytes() for path in Path().glob(f"{stem}.*.jsonl")}
    summary = json.loads(Path(f"{stem}.summary.json").read_bytes())
    for stage in summary["stages"].values():
        del stage["seconds"]
    return {**found, "rows": list(read_rows(output)), "summary": summary}


CASES = {
    "sample": ["sample", "--data-path", "nano", "--data-size", "40"],
    "generate": ["generate", "--data-path", "in.jsonl", *ENGINE],
    "judge": ["judge", "--data-path", "written.jsonl", "--prompts", "nano", *ENGINE],
    "solve": ["solve", "--data-path", "problems.jsonl", "--n", "3", *ENGINE],
    "extract": [
        "extract",
        "--data-path",
        "nano",
        "--limit-rows",
        "10",
        "--annotator",
        "a=nano",
        "--annotator",
        "b=nano",
    ],
    "filter": ["filter", "--template", "judged-a.jsonl", "--template", "judged-b.jsonl"],
    "label": ["label", "--data-path", "traces.jsonl", "--min-agreement", "0.6"],
}


def prepare(*names: str) -> None:
    """Inputs that other verbs make."""
    verbs = {
        "written.jsonl": CASES["generate"],
        "judged-a.jsonl": [*CASES["judge"], "--judge", "a"],
        "judged-b.jsonl": [*CASES["judge"], "--judge", "b", "--seed", "5"],
    }
    for name in names:
        assert main([*verbs[name], "--output-path", name]) in (0, 3)


@pytest.mark.parametrize("verb", CASES)
def test_joined_outputs_are_what_the_verb_writes_without_shards(verb: str) -> None:
    if verb in ("judge", "filter"):
        prepare("written.jsonl", *(["judged-a.jsonl", "judged-b.jsonl"] if verb == "filter" else []))
    code = main([*CASES[verb], "--output-path", "whole.jsonl"])
    assert main(["merge", "joined.jsonl", *reversed(shards(CASES[verb], 3))]) == code
    assert files("joined.jsonl") == files("whole.jsonl")
    assert Path("joined.jsonl").read_bytes() == Path("whole.jsonl").read_bytes()
    assert len(list(read_rows("joined.jsonl"))) > 8


def test_rows_that_fail_or_are_dropped_are_among_those_that_are_compared() -> None:
    main([*CASES["generate"], "--output-path", "whole.jsonl"])
    assert {".dropped.jsonl", ".failed.jsonl"} <= files("whole.jsonl").keys()
    prepare("written.jsonl", "judged-a.jsonl", "judged-b.jsonl")
    main([*CASES["filter"], "--output-path", "kept.jsonl"])
    lost = list(read_rows("kept.dropped.jsonl"))
    assert any("problem" not in row for row in lost), "a row that only the second judge has"


def test_training_rows_and_pairs_of_labels_are_joined_too() -> None:
    label = [
        *CASES["label"],
        "--sft-path",
        "%S.sft.jsonl",
        "--pairs-path",
        "%S.pairs.jsonl",
        "--rl-path",
        "%S.rl.jsonl",
    ]
    assert main([*(word.replace("%S", "whole") for word in label), "--output-path", "whole.jsonl"]) == 0
    shards([word.replace("%S", "part%I") for word in label], 3)
    for kind in ("sft", "pairs", "rl"):
        assert main(["merge", f"joined.{kind}.jsonl", *(f"part{index}.{kind}.jsonl" for index in (1, 2, 3))]) == 0
        assert list(read_rows(f"joined.{kind}.jsonl")) == list(read_rows(f"whole.{kind}.jsonl"))
        assert Path(f"joined.{kind}.jsonl").read_bytes() == Path(f"whole.{kind}.jsonl").read_bytes()
        if kind != "rl":  # of which none is dropped here
            lost = (Path(f"{stem}.{kind}.dropped.jsonl").read_bytes() for stem in ("joined", "whole"))
            assert len(set(lost)) == 1


def test_all_rows_of_one_problem_are_in_one_shard() -> None:
    for verb in ("solve", "label"):
        outputs = shards(CASES[verb], 3, verb)
        ids = [{row["id"] for row in read_rows(output)} for output in outputs]
        assert sum(map(len, ids)) == len(set.union(*ids))


def test_verbs_follow_each_other_shard_by_shard_and_are_joined_at_the_end() -> None:
    prepare("written.jsonl", "judged-a.jsonl", "judged-b.jsonl")
    assert main([*CASES["filter"], "--output-path", "whole.jsonl"]) == 0
    shards(CASES["generate"], 2, "w")
    for name in "ab":
        judge = ["judge", "--data-path", "w.%I.jsonl", "--prompts", "nano", *ENGINE, "--judge", name]
        shards([*judge, "--seed", "8000" if name == "a" else "5"], 2, f"j{name}")
    kept = shards(["filter", "--template", "ja.%I.jsonl", "--template", "jb.%I.jsonl"], 2)
    assert main(["merge", "joined.jsonl", *kept]) == 0
    assert files("joined.jsonl") == files("whole.jsonl")
    assert json.loads(Path("joined.recipe.json").read_bytes())["recipe"]["template"] == [
        ["ja.1.jsonl", "jb.1.jsonl"],
        ["ja.2.jsonl", "jb.2.jsonl"],
    ]


def test_explain_follows_extract_though_each_row_is_of_one_annotator() -> None:
    annotators = ["--annotator", "a=nano", "--annotator", "b=nano"]
    assert main([*CASES["extract"], "--output-path", "concepts.jsonl"]) == 0
    told = [*annotators, "--level", "AIME"]
    assert main(["explain", "--data-path", "concepts.jsonl", *told, "--output-path", "whole.jsonl"]) == 0
    shards(CASES["extract"], 2, "e")
    assert main(["merge", "joined.jsonl", *shards(["explain", "--data-path", "e.%I.jsonl", *told], 2)]) == 0
    assert files("joined.jsonl") == files("whole.jsonl")


def test_a_verb_takes_the_steps_of_a_sharded_run(tmp_path: Path) -> None:
    promptcot.run("nano", max_candidates=6, until="generate", shard="1/2", output_dir="r1")
    with pytest.raises(
        promptcot.UsageError, match=r"r1/generate.jsonl: this is shard 1/2 already, and --shard says 2/2"
    ):
        promptcot.generate("r1/generate.jsonl", shard="2/2")
    rows = promptcot.generate("r1/sample.jsonl", shard="1/2").rows
    assert {row["id"] for row in rows} == {row["id"] for row in read_rows("r1/generate.jsonl")}


def test_a_position_that_rows_had_of_their_own_stays() -> None:
    write("in.jsonl", ({**row, "source_index": 10 * place} for place, row in enumerate(list(read_rows("in.jsonl")))))
    main([*CASES["generate"], "--output-path", "whole.jsonl"])
    assert main(["merge", "joined.jsonl", *shards(CASES["generate"], 2)]) == 3
    assert files("joined.jsonl") == files("whole.jsonl")
    assert all(row["source_index"] % 10 == 0 for row in read_rows("joined.jsonl"))


def test_the_command_goes_on_from_what_was_joined(capsys: pytest.CaptureFixture[str]) -> None:
    main(["merge", "joined.jsonl", *shards(CASES["generate"], 2)])
    capsys.readouterr()
    main([*CASES["generate"], "--output-path", "joined.jsonl"])
    assert "generate: 0 calls, 0 tokens written" in capsys.readouterr().out


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl.zst"])
def test_other_formats_are_joined_as_well(suffix: str) -> None:
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    main([*CASES["generate"], "--output-path", f"whole{suffix}"])
    main(["merge", f"joined{suffix}", *shards(CASES["generate"], 3, suffix=suffix)])
    assert list(read_rows(f"joined{suffix}")) == list(read_rows(f"whole{suffix}"))


def test_a_shard_without_rows_is_joined_like_any_other() -> None:
    write("in.jsonl", iter(list(read_rows("in.jsonl"))[:2]))
    main([*CASES["generate"], "--output-path", "whole.jsonl"])
    main(["merge", "joined.jsonl", *shards(CASES["generate"], 5)])
    assert files("joined.jsonl") == files("whole.jsonl")


def test_functions_take_shards_too_and_follow_each_other() -> None:
    rows = list(read_rows("in.jsonl"))
    engine = {"engine": "sharded_steps:open_faulty", "model": "m"}
    for index in (1, 2):
        written = promptcot.generate(rows, model=engine, shard=f"{index}/2")
        promptcot.judge(written, model=engine, prompts="nano", shard=f"{index}/2", journal=f"work-{index}", name="a")
    whole = promptcot.judge(promptcot.generate(rows, model=engine), model=engine, prompts="nano", name="a")
    joined = promptcot.merge("all.jsonl", ["work-1/judge-a.jsonl", "work-2/judge-a.jsonl"])
    assert isinstance(joined, promptcot.StageResult)
    assert list(joined.rows) == list(whole.rows)
    assert list(joined.failed) == list(whole.failed)
    assert joined.counts.rows_in == whole.counts.rows_in
    with pytest.raises(promptcot.UsageError, match="write I/N"):
        promptcot.generate(rows, shard="3/2")


def test_two_may_not_join_into_one_file_at_the_same_time() -> None:
    parts = shards(CASES["generate"], 2)
    open_locked(Path("joined.jsonl.partial"))
    with pytest.raises(promptcot.LockedError):
        promptcot.merge("joined.jsonl", parts)


def test_the_option_is_where_rows_go_in_and_out_and_nowhere_else() -> None:
    context = click.Context(root)
    commands = {verb: root.get_command(context, verb) for verb in VERBS}
    found = {
        verb for verb, command in commands.items() if command and any(one.name == "shard" for one in command.params)
    }
    assert found == SHARDED


@pytest.mark.parametrize("given", ["0/4", "5/4", "1/0", "x", "1"])
@pytest.mark.parametrize("verb", [["run"], ["generate", "--data-path", "in.jsonl", "--output-path", "o.jsonl"]])
def test_a_wrong_shard_is_one_clear_error(verb: list[str], given: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*verb, "--shard", given]) == 2
    assert "write I/N, part I of N, such as 1/4" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("told", "code", "words"),
    [
        (["run", "--shard", "1/2", "--target", "5"], 2, ["--shard 1/2 with a target of 5", "--max-candidates M"]),
        (["run", "distill-nano", "--shard", "1/2"], 2, ["--shard is for runs", "distill-nano is a chain"]),
        (["merge", "o.jsonl", "1.jsonl"], 2, ["missing: shards 2/3, 3/3", "--partial"]),
        (["merge", "o.jsonl", "1.jsonl", "3.jsonl"], 2, ["missing: shard 2/3"]),
        (["merge", "o.jsonl", "1.jsonl", "1.jsonl"], 2, ["shard 1/3 is given 2 times: 1.jsonl, 1.jsonl"]),
        (["merge", "o.jsonl", "1.jsonl", "half.jsonl"], 2, ["not shards of one job: half.jsonl is 1/2, 1"]),
        (["merge", "1.jsonl", "1.jsonl", "2.jsonl", "3.jsonl"], 2, ["1.jsonl: this file would be replaced"]),
        (["merge", "o.jsonl", "1.jsonl", "run-1"], 2, ["run directories and files"]),
        (["merge", "folder", "1.jsonl", "2.jsonl", "3.jsonl"], 2, ["folder: the shards are files"]),
        (["merge", "1.jsonl", "run-1"], 2, ["1.jsonl: the shards are directories, and it is a file"]),
        (["merge", "o.jsonl"], 2, ["SHARD"]),
        (["merge", "o.jsonl", "1.jsonl", "2.jsonl", "other.jsonl"], 1, ["and other.jsonl", ": temperature, seed;"]),
        (["merge", "o.jsonl", "1.jsonl", "whole.jsonl"], 1, ["whole.jsonl: it was not made with --shard"]),
        (["merge", "o.jsonl", "1.jsonl", "in.jsonl"], 1, ["in.recipe.json is missing", "finish the command first"]),
        (["merge", "o.jsonl", "1.jsonl", "nowhere.jsonl"], 1, ["nowhere.jsonl: no such file"]),
        (["merge", "o", "folder"], 1, ["folder: recipe.json is missing"]),
        (["merge", "o.csv", "1.jsonl", "2.jsonl", "3.jsonl"], 1, ["o.csv", ".jsonl"]),
        (["merge", "s3://b/o.jsonl", "1.jsonl"], 2, ["s3://b/o.jsonl", "needs --journal DIR"]),
        (["merge", "o.jsonl", "memory://none/1.jsonl"], 1, ["memory://none/1.jsonl: no such file"]),
        (["merge", "o", "memory://none/run"], 1, ["memory://none/run: no such file or directory"]),
        (["merge", "o.jsonl", "lacking.jsonl", "2.jsonl", "3.jsonl"], 1, ["lacking.jsonl, row 2", "is None"]),
        (["merge", "o.jsonl", "mixed.jsonl", "2.jsonl", "3.jsonl"], 1, ["mixed.jsonl, row 2", "comes after"]),
        (["judge", "--data-path", "2.jsonl", "--shard", "1/3"], 2, ["2.jsonl: this is shard 2/3 already"]),
        (["judge", "--data-path", "in.jsonl", "--output-path", "2.jsonl", "--shard", "1/3"], 2, ["2.jsonl: this is"]),
        (["filter", "--template", "1.jsonl", "--template", "in.jsonl", "--shard", "1/3"], 2, ["in.jsonl: this file"]),
    ],
)  # fmt: skip
def test_what_does_not_belong_together_is_refused(
    told: list[str], code: int, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    for index in (1, 2, 3):
        main([*CASES["generate"], "--output-path", f"{index}.jsonl", "--shard", f"{index}/3"])
    main([*CASES["generate"], "--output-path", "half.jsonl", "--shard", "1/2"])
    main([*CASES["generate"], "--output-path", "other.jsonl", "--shard", "3/3", "--seed", "1", "--temperature", "0.5"])
    main([*CASES["generate"], "--output-path", "whole.jsonl"])
    for name, rows in {"lacking": "in.jsonl", "mixed": "1.jsonl"}.items():
        found = list(read_rows(rows))
        write(f"{name}.jsonl", iter([{**found[1], "source_index": 9}, *found] if name == "lacking" else found[::-1]))
        shutil.copy("1.recipe.json", f"{name}.recipe.json")
        shutil.copy("1.summary.json", f"{name}.summary.json")
    Path("run-1").mkdir()
    shutil.copy("1.recipe.json", "run-1/recipe.json")
    Path("folder").mkdir()
    before = {path: path.read_bytes() for path in Path().glob("*.jsonl")}
    capsys.readouterr()
    output = [] if "--output-path" in told or told[0] in ("merge", "run") else ["--output-path", "o.jsonl"]
    assert main([*told, *output]) == code
    said = capsys.readouterr().err
    assert all(word in said for word in words), said
    assert {path: path.read_bytes() for path in Path().glob("*.jsonl")} == before
    assert not [*Path().glob("*.partial")]


def test_without_a_journal_it_is_said_what_going_on_costs(capsys: pytest.CaptureFixture[str]) -> None:
    parts = shards(CASES["generate"], 2)
    shutil.rmtree("part.2.journal")
    main([*CASES["generate"], "--output-path", "whole.jsonl"])
    capsys.readouterr()
    assert main(["merge", "joined.jsonl", *parts]) == 3
    assert "part.2.jsonl: the journal of generate is not there" in capsys.readouterr().out
    assert files("joined.jsonl") == files("whole.jsonl")


def test_shards_and_what_they_are_joined_into_may_lie_at_addresses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMPTCOT_CACHE", str(tmp_path / "cache"))
    there = f"local://{tmp_path}/there"
    for index in (1, 2):
        output = ["--output-path", f"{there}/{index}.jsonl", "--journal", f"job-{index}"]
        assert main([*CASES["generate"], *output, "--shard", f"{index}/2"]) in (0, 3)
    assert main(["merge", f"{there}/all.jsonl", f"{there}/1.jsonl", f"{there}/2.jsonl", "--journal", "job"]) in (0, 3)
    assert main([*CASES["generate"], "--output-path", "whole.jsonl"]) in (0, 3)
    for kind in ("", "failed.", "dropped."):
        found = tmp_path / "there" / f"all.{kind}jsonl"
        assert found.exists() == Path(f"whole.{kind}jsonl").exists()
        if found.exists():
            assert found.read_bytes() == Path(f"whole.{kind}jsonl").read_bytes()

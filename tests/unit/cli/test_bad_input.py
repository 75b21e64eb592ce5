"""What a person gets who types something wrong, or points at a wrong file: one clear error, and nothing lost."""

import json
from pathlib import Path

import pytest

from promptcot.cli import main
from promptcot.storage.rows import read_rows
from promptcot.storage.writer import RowWriter

CONCEPTS = [{"concepts": ["primes", "gcd"]}, {"concepts": ["primes", "parity"]}, {"concepts": ["gcd", "parity"]}]
NANO = "What is the number halfway between 7 and 19?"
INPUTS = [{"id": "1", "prompt": "p", "foundational_concepts": ["a"], "level": "AIME"}]


def jsonl(path: Path, rows: list[dict[str, object]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    jsonl(tmp_path / "concepts.jsonl", CONCEPTS)
    jsonl(tmp_path / "inputs.jsonl", INPUTS)
    (tmp_path / "empty.jsonl").write_text("")
    (tmp_path / "broken.jsonl").write_text('{"concepts": ["a"]}\n{"concepts": [\n')
    jsonl(tmp_path / "lacking.jsonl", [*CONCEPTS, {"problem": "x"}])
    jsonl(tmp_path / "problems.jsonl", [{"problem": "x"}])
    jsonl(tmp_path / "vectors.jsonl", [{"sentence": "primes", "embedding": [1.0, 0.0]}])
    for folder, name in (("no-verdict", "judge-a.jsonl"), ("no-votes", "verify-x.jsonl")):
        (tmp_path / folder).mkdir()
        for file in (name, "generate.jsonl"):
            jsonl(tmp_path / folder / file, [{"id": "1", "problem": NANO}])
    (tmp_path / "three.toml").write_text('sed = 1\n[run]\nmax_candidates = 0\n[[judge]]\nname = "a"\nmodle = "x"\n')


SAMPLE = ["sample", "--output_path", "out.jsonl", "--size", "2"]
CASES: list[tuple[str, list[str], int, list[str]]] = [
    ("missing file", [*SAMPLE, "--data_path", "nowhere.jsonl"], 1, ["nowhere.jsonl: no such file"]),
    ("empty file", [*SAMPLE, "--data_path", "empty.jsonl"], 1, ["empty.jsonl: the file has no rows"]),
    ("not JSON", [*SAMPLE, "--data_path", "broken.jsonl"], 1, ["broken.jsonl, line 2: not JSON"]),
    ("no concepts", [*SAMPLE, "--data_path", "problems.jsonl"], 1, ["problems.jsonl, row 1", "concepts"]),
    ("NaN", [*SAMPLE, "--data_path", "concepts.jsonl", "--temperature", "nan"], 2, ["'nan' is not a finite number"]),
    ("infinite", ["label", "--data_path", "x", "--output_path", "y", "--limit", "inf"], 2, ["'inf' is not a finite"]),
    ("NaN in a recipe", ["run", "nano", "--set", "sample.temperature=nan"], 1, ["sample.temperature", "finite"]),
    ("too few concepts", [*SAMPLE[:-1], "5", "--data_path", "concepts.jsonl"], 1, ["of 5 concepts", "only 3 distinct"]),
    ("no vector", [*SAMPLE, "--data_path", "concepts.jsonl", "--embed_path", "vectors.jsonl"], 1, ["gcd", "parity"]),
    (
        "three mistakes",
        ["run", "three.toml"],
        1,
        ["3 mistakes", "did you mean seed", "max_candidates", "did you mean model"],
    ),
    ("unknown verb", ["generat"], 2, ["did you mean generate"]),
    ("unknown option", ["sample", "--data_pth", "x"], 2, ["--data-path"]),
    ("missing option", ["sample", "--data_path", "concepts.jsonl"], 2, ["--output-path"]),
    ("unknown recipe", ["run", "nanoo"], 1, ["did you mean nano"]),
    (
        "no such model",
        ["generate", "--data_path", "inputs.jsonl", "--output_path", "out.jsonl", "--model_path", "no/model"],
        1,
        ["no/model"],
    ),
    ("unknown role", ["nano", "path", "poet"], 2, ["generator"]),
    (
        "wrong suffix",
        [*SAMPLE[:2], "out.csv", "--size", "2", "--data_path", "concepts.jsonl"],
        1,
        ["out.csv", ".jsonl"],
    ),
    ("no verdicts", ["filter", "--template", "inputs.jsonl", "--output_path", "out.jsonl"], 1, ["`judgement`"]),
    (
        "an empty stop string",
        ["generate", "--data_path", "inputs.jsonl", "--output_path", "out.jsonl", "--stop", ""],
        1,
        ["--stop: String should have at least 1 character"],
    ),
    ("a judge's row without verdict", ["nano", "check", "no-verdict"], 1, ["judge-a.jsonl: row 1", "`judgement`"]),
    ("a voter's row without votes", ["nano", "check", "no-votes"], 1, ["verify-x.jsonl: row 1", "`validity`"]),
    ("a row without problem", ["nano", "check", "inputs.jsonl"], 1, ["inputs.jsonl, row 1", "`problem`"]),
    ("a check of nothing", ["nano", "check", "nowhere.jsonl"], 1, ["nowhere.jsonl: no such file"]),
    ("a check of no rows", ["nano", "check", "empty.jsonl"], 1, ["empty.jsonl: the file has no rows"]),
    ("a check of other problems", ["nano", "check", "problems.jsonl"], 1, ["nano world", "promptcot measure"]),
    ("unknown prompts", [*SAMPLE, "--data_path", "concepts.jsonl", "--prompts", "matth"], 1, ["math"]),
]


@pytest.mark.parametrize(("arguments", "code", "words"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_mistake_is_one_clear_error(
    arguments: list[str], code: int, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == code
    said = capsys.readouterr().err
    assert all(word in said for word in words), said
    assert "Traceback" not in said
    assert not Path("out.jsonl").exists()
    assert list(Path().glob("*.partial")) == []


def test_more_combinations_than_exist_ends_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SAMPLE, "--data_path", "concepts.jsonl", "--data_size", "1000"]) == 0
    assert "no more than 3 combinations: these are all the possible ones" in capsys.readouterr().out
    assert len(Path("out.jsonl").read_text().splitlines()) == 3


def test_an_output_that_another_process_writes_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    other = RowWriter(Path("out.jsonl"))
    assert main([*SAMPLE, "--data_path", "concepts.jsonl", "--data_size", "2"]) == 1
    assert "another process" in capsys.readouterr().err
    other.discard()
    assert main([*SAMPLE, "--data_path", "concepts.jsonl", "--data_size", "2"]) == 0


def test_underscores_and_dashes_are_the_same() -> None:
    assert (
        main(["sample", "--data-path", "concepts.jsonl", "--output_path", "a.jsonl", "--size", "2", "--data-size", "3"])
        == 0
    )
    assert (
        main(["sample", "--data_path", "concepts.jsonl", "--output-path", "b.jsonl", "--size", "2", "--data_size", "3"])
        == 0
    )
    assert Path("a.jsonl").read_bytes() == Path("b.jsonl").read_bytes()


def test_the_same_seed_gives_the_same_file_and_another_seed_another(tmp_path: Path) -> None:
    big = [{"concepts": [f"c{n}", f"c{(n * 7 + k) % 40}"]} for n in range(40) for k in (1, 2, 3)]
    jsonl(tmp_path / "big.jsonl", big)
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        line = f"sample --output_path {name}.jsonl --data_path big.jsonl --size 3 --data_size 50 --seed {seed}"
        assert main(line.split()) == 0
    assert Path("a.jsonl").read_bytes() == Path("b.jsonl").read_bytes() != Path("c.jsonl").read_bytes()


def test_help_needs_no_model_and_names_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    said = capsys.readouterr().out
    assert all(verb in said for verb in ("run", "encode", "sample", "generate", "judge", "filter", "nano"))


@pytest.mark.parametrize("verb", ["run", "encode", "sample", "generate", "judge", "filter", "nano"])
def test_every_verb_has_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "--help"]) == 0
    assert "Usage: promptcot" in capsys.readouterr().out


CARELESS = [
    ("the input is the output", "sample --data_path concepts.jsonl --output_path concepts.jsonl --size 2"),
    ("the failed rows of the output are the input", "generate --data_path x.failed.jsonl --output_path x.jsonl"),
    ("the judged file is the output", "filter --template judged.jsonl --output_path judged.jsonl"),
    ("names would replace the concepts", "encode --data_path concepts.jsonl --output_path concepts.safetensors"),
    ("no such form of vectors", "encode --data_path concepts.jsonl --output_path vectors.npz"),
]


@pytest.mark.parametrize("line", [case[1] for case in CARELESS], ids=[case[0] for case in CARELESS])
def test_no_command_writes_over_what_it_reads(line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("x.failed.jsonl", "judged.jsonl"):
        jsonl(tmp_path / name, [{**INPUTS[0], "judgement": "perfect", "completion": "c"}])
    before = {path.name: path.read_bytes() for path in Path().glob("*.jsonl")}
    assert main(line.split()) in (1, 2)
    assert "output" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in Path().glob("*.jsonl")} == before


def test_filter_joins_by_id_and_loses_no_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def judged(judge: str, *ids: str) -> list[dict[str, object]]:
        texts = {"prompt": "p", "completion": "words", "rationale_and_problem": "r"}
        return [{"id": name, "judge": judge, "judgement": "perfect", **texts} for name in ids]

    jsonl(tmp_path / "j-a.jsonl", judged("a", "1", "2", "3"))
    jsonl(tmp_path / "j-b.jsonl", judged("b", "5", "3", "2"))
    jsonl(tmp_path / "j-b.failed.jsonl", [{"id": "1", "cause": "refused"}])
    assert main(["filter", "--template", "j-*.jsonl", "--output_path", "out.jsonl"]) == 0
    assert [row["id"] for row in read_rows("out.jsonl")] == ["2", "3"]
    assert next(read_rows("out.jsonl"))["completion"] == "r"
    assert "4 in = 2 out + 2 dropped (missing verdict: 2) + 0 failed" in capsys.readouterr().out


@pytest.mark.parametrize("option", ["--data-size", "--size"])
def test_more_than_can_be_counted_is_wrong_usage(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SAMPLE, "--data_path", "concepts.jsonl", option, str(2**63)]) == 2
    assert "is too large" in capsys.readouterr().err


def test_concepts_that_are_no_texts_are_no_matter_to_the_truth(capsys: pytest.CaptureFixture[str]) -> None:
    jsonl(
        Path("odd.jsonl"), [{"problem": NANO, "foundational_concepts": odd} for odd in (3.5, "ab", {"a": 1}, [[1], {}])]
    )
    assert main(["nano", "check", "odd.jsonl", "--json"]) == 0
    assert "concepts" not in json.loads(capsys.readouterr().out)["truth"]["stages"]["rows"]


@pytest.mark.parametrize("host", ["\udcff", "a..b", "a" * 80])
def test_a_host_that_has_no_such_name_is_named(host: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mock-server", "--port", "0", "--host", host]) == 1
    assert f"mock server: {host!a} is not a host name" in capsys.readouterr().err

"""Good rows and good command lines, one or more for each verb: what the fuzz of command lines distorts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.generations import render

_NAMES = ["Format", "Factual Accuracy", "Difficulty Alignment", "Concept Coverage", "Solvability"]
_TEXT = render("Two facts meet.", "Find the least prime above 7.")
_SPEC = {"id": "r1", "foundational_concepts": ["primes", "parity"], "level": "AIME", "prompt": "Write one."}
_PROBLEM = {"id": "p1", "problem": "What is 2 + 2?", "level": "AIME", "foundational_concepts": ["a"], "answer": "4"}
_TRACE = "<think>\nTwo and two.\n</think>\n\nSo it is \\boxed{4}."
_RATED = {name.lower().replace(" ", "_"): "perfect" for name in _NAMES}
_JUDGED = {
    **_SPEC,
    "judge": "a",
    "ratings": _RATED,
    "judgement": "perfect",
    "rationale_and_problem": _TEXT,
    "completion": "ok",
}
_WRITTEN = {
    **_SPEC,
    "completion": _TEXT,
    "rationale": "Two facts meet.",
    "problem": "Find it.",
    "finish_reason": "stop",
}
_CONCEPTS: list[list[str]] = [["primes", "parity"], ["primes", "gcd"], ["gcd", "roots"], ["roots", "parity"]]


def _thrice(row: dict[str, Any]) -> list[dict[str, Any]]:
    return [{**row, "id": f"{row['id']}-{number}"} for number in range(3)]


ROWS: dict[str, list[dict[str, Any]]] = {
    "concepts": [{"concepts": names} for names in _CONCEPTS],
    "inputs": _thrice(_SPEC),
    "written": _thrice(_WRITTEN),
    "judged-0": _thrice(_JUDGED),
    "judged-1": _thrice({**_JUDGED, "judge": "b"}),
    "problems": _thrice(_PROBLEM),
    "nano": _thrice({**_PROBLEM, "problem": "What is the number halfway between 7 and 19?", "answer": "13"}),
    "traces": [
        {
            **row,
            "prompt": "What is 2 + 2?",
            "completion": _TRACE,
            "sample": sample,
            "source": "mine",
            "finish_reason": "stop",
        }
        for row in _thrice(_PROBLEM)
        for sample in range(2)
    ],
    "train": [{**row, "label": row["id"]} for row in _thrice({"id": "t", "prompt": "2 + 2?", "completion": _TRACE})],
    "annotated": _thrice({**_WRITTEN, "annotator": "x", "concepts": ["primes", "gcd"]}),
    "labelled": [
        {**row, "label": "4", "agreement": 1.0, "n": 4, "answered": 4, "pass_rate": 0.5} for row in _thrice(_PROBLEM)
    ],
    "vectors": [
        {"sentence": name, "embedding": [1.0, float(n)]} for n, name in enumerate(["gcd", "parity", "primes", "roots"])
    ],
}
"""Good input files, three rows or so each."""

OURS = ["--engine", "tests.fuzz.replying:open_engine", "--model-path", "m"]
_ASKED = ["--output-path", "out.jsonl", *OURS]
SMALL = [
    "--max-candidates",
    "8",
    "--set",
    "encode.skip=true",
    "--set",
    "prompts=math",
    "--set",
    "filter.only_perfect=false",
    "--output-dir",
    "out",
]
_ANSWERED = [
    f"--set={key}.engine=tests.fuzz.replying:open_engine"
    for key in ("generate", "judge.a", "judge.b", "verify", "solve")
]
_COMPARED = ["chain", "generators", "--prompts-path", "inputs.jsonl", "--trained-on", "train.jsonl"]
_LABELLED = ["--data-path", "labelled.jsonl", "--output-path", "out.jsonl"]
BASES: dict[str, list[list[str]]] = {
    "init": [["init", "puzzles", "--output-dir", "out"]],
    "run": [["run", "nano", *SMALL, *_ANSWERED], ["run", "nano", *SMALL, "--dry-run"]],
    "extract": [["extract", "--data-path", "problems.jsonl", *_ASKED]],
    "explain": [["explain", "--data-path", "problems.jsonl", *_ASKED]],
    "train-rows": [["train-rows", "--data-path", "annotated.jsonl", "--output-path", "out.jsonl"]],
    "encode": [["encode", "--data-path", "concepts.jsonl", *_ASKED]],
    "sample": [
        ["sample", "--data-path", "concepts.jsonl", "--output-path", "out.jsonl", "--size", "2", "--data-size", "5"]
    ],
    "generate": [["generate", "--data-path", "inputs.jsonl", *_ASKED]],
    "judge": [["judge", "--data-path", "written.jsonl", *_ASKED]],
    "filter": [["filter", "--template", "judged-{}.jsonl", "--n-rewards", "2", "--output-path", "out.jsonl"]],
    "dedup": [["dedup", "--data-path", "problems.jsonl", "--output-path", "out.jsonl", "--near", "0.9"]],
    "verify": [["verify", "--data-path", "problems.jsonl", "--prompts", "math", *_ASKED]],
    "decontaminate": [
        ["decontaminate", "--data-path", "problems.jsonl", "--output-path", "out.jsonl", "--against", "written.jsonl"]
    ],
    "solve": [["solve", "--data-path", "problems.jsonl", *_ASKED]],
    "grade": [["grade", "--output-path", "traces.jsonl", "--workers", "1"]],
    "label": [["label", "--data-path", "traces.jsonl", "--output-path", "out.jsonl", "--workers", "1"]],
    "select": [
        ["select", *_LABELLED, "--pass-rate", "0.2:0.8", "--size", "2", "--balance", "level"],
        ["select", *_LABELLED, "--difficulty", "0-0.5=1,0.5-1=2", "--levels", "AIME=1", "--order", "mixed"],
    ],
    "export": [
        ["export", "--data-path", "labelled.jsonl", "--output-path", "out", "--to", "verl", "--check"],
        ["export", "--data-path", "train.jsonl", "--output-path", "out", "--to", "sft", "--layout", "text"],
        ["export", "--data-path", "labelled.jsonl", "--output-path", "out", "--to", "prime", "--test", "0.3"],
    ],
    "measure": [["measure", "labelled.jsonl"], ["measure", "labelled.jsonl", "problems.jsonl", "--concepts", "nano"]],
    "show": [["show", "shown"], ["show", "shown", "p1-0", "--full"], ["show", "shown", "p1-1"]],
    "view": [
        ["view", "shown", "--export-static", "pages"],
        ["view", "shown", "--export-static", "out", "--limit", "1"],
    ],
    "report": [["report", "shown", "--output", "page.html"], ["report", "shown", "shown"]],
    "eval": [["eval", "nano", "--limit-rows", "2", "--n", "1", "--output-dir", "out", "--engine", OURS[1]]],
    "train": [["train", "nano-student", "--data-path", "train.jsonl", "--dry-run", "--output-dir", "out"]],
    "chain": [
        ["chain", "fresh", "--data-path", "problems.jsonl", "--output-path", "out.jsonl", "--eval-recipe", "nano"],
        ["chain", "mismatch", "--data-path", "train.jsonl", "--output-path", "out.jsonl"],
        ["chain", "students", "--before", "folder", "--after", "evaluated", "--output-path", "out.json"],
        [*_COMPARED, "--before", "written.jsonl", "--after", "written.jsonl", "--output-path", "out.json"],
    ],
    "merge": [["merge", "out.jsonl", "judged-0.jsonl", "judged-1.jsonl"], ["merge", "out", "run-1", "run-2"]],
    "clean": [["clean", "labelled.jsonl", "--keep-calls", "--yes"], ["clean", "labelled.jsonl", "--dry-run"]],
    "plan": [["plan", "nano", "--target", "5", "--gpus", "1", "--draws", "50"]],
    "doctor": [["doctor", "nano", "--no-trial"], ["doctor"]],
    "mock-server": [["mock-server", "--port", "0"]],
    "nano": [["nano", "check", "nano.jsonl"], ["nano", "path", "solver"]],
}
"""Good command lines of each verb, over the files of `ROWS`."""


def fill(folder: Path) -> None:
    """Good inputs, and the files and links with which options may point at something bad."""
    for name, rows in ROWS.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for name in ("folder", "folder.jsonl", "evaluated", "run-1", "run-2", "shown"):
        (folder / name).mkdir()
    (folder / "shown" / "sample.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS["problems"]))
    (folder / "loop.jsonl").symlink_to("loop.jsonl")
    (folder / "dangling.jsonl").symlink_to("nowhere/x.jsonl")
    (folder / "empty.jsonl").touch()
    (folder / "broken.jsonl").write_text('{"concepts": ["a"]}\n{"concepts": [\n')
    (folder / "binary.parquet").write_bytes(b"PAR1" + bytes(range(256)) + b"PAR1")
    (folder / "not-zstandard.jsonl.zst").write_bytes(b"\x28\xb5\x2f\xfd" + bytes(range(200)))
    (folder / "evaluated" / "results.json").write_text('{"benchmarks": {"nano": {}}, "recipe": {}}')

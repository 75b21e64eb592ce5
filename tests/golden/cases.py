"""The golden runs. To add one, add it to CASES and run `python -m tests.golden.make NAME`."""

from __future__ import annotations

from pathlib import Path

from tests.golden.materials import (
    ANNOTATED,
    ASKS,
    CALM,
    CONCEPTS,
    FAULTY,
    JUDGED,
    MOCKED,
    PREDICTIONS,
    PROBLEMS,
    REFERENCES,
    SET,
    WIDE,
    WORDED,
    lines,
)
from tests.golden.replay import Case, Command, Edit
from tests.golden.speaker import answer_to


def tear_journals(folder: Path) -> None:
    """What a kill may leave: the first half of each journal, a torn line, and none of the results."""
    for journal in folder.rglob("calls.jsonl"):
        kept = sorted(journal.read_bytes().splitlines(keepends=True))
        half = len(kept) // 2
        journal.write_bytes(b"".join(kept)[: sum(map(len, kept[:half])) + 50])
    for path in [*folder.glob("out/*.jsonl"), *folder.glob("out/*.json")]:
        path.unlink()


KILLED = Edit("all journals end in the middle of a line, and the results are gone", tear_journals)

RUN_CASES = [
    Case("run-faults", [Command("run run.toml --output-dir out", 3)], {"run.toml": FAULTY, "concepts.jsonl": CONCEPTS}),
    Case("run-wide", [Command("run run.toml --output-dir out", 3)], {"run.toml": WIDE, "concepts.jsonl": CONCEPTS}),
    Case(
        "run-target",
        [Command("run run.toml --output-dir out --target 4 --max-candidates 40", 0)],
        {"run.toml": CALM, "concepts.jsonl": CONCEPTS},
        timed=True,
    ),
    Case(
        "run-set",
        [
            Command("run run.toml --output-dir out", 0),
            Command("run run.toml --output-dir short --until filter", 0),
        ],
        {"run.toml": SET, "concepts.jsonl": CONCEPTS, "references.jsonl": REFERENCES},
    ),
    Case(
        "run-in-turn",
        [
            Command("run run.toml --output-dir out --target 4 --max-candidates 20 --set \"run.models='in turn'\""),
            Command("run run.toml --output-dir out --target 30 --max-candidates 20 --set \"run.models='in turn'\""),
        ],
        {"run.toml": CALM, "concepts.jsonl": CONCEPTS},
    ),
    Case(
        "run-resumed",
        [
            Command("run run.toml --output-dir out --max-candidates 12", 3),
            KILLED,
            Command("run run.toml --output-dir out --max-candidates 18", 3),
            Command("run run.toml --output-dir out --max-candidates 18", 3),
        ],
        {"run.toml": FAULTY, "concepts.jsonl": CONCEPTS},
    ),
    Case(
        "run-taken-up",
        [KILLED, Command("run run.toml --output-dir out", 3)],
        {"run.toml": FAULTY, "concepts.jsonl": CONCEPTS},
        journals=True,
    ),
    Case("run-mock", [Command("run run.toml --output-dir out", 3)], {"run.toml": MOCKED, "concepts.jsonl": CONCEPTS}),
    Case(
        "run-nano",
        [
            Command("run --max-candidates 8 --output-dir out"),
            Command("run --max-candidates 8 --target 3 --output-dir out"),
            Command("nano check out"),
        ],
        journals=True,
    ),
    Case(
        "dry-runs",
        [
            Command("run --dry-run --target 5 --output-dir out"),
            Command("run run.toml --dry-run"),
            Command("run wide.toml --dry-run"),
            Command("eval --dry-run --limit-rows 2"),
        ],
        {"run.toml": FAULTY, "wide.toml": WIDE, "concepts.jsonl": CONCEPTS},
    ),
]

STEP_CASES = [
    Case(
        "cold-start",
        [
            Command(
                "extract --data_path problems.jsonl --n 2 --n 3 --level AIME --level HMMT-Feb --base-url @server@"
                " --annotator one=faulty-one --annotator two=calm-two --max-retries 1 --output_path extracted.jsonl",
                3,
            ),
            Command(
                "explain --data_path extracted.jsonl --base-url @server@ --annotator one=faulty-one"
                " --annotator two=calm-two --prompt-like worded.jsonl --use_chat_template"
                " --output_path explained.jsonl",
                3,
            ),
            Command(
                "judge --data_path explained.jsonl --base-url @server@ --model_path faulty-judge --prompts nano"
                " --output_path judged-0.jsonl",
                3,
            ),
            Command(
                "judge --data_path explained.jsonl --base-url @server@ --model_path calm-judge --judge second"
                " --prompts nano --temperature 0 --output_path judged-1.jsonl"
            ),
            Command("filter --template judged-*.jsonl --only_perfect False --output_path accepted.jsonl"),
            Command("train-rows --data_path accepted.jsonl --output_path rows.jsonl --concepts_path concepts.jsonl"),
            Command("encode --data_path concepts.jsonl --base-url @server@ --output_path v.safetensors"),
            Command(
                "sample --data_path concepts.jsonl --embed_path v.safetensors --size 2 --data_size 6 --prompts nano"
                " --output_path sampled.jsonl"
            ),
            Command("generate --data_path sampled.jsonl --base-url @server@ --output_path written.jsonl"),
        ],
        {"problems.jsonl": PROBLEMS, "worded.jsonl": WORDED},
    ),
    Case(
        "formats",
        [
            Command("generate --data_path asks.jsonl --base-url @server@ --output_path g.jsonl.zst"),
            Command(
                "generate --data_path asks.jsonl --base-url @server@ --model_path faulty-y --price 1 2 --max-cost 1"
                " --output_path g.parquet",
                3,
            ),
            Command("judge --data_path g.jsonl.zst --base-url @server@ --prompts nano --output_path j.parquet"),
            Command("judge --data_path g.parquet --base-url @server@ --prompts nano --output_path k.jsonl.zst"),
            Command("filter --template k.jsonl.zst --output_path f.parquet"),
            Command("encode --data_path concepts.jsonl --base-url @server@ --output_path v.jsonl.zst --batch-size 5"),
            Command("encode --data_path concepts.jsonl --base-url @server@ --output_path w.jsonl --model_path calm-w"),
            Command(
                "sample --data_path concepts.jsonl --embed_path v.jsonl.zst --size 2 --data_size 8"
                " --output_path s.parquet"
            ),
        ],
        {"asks.jsonl": ASKS, "concepts.jsonl": CONCEPTS},
    ),
    Case(
        "sampling",
        [
            Command("sample --data_path concepts.jsonl --size 2 --size 3 --data_size 5 --output_path a.jsonl"),
            Command(
                "sample --data_path concepts.jsonl --size 4 --data_size 4 --counts log1p --temperature 1 --seed 5"
                " --levels AIME,Putnam --prompt-like worded.jsonl --output_path b.jsonl"
            ),
            Command("sample --data_path few.jsonl --size 2 --levels AIME --prompts nano --output_path all.jsonl"),
            Command("train-rows --data_path few-rows.jsonl --level AIME --level USAMO --output_path rows.jsonl"),
            Command(
                "train-rows --data_path few-rows.jsonl --data_path more.jsonl --prompts nano --concepts_path c.jsonl"
                " --output_path rows-nano.jsonl"
            ),
            Command("filter --template judged-{}.jsonl --n-rewards 2 --output_path strict.jsonl"),
            Command("filter --template judged-*.jsonl --only_perfect False --n-rewards 1 --output_path loose.jsonl"),
        ],
        {
            "concepts.jsonl": CONCEPTS,
            "worded.jsonl": WORDED,
            "few.jsonl": lines({"concepts": ["a", "b", "c"]}, {"concepts": ["c", "d"]}),
            "few-rows.jsonl": ANNOTATED,
            "more.jsonl": ANNOTATED.replace("Find", "Compute"),
            **JUDGED,
        },
    ),
    Case(
        "student",
        [
            Command(
                "solve --data_path problems.jsonl --n 5 --base-url @server@ --model_path faulty-student"
                " --output_path traces.jsonl",
                3,
            ),
            Command(
                "solve --data_path problems.jsonl --n 2 --base-url @server@ --prompts math --style qwq"
                " --max-retries 2 --output_path again.jsonl"
            ),
            Command(
                "label --data_path traces.jsonl --output_path labels.jsonl --min-agreement 0.4 --sft_path sft.jsonl"
                " --pairs_path pairs.jsonl --rl_path rl.jsonl --limit 60"
            ),
            Command(
                "label --data_path again.jsonl --output_path labels-2.jsonl.zst --max-pass-rate 0.9 --style qwq"
                " --sft_path sft-2.parquet --seed 1 --limit 60"
            ),
            Command("grade --output_path p.jsonl --details details.jsonl --k 1 --k 2 --limit 60 --workers 1"),
            Command("grade --output_path p.jsonl --details details-2.jsonl --limit 60 --unboxed --workers 1"),
            Command("grade --output_path p.jsonl --limit 60 --workers 1"),
            Command("grade --compare p.jsonl better.jsonl --limit 60 --workers 1"),
            Command("grade --output_path bare.jsonl --benchmark golds.jsonl --limit 60 --workers 1"),
        ],
        {
            "problems.jsonl": PROBLEMS,
            "p.jsonl": PREDICTIONS,
            "better.jsonl": PREDICTIONS.replace("\\\\boxed{12}", "\\\\boxed{1234}").replace("x^2+1}", "x^2+2x+1}"),
            "bare.jsonl": lines(
                {"id": "1", "source": "set", "completion": "\\boxed{2}", "sample": 0},
                {"id": "1", "source": "set", "completion": "\\boxed{3}", "sample": 1},
            ),
            "golds.jsonl": lines({"id": "1", "source": "set", "problem": "Find 1 + 1.", "answer": "2"}),
        },
    ),
    Case(
        "eval-faults",
        [
            Command(
                "eval nano --benchmarks own.jsonl --n 2 --base-url @server@ --model faulty-solver --output-dir out"
                " --set prompts=math --set model.chat=true --set unboxed=true",
                3,
            )
        ],
        {
            "own.jsonl": lines(
                *(
                    {
                        "source": f"set {n % 2}",
                        "problem": f"Find {n}.",
                        "answer": answer_to(f"Find {n}."),
                        "level": f"L{n % 3}",
                    }
                    for n in range(9)
                )
            )
        },
    ),
    Case(
        "eval-nano",
        [Command("eval --limit-rows 5 --n 2 --output-dir out"), Command("eval --limit-rows 5 --n 2 --output-dir out")],
        journals=True,
    ),
    Case(
        "steps-nano",
        [
            Command("encode --data_path nano --output_path v.safetensors"),
            Command("sample --data_path nano --embed_path v.safetensors --data_size 5 --output_path s.jsonl"),
            Command("generate --data_path s.jsonl --max_len 400 --temperature 0.7 --output_path g.jsonl"),
            Command("judge --data_path g.jsonl --temperature 0 --output_path j-a.jsonl"),
            Command("judge --data_path g.jsonl --temperature 0 --model_path nano:judge-b --output_path j-b.jsonl"),
            Command("filter --template j-*.jsonl --output_path all.jsonl"),
            Command("solve --data_path all.jsonl --n 2 --max_len 400 --output_path solved.jsonl"),
            Command("label --data_path solved.jsonl --prompts nano --output_path labels.jsonl --sft_path sft.jsonl"),
            Command("extract --data_path nano --limit-rows 4 --output_path extracted.jsonl"),
            Command("explain --data_path extracted.jsonl --output_path explained.jsonl"),
            Command("train-rows --data_path explained.jsonl --output_path rows.jsonl"),
        ],
        journals=True,
    ),
    Case(
        "mistakes",
        [
            Command("generate --data_path nowhere.jsonl --output_path out.jsonl", 1),
            Command("generate --data_path asks.jsonl --output_path asks.jsonl", 2),
            Command("generate --data_path asks.jsonl --output_path out.csv", 1),
            Command("generate --data_path broken.jsonl --output_path out.jsonl", 1),
            Command("run run.toml --output-dir out", 1),
            Command("filter --template asks.jsonl --output_path out.jsonl", 1),
            Command("sample --data_path bare.jsonl --output_path out.jsonl", 1),
            Command("grade --output_path asks.jsonl", 1),
            Command("filter --template x{}.jsonl --output_path out.jsonl", 2),
        ],
        {
            "asks.jsonl": ASKS,
            "bare.jsonl": '{"id": 1}\n',
            "broken.jsonl": '{"id": 1}\nno row\n',
            "run.toml": "[run]\nspeed = 3\n",
        },
    ),
]

CASES = [*RUN_CASES, *STEP_CASES]

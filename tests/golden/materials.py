"""The inputs of golden runs: recipes, concepts, problems, predictions, verdicts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence


def lines(*rows: Mapping[str, object]) -> str:
    """Rows as the text of a file."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def numbered(items: Sequence[str]) -> str:
    """A numbered list."""
    return "\n".join(f"{number}. {item}" for number, item in enumerate(items, 1))


CONCEPTS = lines(
    {"concepts": ["counting in two ways", "double sums", "Vieta’s formulas"], "level": "AIME"},
    {"concepts": ["counting in two ways", "generating functions"], "source": "own"},
    {"foundational_concepts": ["Vieta’s formulas", "modular arithmetic", "generating functions"]},
    {"concepts": ["modular arithmetic", " power of a point ", "homothety"]},
    {"concepts": ["telescoping sums", "double sums"], "number": 123456789012345678901234567890},
    {"concepts": ["homothety", "power of a point", "spiral similarity"]},
    {"concepts": ["modular arithmetic", "infinite descent"]},
    {"concepts": ["infinite descent", "Vieta’s formulas", "telescoping sums"]},
    {"concepts": ["counting in two ways", "double sums"]},
)

FAULTY = """\
name = "faulty"
seed = 11
prompts = "nano"
[server]
base_url = "@server@"
[run]
max_candidates = 24
[concepts]
path = "concepts.jsonl"
[encode]
skip = true
[sample]
size = [2, 3]
levels = ["AIME", "USAMO"]
[generate]
model = "faulty-writer"
price = { prompt = 1.0, completion = 3.0 } # so that no sum of costs is rounded, whichever call is the first
max_tokens = 400
[[judge]]
name = "first"
model = "faulty-judge"
temperature = 0.0
[[judge]]
name = "second.one"
model = "faulty-other"
chat = true
"""

CALM = FAULTY.replace("faulty", "calm").replace("skip = true", 'model = "calm-encoder"')

WIDE = """\
name = "wide"
prompts = "math"
[server]
base_url = "@server@"
[run]
max_candidates = 7
concurrency = 3
[concepts]
path = "concepts.jsonl"
[encode]
model = "faulty-encoder"
[sample]
size = 3
counts = "log1p"
temperature = 0.4
[generate]
chat = true
extra_body = { top_k = 20 }
omit = ["seed"]
[[judge]]
name = "only"
model = "faulty-judge"
top_p = 0.9
[filter]
only_perfect = false
"""

MOCKED = FAULTY.replace("@server@", "@mock@").replace("max_candidates = 24", "max_candidates = 6")
MOCKED = MOCKED.replace('prompts = "nano"', 'prompts = "math"').replace("max_tokens = 400", "max_tokens = 8192")
for name in ("faulty-writer", "faulty-judge", "faulty-other"):
    MOCKED = MOCKED.replace(name, "mock")
MOCKED += "\n[filter]\nonly_perfect = false\n"  # by chance the judges find none of these few perfect

SET = (
    CALM.replace('prompts = "nano"', 'prompts = "math"')
    + """\
[filter]
only_perfect = false
[verify]
model = "calm-verifier"
votes = 3
[dedup]
[decontaminate]
against = ["references.jsonl"]
[solve]
model = "faulty-solver"
n = 3
price = { prompt = 1.0, completion = 3.0 }
[label]
[select]
pass_rate = "0:1"
size = 6
balance = ["concepts"]
order = "easy-first"
"""
)
"""A run that goes on to a set."""
REFERENCES = lines({"id": "r-1", "problem": "Find the least integer that is no sum of two others of 61 tiles."})

PROBLEMS = lines(
    {"id": "p-1", "problem": "Find the last digit of $7^{2024}$.", "level": "AMC12", "answer": "1"},
    {"problem": "How many divisors has 360?", "answer": "24", "more": {"a": [1, None], "b": "é"}},
    {"id": 3, "problem": "Find $x$ with $x^2 = 2x + 3$ and $x > 0$.", "source": "own", "answer": "3"},
    {"prompt": "Compute the sum of the first 20 odd numbers.", "level": "AIME", "answer": "400"},
    {"id": "p-1", "problem": "In how many ways can 5 people sit in a row?", "answer": "120"},
    {"id": "p-6", "problem": "Find the area of a triangle with sides 5, 12, 13.", "answer": "30"},
    {"id": "p-7", "problem": "How many primes are below 30?", "answer": "10"},
    {"id": "p-8", "problem": "Find $\\gcd(84, 126)$.", "answer": "42"},
)

ASKS = lines(
    {
        "id": "a",
        "prompt": "Concepts:\n1. homothety\nLevel: AIME\n",
        "level": "AIME",
        "foundational_concepts": ["homothety"],
    },
    {
        "prompt": "Concepts:\n1. double sums\n2. “quoted”\nLevel: AIME\n",
        "level": "AIME",
        "foundational_concepts": ["double sums"],
    },
    {
        "id": "a",
        "prompt": "Concepts:\n1. parity\nLevel: AIME\n",
        "level": "AIME",
        "foundational_concepts": ["parity"],
        "own": 1.5,
    },
    *(
        {
            "prompt": f"Concepts:\n1. concept {n}\nLevel: USAMO\n",
            "level": "USAMO",
            "foundational_concepts": [f"concept {n}"],
        }
        for n in range(9)
    ),
)

PREDICTIONS = lines(
    {"id": "q1", "source": "own", "completion": "\\boxed{(x+1)^2}", "answer": "x^2+2x+1", "completion_tokens": 7},
    {"id": "q1", "source": "own", "completion": "\\boxed{x^2+1}", "answer": "x^2+2x+1", "completion_tokens": 9},
    {"id": "q2", "source": "own", "completion": "It is 0.5.", "answer": "1/2", "finish_reason": "length"},
    {"id": "q2", "source": "own", "completion": "\\boxed{0.5}", "answer": "1/2", "finish_reason": "stop"},
    {"id": "q3", "source": "other", "completion": "<think>no end \\boxed{7}", "answer": "7", "prompt": "Q <think>"},
    {"id": "q3", "source": "other", "completion": "\\boxed{7}", "answer": "7", "level": "hard"},
    {"source": "gsm8k", "prompt": "How many?", "completion": "\\boxed{1,234}", "reference_solution": "so\n#### 1234"},
    {"source": "gsm8k", "prompt": "How many?", "completion": "\\boxed{12}", "reference_solution": "so\n#### 1234"},
)

ANNOTATED = lines(
    {"id": "t1", "concepts": ["a", "b"], "level": "AIME", "rationale": "Why.", "problem": "Find 1.", "source": "own"},
    {"id": "t2", "concepts": ["a", "b"], "level": "AIME", "rationale": "Why.", "problem": "Find 1."},
    {"id": "t3", "concepts": [], "level": "AIME", "rationale": "Why.", "problem": "Find 2."},
    {"id": "t4", "concepts": ["c"], "rationale": "Why.", "problem": "Find 3."},
    {"id": "t5", "concepts": ["c"], "level": "AMC12", "problem": "Find 4."},
    {"id": "t6", "concepts": ["c"], "level": "AMC12", "completion": "no markers", "prompt": "Write."},
    {"concepts": ["d"], "level": "AMC12", "rationale": "So.", "problem": "Find 5.", "annotator": "me"},
)

WORDED = lines(
    *(
        {"prompt": f"A problem of the level {level}, from these ideas:\n{numbered(found)}\nThink first."}
        for level, found in (
            ("AIME", ["double sums", "homothety"]),
            ("USAMO", ["parity", "power of a point", "infinite descent"]),
            ("AMC12", ["telescoping sums", "Catalan numbers"]),
        )
    )
)

JUDGED = {
    f"judged-{number}.jsonl": lines(
        *(
            {"id": f"r{n}", "prompt": f"Write {n}.", "completion": f"Text {n}.", "judge": name, "judgement": verdict}
            for n, verdict in enumerate(verdicts)
            if verdict
        )
    )
    for number, (name, verdicts) in enumerate(
        {
            "x": ["perfect", "perfect", "bad", "acceptable", "invalid", "perfect", "acceptable"],
            "y": ["perfect", "acceptable", "perfect", "acceptable", "perfect", "", "Perfect."],
        }.items()
    )
}

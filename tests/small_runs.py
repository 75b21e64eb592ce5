"""A small run directory, written by hand: as a run writes it, or with changes for a test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

PERFECT = {"format": "perfect", "solvability": "perfect"}


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_bytes(b"".join(json.dumps(row).encode() + b"\n" for row in rows))


def stage(out: int, dropped: dict[str, int] | None = None, **more: Any) -> dict[str, Any]:
    told = {"in": out, "out": out, "rows": out, "dropped": dropped or {}, "failed": {}, "seconds": 61.0, "cost": None}
    return {**told, "models": {}, **more}


def make(run: Path, text: str = "Find $x^2 + 1$.", **planted: Any) -> Path:
    """A run of six combinations: two in the set, one copy, one without an agreed answer, one bad, one unread.

    `text` is in every problem, and `planted` in every row.
    """
    run.mkdir(parents=True)
    rows = [
        {"id": f"r{n}", "level": "AIME", "foundational_concepts": ["primes", f"idea {n}"], **planted} for n in range(6)
    ]
    written = [{**row, "problem": f"{n}. {text}", "rationale": text, "completion": text} for n, row in enumerate(rows)]
    verdicts = [{"a": "perfect", "b": "perfect" if n != 4 else "bad"} for n in range(5)]
    judged = [{**row, "judgements": verdict} for row, verdict in zip(written, verdicts, strict=False)]
    write(run / "sample.jsonl", rows)
    write(run / "generate.jsonl", written[:5])
    write(run / "generate.dropped.jsonl", [{**rows[5], "completion": text, "reason": "unreadable"}])
    for name in "ab":
        told = [{**row, "judge": name, "ratings": PERFECT, "judgement": row["judgements"][name]} for row in judged]
        write(run / f"judge-{name}.jsonl", told)
    write(run / "filter.jsonl", judged[:4])
    write(run / "filter.dropped.jsonl", [{**judged[4], "reason": "bad"}])
    write(run / "dedup.jsonl", judged[:3])
    write(
        run / "dedup.dropped.jsonl",
        [{**judged[3], "reason": "near copy", "copy_of": "r0", "rule": "edit", "similarity": 0.93}],
    )
    write(run / "solve.jsonl", [{**row, "completion": text, "sample": n} for row in judged[:3] for n in range(4)])
    rates = (1.0, 0.5)
    labelled = [
        {**row, "answer": "5", "label": "5", "agreement": rate, "pass_rate": rate, "n": 4, "trace": text}
        for row, rate in zip(judged, rates, strict=False)
    ]
    write(run / "label.jsonl", labelled)
    write(run / "label.dropped.jsonl", [{**judged[2], "reason": "unlabelled: tie"}])
    write(run / "set.jsonl", labelled)
    models = {"m": {"calls": 6, "prompt_tokens": 60, "completion_tokens": 600, "cost": 0.5, "unpriced": 0}}
    stages = {
        "sample": stage(6),
        "generate": stage(5, {"unreadable": 1}, models=models, cost=0.5),
        "judge-a": stage(5),
        "judge-b": stage(5),
        "filter": stage(4, {"bad": 1}),
        "dedup": stage(3, {"near copy": 1}),
        "solve": stage(3),
        "label": stage(2, {"unlabelled: tie": 1}),
    }
    (run / "summary.json").write_text(json.dumps({"stages": stages}), encoding="utf-8")
    (run / "recipe.json").write_text(json.dumps({"recipe": {"name": "small", "seed": 1}}), encoding="utf-8")
    return run


HOSTILE = "\n".join(
    [
        "<script>window.planted = 1</script><img src=x onerror='window.planted = 1'>",
        "</math></style></title></details></article><script>window.planted = 1</script>",
        '"><a href="javascript:window.planted=1" onclick="window.planted=1">x</a><base href=//x>',
        "$\\href{javascript:window.planted=1}{x}$ $\\text{<script>window.planted=1</script>}$ $</math>$",
        "$\\style{background:url(http://127.0.0.1:9/)}{x}$ <link rel=stylesheet href=http://127.0.0.1:9/x.css>",
        "<iframe src=http://127.0.0.1:9/></iframe><meta http-equiv=refresh content=0><svg onload=window.planted=1>",
        "{{ 7*7 }} {% raw %} \u202e\u0000 ]]> <!-- " + "$" + "x+" * 3_000 + "$",
    ]
)

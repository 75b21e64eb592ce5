"""README.md of an exported folder: what the set is, how it was made, its quality, and what is unknown.

Decides what the card says. Pure: facts about the rows come from `origin`, facts about the files from the export.
Unknown facts are marked "not known"; all text that may come from a model is escaped (`markdown`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from promptcot.core.units import size
from promptcot.exports.licences import licence_of
from promptcot.exports.markdown import escaped, fenced, table
from promptcot.exports.origin import Origin
from promptcot.printable import presentable
from promptcot.storage.atomic import without_secrets

_SIZES = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"), (10**7, "1M<n<10M"))
_LARGER = ((10**8, "10M<n<100M"), (10**9, "100M<n<1B"), (10**10, "1B<n<10B"))
_TAGS = {"sft": "sft", "pairs": "preference", "rl": "reinforcement-learning"}
_ROWS = {"sft": "complete solutions to train on", "pairs": "pairs of a right and a wrong solution", "rl": "answers"}
_TRAINING = {"sft": "supervised fine-tuning", "dpo": "preference optimisation"}
_SHIPPED = {"math": "contest mathematics", "nano": "the miniature world that ships with promptcot"}
_MOST_REASONS, _LONGEST_RECIPE = 8, 20_000
_SHARD = re.compile(r"-\d+-of-(\d+)(?=\.)")
UNKNOWN = "not known"


@dataclass(frozen=True)
class Described:
    """What was written: the trainer (`to`, and the `framework` version that was read), its rows and `files` by split.

    `left_out` counts rows by reason. `sizes` has bytes by file. `split_by` describes the split, `made` is the record of
    `storage.provenance`. `license` and `language` are stated by the user.
    """

    to: str
    kind: Literal["sft", "pairs", "rl"]
    rows: Mapping[str, int]
    files: Mapping[str, Sequence[str]]
    made: Mapping[str, Any]
    framework: str = ""
    left_out: Mapping[str, int] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    split_by: str | None = None
    license: str | None = None
    language: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)


def card(origin: Origin, exported: Described) -> str:
    """The text of README.md."""
    sections = {
        "": _about(origin, exported),
        "Row counts": _funnel(origin, exported),
        "Quality": _figures(origin),
        "How it was made": _how_made(origin),
        "Models, and the terms of their licences for outputs": _licences(origin),
        "Decontamination": _decontamination(origin),
        "Files and splits": _files(exported),
        "Limits": _limits(origin, exported),
        "Provenance": _provenance(origin, exported),
    }
    text = [f"---\n{_head(origin, exported)}---", f"# {escaped(origin.name)}"]
    for title, lines in sections.items():
        shown = [line for line in lines if line]
        text += [*([f"## {title}"] if title else []), *shown] if shown else []
    return presentable("\n\n".join(text)) + "\n"


def _head(origin: Origin, exported: Described) -> str:
    """The metadata that the Hub reads; each value is written as JSON, which is valid YAML."""
    total = sum(exported.rows.values())
    domain = origin.domain if origin.domain in _SHIPPED else None
    head: dict[str, Any] = {
        "license": exported.license or "unknown",
        "language": [exported.language or "en"] if exported.language or domain else None,
        "task_categories": ["text-generation"],
        "pretty_name": presentable(" ".join(origin.name.split()))[:200],
        "size_categories": [next((name for most, name in (*_SIZES, *_LARGER) if total < most), "n>1T")],
        "tags": ["promptcot", "synthetic", _TAGS[exported.kind], *(["math"] if domain == "math" else [])],
        "configs": [{"config_name": "default", "data_files": [*_data_files(exported)]}],
    }
    return "".join(f"{key}: {json.dumps(value, ensure_ascii=False)}\n" for key, value in head.items() if value)


def _data_files(exported: Described) -> Iterator[dict[str, Any]]:
    """The files of each split; the shards of one file as a pattern."""
    for split, names in exported.files.items():
        yield {"split": split, "path": [*dict.fromkeys(_SHARD.sub(r"-*-of-\1", name) for name in names)]}


def _about(origin: Origin, exported: Described) -> list[str]:
    total = sum(exported.rows.values())
    what = _SHIPPED.get(origin.domain or "", "problems" if origin.domain is None else "problems of a custom domain")
    rows = f"{total:,} {'row' if total == 1 else 'rows'} of {what}, with {_ROWS[exported.kind]}"
    purpose = _TRAINING.get(exported.to, escaped(exported.to))
    read = f", as read by {escaped(exported.framework)}" if exported.framework else ""
    answers = "Answers are those on which a teacher's solutions agree; they are not proven."
    sentences = [f"{rows}, in columns for {purpose}{read}.", _how(origin), answers if "label" in origin.stages else ""]
    return [" ".join(one for one in sentences if one)]


def _how(origin: Origin) -> str:
    """How the rows were made."""
    if "generate" not in origin.stages:
        return "It is not known how the rows were made: no files beside them recorded it at export."
    judged = any(name.startswith("judge") for name in origin.stages)
    wrote = "Models wrote the problems from combinations of concepts"
    return f"{wrote}, and other steps, including judges, selected from them." if judged else f"{wrote}."


def _funnel(origin: Origin, exported: Described) -> list[str]:
    rows = [
        (escaped(name), _count(stage.get("in")), _count(stage.get("out")), _reasons(stage))
        for name, stage in origin.stages.items()
        if name != "encode"  # its rows are concepts, not problems
    ]
    left = [(escaped(reason), f"{count:,}") for reason, count in exported.left_out.items() if count]
    return [
        table(("step", "rows in", "rows out", "left out, by reason"), rows),
        "Some of the rows to export were left out:" if left else "",
        table(("reason", "rows"), left),
    ]


def _reasons(stage: Mapping[str, Any]) -> str:
    found = {**_counts(stage.get("dropped")), **{f"failed: {k}": v for k, v in _counts(stage.get("failed")).items()}}
    most = sorted(found.items(), key=lambda one: (-one[1], one[0]))
    shown = [f"{count:,} {escaped(reason, 80)}" for reason, count in most[:_MOST_REASONS]]
    rest = sum(count for _, count in most[_MOST_REASONS:])
    return ", ".join([*shown, *([f"{rest:,} for other reasons"] if rest else [])])


def _figures(origin: Origin) -> list[str]:
    measure = origin.summary.get("measure")
    if not isinstance(measure, Mapping):
        return ["Not measured: `promptcot measure` measures a run or a file."]
    levels = ", ".join(f"{escaped(level, 40)} {count:,}" for level, count in _counts(measure.get("levels")).items())
    rows = [("problems by level", levels or UNKNOWN)]
    for key, name in (("pass_rate", "pass rate of the teacher"), ("agreement", "agreement of its solutions")):
        rows.append((name, _mean(measure.get(key), percent=True)))
    rows.append(("tokens of a solution", _mean(measure.get("mean_tokens"), percent=False)))
    rows += [("valid, by votes", _validity(origin)), ("judges", _judges(origin))]
    return [table(("figure", "value"), rows)]


def _mean(found: Any, *, percent: bool) -> str:
    """A mean with n and its interval."""
    try:
        low, high = found["interval"]
        values = [found["mean"], low, high]
        mean, low, high = (f"{100 * one:.1f} %" if percent else f"{one:,.0f}" for one in values)
        return f"{mean} ({low} to {high}, n = {found['n']:,})"
    except (TypeError, KeyError, ValueError):
        return UNKNOWN


def _validity(origin: Origin) -> str:
    verify = origin.stages.get("verify")
    if not verify:
        return "not verified"
    return f"{_count(verify.get('out'))} of {_count(verify.get('in'))} problems that were voted on"


def _judges(origin: Origin) -> str:
    tables = origin.summary.get("agreement")
    pairs = [one for one in tables if isinstance(one, Mapping)] if isinstance(tables, list) else []
    figures = [
        f"{' and '.join(escaped(name, 60) for name in one.get('judges', ()))} agree on {100 * one['share']:.1f} % of "
        f"{one.get('n', 0):,}"
        for one in pairs
        if isinstance(one.get("share"), float)
    ]
    return "; ".join(figures) or UNKNOWN


def _how_made(origin: Origin) -> list[str]:
    if not origin.recipe:
        return ["Not known: there is no recipe beside the rows."]
    text = json.dumps(without_secrets(dict(origin.recipe)), indent=1, ensure_ascii=False, default=str)
    cut = text if len(text) <= _LONGEST_RECIPE else f"{text[:_LONGEST_RECIPE]}\n… (cut)"
    seed = escaped(origin.recipe.get("seed", UNKNOWN))
    name = f"The recipe {escaped(origin.name)}" if "name" in origin.recipe else "The settings"
    summary = "<details><summary>All settings, including defaults</summary>"
    return [f"{name}, seed {seed}.", summary, fenced(cut, "json"), "</details>"]


def _licences(origin: Origin) -> list[str]:
    asked: dict[str, list[str]] = {}
    for step, model in origin.models():
        asked.setdefault(model, []).append(step)
    rows = []
    for model, steps in asked.items():
        licence = licence_of(model)
        name = licence.name if licence else "not known: look it up"
        rows.append(
            (
                escaped(model),
                escaped(", ".join(steps)),
                name,
                licence.outputs if licence else "not known: look it up before you train on them or pass them on",
                licence.source if licence else "",
            )
        )
    if not rows:
        return [
            "It is not known which models wrote or rated these rows; the terms of their licences apply nevertheless."
        ]
    columns = ("model", "asked by", "its licence", "its outputs", "source")
    return [table(columns, rows), "This table is not legal advice; only the licences are binding."]


def _decontamination(origin: Origin) -> list[str]:
    comparison, steps = origin.summary.get("contamination"), origin.stages
    if not isinstance(comparison, Mapping) or comparison.get("status") not in (None, "decontaminated"):
        known = "decontaminate" in steps or isinstance(comparison, Mapping)
        missing = "Not decontaminated: the rows were compared with no benchmark." if steps and not known else ""
        reason = f" ({escaped(comparison.get('status'))})" if isinstance(comparison, Mapping) else ""
        return [missing or f"Whether benchmark problems are among the rows is not known{reason}."]
    against = [(escaped(name), f"{count:,}") for name, count in _counts(comparison.get("against")).items()]
    lacking = ", ".join(escaped(name) for name in comparison.get("not_at_hand") or ())
    found = sum(_counts(comparison.get("found")).values())
    rules = ", ".join(f"{escaped(name)} {count:,}" for name, count in _counts(comparison.get("rules")).items())
    return [
        "The rows were compared with the problems of these benchmarks: "
        + (f"{found:,} {'row that is' if found == 1 else 'rows that are'}" if found else "no row is")
        + " in a benchmark"
        + (f" {'was' if found == 1 else 'were'} left out" if found else "")
        + (f" (by rule: {rules})." if rules else "."),
        table(("benchmark", "problems"), against),
        f"Not available, so not compared: {lacking}." if lacking else "",
    ]


def _files(exported: Described) -> list[str]:
    def sized(names: Sequence[str]) -> str:
        return size(sum(exported.sizes.get(name, 0) for name in names)) if exported.sizes else UNKNOWN

    rows = [
        (split, f"{exported.rows.get(split, 0):,}", f"{len(names):,}", sized(names))
        for split, names in exported.files.items()
    ]
    one = "All rows are in one split." if len(exported.files) < 2 else ""
    columns = [(f"`{name}`", escaped(kind)) for name, kind in exported.columns.items()]
    return [
        table(("split", "rows", "files", "size"), rows),
        f"All problems of a group of similar ones are in one split. {escaped(exported.split_by, 500)}"
        if exported.split_by
        else one,
        table(("column", "type"), columns),
    ]


def _limits(origin: Origin, exported: Described) -> list[str]:
    lines = [
        (
            _is_changed(origin, exported),
            "The rows were changed after the run: statements about its steps may not hold for all of them.",
        ),
        ("label" in origin.stages, "An answer is what most solutions of a teacher agree on; all of them can be wrong."),
        (
            "label" in origin.stages,
            "Pass rates are those of one teacher; they are coarse if it wrote few solutions per problem.",
        ),
        (
            "dedup" in origin.stages,
            "Fully reworded copies are found only if a model compared the meanings of the problems.",
        ),
        (not origin.stages, "It is not known how these rows were made."),
        ("dedup" not in origin.stages, "No step has left out copies of problems, as far as is known."),
        (
            "verify" not in origin.stages,
            "No model has voted on whether the problems are well-posed, as far as is known.",
        ),
        (origin.domain == "nano", "The shipped models only know a miniature world: this set is a demonstration."),
        (exported.license is None, "No licence is stated; it depends on the licences of the models and of the data."),
    ]
    return ["\n".join(f"- {line}" for holds, line in lines if holds)]


def _is_changed(origin: Origin, exported: Described) -> bool:
    """Whether a file has changed since the run recorded it."""
    written = _texts(origin.made.get("data_sha256"))
    given = _texts(exported.made.get("data_sha256"))
    return any(name in written and written[name] != digest for name, digest in given.items())


def _provenance(origin: Origin, exported: Described) -> list[str]:
    made = exported.made
    hashes = {f"sha256 of {name}": digest for name, digest in _texts(made.get("data_sha256")).items()}
    versions = ", ".join(f"{name} {version}" for name, version in _texts(made.get("versions")).items())
    recorded = {"format": made.get("format"), "sha256 of the recipe": made.get("recipe_sha256"), **hashes}
    rows = [(escaped(key), escaped(value)) for key, value in {**recorded, "versions": versions}.items() if value]
    command = made.get("command")
    return [
        table(("what", "value"), rows),
        f"Made by:\n\n{fenced(origin.command, 'sh')}" if origin.command else "",
        f"Exported by:\n\n{fenced(str(command), 'sh')}" if command else "Exported from Python.",
    ]


def _count(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else UNKNOWN


def _counts(value: Any) -> dict[str, int]:
    return {str(k): v for k, v in value.items() if isinstance(v, int)} if isinstance(value, Mapping) else {}


def _texts(value: Any) -> dict[str, str]:
    return {str(key): str(one) for key, one in value.items()} if isinstance(value, Mapping) else {}

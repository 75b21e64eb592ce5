"""The steps of a cold start: from seed problems to a generator, and problems that it writes.

Decides the commands, and the names of the files between them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from promptcot import domains, nano
from promptcot.chains.options import model_arguments
from promptcot.chains.recipe import ColdStart
from promptcot.chains.steps import MODEL, Step, step, train
from promptcot.core.parsing.blocks import PLAIN


def cold_start_steps(recipe: ColdStart, directory: Path) -> list[Step]:
    """The steps, in order, with all files in `directory`."""
    return [*_annotated(recipe, directory), *_judged(recipe, directory), *_trained(recipe, directory)]


def _common(recipe: ColdStart) -> dict[str, object]:
    return {"--prompts": recipe.prompts, "--seed": recipe.seed}


def _annotated(recipe: ColdStart, directory: Path) -> Iterator[Step]:
    """Concepts and rationales for the seed problems."""
    concepts, explained = directory / "extracted.jsonl", directory / "explained.jsonl"
    annotate, seeds = recipe.annotate, recipe.seeds
    model = model_arguments(annotate, named=not annotate.annotators)
    who = [{"--annotator": annotate.annotators}, *model, {**_common(recipe), "--max_retries": annotate.max_retries}]
    options = {
        "--data_path": seeds.path,
        "--output_path": concepts,
        "--limit_rows": seeds.limit,
        "--n": annotate.concepts,
    }
    yield step("extract", ["extract", options, *who], concepts, seeds.path)
    options = {"--data_path": concepts, "--output_path": explained, "--level": annotate.levels}
    yield step("explain", ["explain", options, *who], explained, concepts)


def _judged(recipe: ColdStart, directory: Path) -> Iterator[Step]:
    """The problems that the judges keep, as training rows."""
    explained, accepted = directory / "explained.jsonl", directory / "accepted.jsonl"
    files = [directory / f"judged-{judge.name}.jsonl" for judge in recipe.judge]
    options: dict[str, object]
    for judge, judged in zip(recipe.judge, files, strict=True):
        options = {"--data_path": explained, "--output_path": judged, "--judge": judge.name}
        yield step(f"judge-{judge.name}", ["judge", options, judge, _common(recipe)], judged, explained)
    only_perfect = str(recipe.filter.only_perfect).lower()
    options = {"--template": files, "--only_perfect": only_perfect, "--output_path": accepted}
    yield step("filter", ["filter", options], accepted, *files)
    rows, concepts = directory / "rows.jsonl", directory / "concepts.jsonl"
    options = {"--data_path": accepted, "--output_path": rows, "--concepts_path": concepts, "--prompts": recipe.prompts}
    yield step("train-rows", ["train-rows", options], rows, accepted)


def _trained(recipe: ColdStart, directory: Path) -> Iterator[Step]:
    """The generator, and what it and the untrained base model write for the same new prompts."""
    rows, prompts, generator = directory / "rows.jsonl", directory / "prompts.jsonl", directory / "generator"
    yield train("train", recipe.generator, rows, generator, recipe.seed)
    yield from _prompts(recipe, directory, prompts)
    yield _generate(recipe, "before", recipe.generator.model, directory)
    yield _generate(recipe, "after", generator / MODEL, directory)
    before, after, target = (directory / name for name in ("before.jsonl", "after.jsonl", "results.json"))
    options = {"--prompts_path": prompts, "--trained_on": rows, "--before": before, "--after": after}
    words = ["chain", "generators", options, {"--nano": nano.is_world(recipe.prompts), "--output_path": target}]
    yield step("results", words, target, prompts, rows, before, after, always=True)


def _prompts(recipe: ColdStart, directory: Path, prompts: Path) -> Iterator[Step]:
    concepts, vectors, encode, sample = directory / "concepts.jsonl", None, recipe.encode, recipe.sample
    if encode.path:
        vectors = Path(encode.path)
    elif not encode.skip:
        vectors = directory / "vectors.safetensors"
        words = ["encode", {"--data_path": concepts, "--output_path": vectors}, encode]
        yield step("encode", words, vectors, concepts)
    options = {"--data_path": concepts, "--output_path": prompts, "--data_size": sample.n, "--size": sample.size}
    options |= {"--temperature": sample.temperature, "--counts": sample.counts, "--levels": ",".join(sample.levels)}
    options |= {"--prompt_like": sample.prompt_like or None, **_common(recipe), "--embed_path": vectors}
    yield step("sample", ["sample", options], prompts, concepts, *([vectors] if vectors else []))


def _generate(recipe: ColdStart, which: str, model: str | Path, directory: Path) -> Step:
    prompts, written = directory / "prompts.jsonl", directory / f"{which}.jsonl"
    asked = recipe.generate.model_copy(update={"model": str(model)})
    blocks = domains.settings(recipe.prompts).written
    options = {
        "--data_path": prompts,
        "--output_path": written,
        "--prompts": None if blocks == PLAIN else recipe.prompts,
    }
    words = [
        "generate",
        options,
        asked,
        {"--seed": recipe.seed, "--keep_going": True},
    ]
    return step(f"generate-{which}", words, written, prompts, model)

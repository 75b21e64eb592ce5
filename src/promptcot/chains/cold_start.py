"""The steps of a cold start: from seed problems to a generator, and problems that it writes.

Decides which commands these are, and the names of the files between them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from promptcot.chains.options import arguments, model_arguments
from promptcot.chains.recipe import ColdStart
from promptcot.chains.steps import MODEL, Step, drawn, on_disk, step, train


def cold_start_steps(recipe: ColdStart, directory: Path) -> list[Step]:
    """The steps, in order, with all files in `directory`."""
    return [*_annotated(recipe, directory), *_judged(recipe, directory), *_trained(recipe, directory)]


def _annotated(recipe: ColdStart, directory: Path) -> Iterator[Step]:
    """Concepts and rationales for the seed problems."""
    concepts, explained = directory / "extracted.jsonl", directory / "explained.jsonl"
    annotate, seeds = recipe.annotate, recipe.seeds
    who = arguments({"--annotator": annotate.annotators})
    told = [*who, *model_arguments(annotate, named=not who), *_common(recipe)]
    told += arguments({"--max_retries": annotate.max_retries})
    given = {
        "--data_path": seeds.path,
        "--output_path": concepts,
        "--limit_rows": seeds.limit,
        "--n": annotate.concepts,
    }
    yield step("extract", ["extract", *arguments(given), *told], concepts, *on_disk(seeds.path))
    given = {"--data_path": concepts, "--output_path": explained, "--level": annotate.levels}
    yield step("explain", ["explain", *arguments(given), *told], explained, concepts)


def _common(recipe: ColdStart) -> list[str]:
    return arguments({"--prompts": recipe.prompts, "--seed": recipe.seed})


def _judged(recipe: ColdStart, directory: Path) -> Iterator[Step]:
    """What the judges keep, as rows to train on."""
    explained, accepted = directory / "explained.jsonl", directory / "accepted.jsonl"
    files = [directory / f"judged-{judge.name}.jsonl" for judge in recipe.judge]
    for judge, judged in zip(recipe.judge, files, strict=True):
        told = arguments({"--data_path": explained, "--output_path": judged, "--judge": judge.name})
        words = ["judge", *told, *model_arguments(judge), *_common(recipe)]
        yield step(f"judge-{judge.name}", words, judged, explained)
    only_perfect = str(recipe.filter.only_perfect).lower()
    told = arguments({"--template": files, "--only_perfect": only_perfect, "--output_path": accepted})
    yield step("filter", ["filter", *told], accepted, *files)
    rows, concepts = directory / "rows.jsonl", directory / "concepts.jsonl"
    given = {"--data_path": accepted, "--output_path": rows, "--concepts_path": concepts, "--prompts": recipe.prompts}
    yield step("train-rows", ["train-rows", *arguments(given)], rows, accepted)


def _trained(recipe: ColdStart, directory: Path) -> Iterator[Step]:
    """The generator, and what it and the untrained base write for the same new prompts."""
    rows, prompts, generator = directory / "rows.jsonl", directory / "prompts.jsonl", directory / "generator"
    yield train("train", recipe.generator, rows, generator, recipe.seed)
    yield from _prompts(recipe, directory, prompts)
    yield _generate(recipe, "before", recipe.generator.model, directory)
    yield _generate(recipe, "after", generator / MODEL, directory)
    before, after, target = (directory / name for name in ("before.jsonl", "after.jsonl", "results.json"))
    told: dict[str, Any] = {"--prompts_path": prompts, "--trained_on": rows, "--before": before, "--after": after}
    told |= {"--nano": recipe.prompts == "nano", "--output_path": target}
    words = ["chain", "generators", *arguments(told)]
    yield step("results", words, target, prompts, rows, before, after, always=True)


def _prompts(recipe: ColdStart, directory: Path, prompts: Path) -> Iterator[Step]:
    concepts, vectors, encode = directory / "concepts.jsonl", directory / "vectors.safetensors", recipe.encode
    embedded = Path(encode.path) if encode.path else None if encode.skip else vectors
    if embedded == vectors:
        words = ["encode", *arguments({"--data_path": concepts, "--output_path": vectors}), *model_arguments(encode)]
        yield step("encode", words, vectors, concepts)
    told = arguments({"--data_path": concepts, "--output_path": prompts, "--data_size": recipe.sample.n})
    words = ["sample", *told, *drawn(recipe.sample), *_common(recipe), *arguments({"--embed_path": embedded})]
    yield step("sample", words, prompts, concepts, *([embedded] if embedded else []))


def _generate(recipe: ColdStart, which: str, model: str | Path, directory: Path) -> Step:
    prompts, written = directory / "prompts.jsonl", directory / f"{which}.jsonl"
    asked = model_arguments(recipe.generate.model_copy(update={"model": str(model)}))
    told = arguments({"--data_path": prompts, "--output_path": written})
    inputs = [model] if isinstance(model, Path) else on_disk(model)
    words = ["generate", *told, *asked, *arguments({"--seed": recipe.seed})]
    return step(f"generate-{which}", words, written, prompts, *inputs)

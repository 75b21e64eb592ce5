"""The steps of a cold start: from seed problems to a generator, and problems that it writes.

Decides which commands these are, and the names of the files between them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from promptcot.chains.options import model_arguments
from promptcot.chains.recipe import ColdStart
from promptcot.chains.steps import MODEL, Step, drawn, on_disk, step, train


def cold_start_steps(recipe: ColdStart, directory: Path) -> list[Step]:
    """The steps, in order, with all files in `directory`."""
    return [*_annotated(recipe, directory), *_judged(recipe, directory), *_trained(recipe, directory)]


def _annotated(recipe: ColdStart, directory: Path) -> Iterator[Step]:
    """Concepts and rationales for the seed problems."""
    concepts, explained = directory / "extracted.jsonl", directory / "explained.jsonl"
    annotate, seeds = recipe.annotate, recipe.seeds
    limit = ["--limit_rows", seeds.limit] if seeds.limit else []
    who = [part for one in annotate.annotators for part in ("--annotator", one)]
    told = [*who, *model_arguments(annotate, named=not who), "--prompts", recipe.prompts, "--seed", recipe.seed]
    told += ["--max_retries", annotate.max_retries]
    sizes = [part for size in annotate.concepts for part in ("--n", size)]
    arguments = ["extract", "--data_path", seeds.path, "--output_path", concepts, *limit, *sizes, *told]
    yield step("extract", arguments, concepts, *on_disk(seeds.path))
    levels = [part for level in annotate.levels for part in ("--level", level)]
    arguments = ["explain", "--data_path", concepts, "--output_path", explained, *levels, *told]
    yield step("explain", arguments, explained, concepts)


def _judged(recipe: ColdStart, directory: Path) -> Iterator[Step]:
    """What the judges keep, as rows to train on."""
    explained, accepted = directory / "explained.jsonl", directory / "accepted.jsonl"
    files = [directory / f"judged-{judge.name}.jsonl" for judge in recipe.judge]
    for judge, judged in zip(recipe.judge, files, strict=True):
        told = ["--judge", judge.name, *model_arguments(judge), "--prompts", recipe.prompts, "--seed", recipe.seed]
        arguments = ["judge", "--data_path", explained, "--output_path", judged, *told]
        yield step(f"judge-{judge.name}", arguments, judged, explained)
    templates = [part for judged in files for part in ("--template", judged)]
    told = [*templates, "--only_perfect", str(recipe.filter.only_perfect).lower(), "--output_path", accepted]
    yield step("filter", ["filter", *told], accepted, *files)
    rows, concepts = directory / "rows.jsonl", directory / "concepts.jsonl"
    told = ["--data_path", accepted, "--output_path", rows, "--concepts_path", concepts, "--prompts", recipe.prompts]
    yield step("train-rows", ["train-rows", *told], rows, accepted)


def _trained(recipe: ColdStart, directory: Path) -> Iterator[Step]:
    """The generator, and what it and the untrained base write for the same new prompts."""
    rows, prompts, generator = directory / "rows.jsonl", directory / "prompts.jsonl", directory / "generator"
    yield train("train", recipe.generator, rows, generator, recipe.seed)
    yield from _prompts(recipe, directory, prompts)
    yield _generate(recipe, "before", recipe.generator.model, directory)
    yield _generate(recipe, "after", generator / MODEL, directory)
    before, after, target = (directory / name for name in ("before.jsonl", "after.jsonl", "results.json"))
    told = ["--prompts_path", prompts, "--trained_on", rows, "--before", before, "--after", after]
    told += ["--nano"] if recipe.prompts == "nano" else []
    arguments = ["chain", "generators", *told, "--output_path", target]
    yield step("results", arguments, target, prompts, rows, before, after, always=True)


def _prompts(recipe: ColdStart, directory: Path, prompts: Path) -> Iterator[Step]:
    concepts, vectors, encode = directory / "concepts.jsonl", directory / "vectors.safetensors", recipe.encode
    embedded = Path(encode.path) if encode.path else None if encode.skip else vectors
    if embedded == vectors:
        arguments = ["encode", "--data_path", concepts, "--output_path", vectors, *model_arguments(encode)]
        yield step("encode", arguments, vectors, concepts)
    told = ["--data_size", recipe.sample.n, *drawn(recipe.sample), "--prompts", recipe.prompts, "--seed", recipe.seed]
    told += ["--embed_path", embedded] if embedded else []
    arguments = ["sample", "--data_path", concepts, "--output_path", prompts, *told]
    yield step("sample", arguments, prompts, concepts, *([embedded] if embedded else []))


def _generate(recipe: ColdStart, which: str, model: str | Path, directory: Path) -> Step:
    prompts, written = directory / "prompts.jsonl", directory / f"{which}.jsonl"
    told = model_arguments(recipe.generate.model_copy(update={"model": str(model)}))
    arguments = ["generate", "--data_path", prompts, "--output_path", written, *told, "--seed", recipe.seed]
    inputs = [model] if isinstance(model, Path) else on_disk(model)
    return step(f"generate-{which}", arguments, written, prompts, *inputs)

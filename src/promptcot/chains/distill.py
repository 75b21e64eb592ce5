"""The steps of a distillation: problems, a teacher's traces, labels, a student, and a control.

Decides the commands, and the names of the files between them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from promptcot.chains.recipe import Distill
from promptcot.chains.steps import MODEL, Step, step, train


def distill_steps(recipe: Distill, directory: Path) -> list[Step]:
    """The steps, in order, with all files in `directory`."""
    return [*_training_rows(recipe, directory), *_students(recipe, directory)]


def _training_rows(recipe: Distill, directory: Path) -> Iterator[Step]:
    """From problems to the traces that a student learns from."""
    source, fresh, traces = recipe.problems, directory / "fresh.jsonl", directory / "traces.jsonl"
    made = Path(source.path or directory / "problems" / "filter.jsonl")
    if source.recipe:
        options = {"--output-dir": made.parent, "--seed": recipe.seed, "--target": source.target, "--set": source.set}
        until = {"--until": "filter"}  # the chain has a teacher of its own
        yield step("problems", ["run", source.recipe, options, until], made, source.recipe)
    held_out = {"--eval_recipe": recipe.eval.recipe, "--set": recipe.eval.set}
    words = ["chain", "fresh", {"--data_path": made, **held_out, "--output_path": fresh}]
    yield step("fresh", words, fresh, made, recipe.eval.recipe)
    yield _solve(recipe, fresh, traces)
    yield _label(recipe, traces, directory)


def _solve(recipe: Distill, problems: Path, traces: Path) -> Step:
    teacher = recipe.teacher
    options = {"--data_path": problems, "--output_path": traces, "--n": teacher.n}
    options |= {"--prompts": recipe.prompts, "--seed": recipe.seed}
    more = {"--max_retries": teacher.max_retries or None, "--style": teacher.style or None}
    return step("solve", ["solve", options, teacher, more], traces, problems, teacher.model)


def _label(recipe: Distill, traces: Path, directory: Path) -> Step:
    label, sft = recipe.label, directory / "sft.jsonl"
    options: dict[str, object] = {"--data_path": traces, "--output_path": directory / "labels.jsonl", "--sft_path": sft}
    options |= {"--min-agreement": label.min_agreement, "--prompts": recipe.prompts, "--seed": recipe.seed}
    most = label.max_pass_rate if label.max_pass_rate < 1 else None
    options |= {"--min-pass-rate": label.min_pass_rate or None, "--max-pass-rate": most, "--style": label.style or None}
    return step("label", ["label", options], sft, traces)


def _students(recipe: Distill, directory: Path) -> Iterator[Step]:
    """The student before, after, and trained on wrong traces; then the three side by side."""
    sft, wrong = directory / "sft.jsonl", directory / "wrong.jsonl"
    student, control = directory / "student", directory / "control"
    yield _eval(recipe, "before", recipe.student.model, directory)
    yield train("train", recipe.student, sft, student, recipe.seed)
    yield _eval(recipe, "after", student / MODEL, directory)
    evaluated = ["before", "after"]
    if recipe.control:
        options = {"--data_path": sft, "--seed": recipe.seed, "--output_path": wrong}
        yield step("mismatch", ["chain", "mismatch", options], wrong, sft)
        yield train("train-control", recipe.student, wrong, control, recipe.seed)
        yield _eval(recipe, "control", control / MODEL, directory)
        evaluated.append("control")
    yield _closing(evaluated, student / MODEL, directory)


def _eval(recipe: Distill, which: str, model: str | Path, directory: Path) -> Step:
    evaluation, folder = recipe.eval, directory / f"eval-{which}"
    options = {"--output-dir": folder, "--model": model, "--n": evaluation.n, "--limit_rows": evaluation.limit_rows}
    options["--keep-going"] = True  # an untrained student is measured even if its replies are unusable
    words = ["eval", evaluation.recipe, {**options, "--set": (f"seed={recipe.seed}", *evaluation.set)}]
    return step(f"eval-{which}", words, folder / "results.json", model, evaluation.recipe)


def _closing(evaluated: list[str], student: Path, directory: Path) -> Step:
    folders, target = [directory / f"eval-{which}" for which in evaluated], directory / "results.json"
    options = {f"--{which}": folder for which, folder in zip(evaluated, folders, strict=True)}
    words = ["chain", "students", {**options, "--model_path": student, "--output_path": target}]
    return step("results", words, target, *(folder / "results.json" for folder in folders), always=True)

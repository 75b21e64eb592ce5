"""Journals and state files, and checks of the behaviour when one of them is damaged.

Each target makes a small folder of files once, and says of a damaged copy of it what is wrong when the same work is
done again: nothing (an empty text), or what was found. `trial` draws target, file and damage from one seed.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import traceback
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import orjson

from promptcot.chains.running import run_steps
from promptcot.chains.steps import Step
from promptcot.engines.scripted import ScriptedEngine
from promptcot.errors import PromptCoTError
from promptcot.evaluation.predictions import PredictionGrader
from promptcot.grading import Graders
from promptcot.pipeline.execute import run_stage
from promptcot.records import Completion, Drop, Request, Row, Sampling
from promptcot.runners.local import LocalRunner
from promptcot.stages.encode import encode
from promptcot.storage.given_up import give_up, given_up
from promptcot.storage.journal import Journal
from promptcot.storage.outputs import Output
from promptcot.storage.reviews import REVIEWS, Decision, Review, append, reviews_in
from promptcot.training.checkpoints import began_with, latest, seal
from promptcot.training.report.logfile import LogFile
from tests.fuzz.damage import damaged


class Target(Protocol):
    """What is damaged: `make` its files in a folder, and `check` a copy of the folder after damage to some of them."""

    def make(self, folder: Path) -> None:
        """Make the files, once."""
        ...

    def files(self, folder: Path) -> Sequence[Path]:
        """The files that may be damaged."""
        ...

    async def check(self, folder: Path) -> str:
        """Do the same work again; what is wrong."""
        ...


_ROWS = [{"id": f"p{number}", "prompt": f"What is {number} + {number}?"} for number in range(25)]


class _Echo:
    """One call for each row; the reply is the row's completion."""

    name = "solve"

    def ask(self, row: Row) -> Sequence[Request]:
        return [Request(prompt=row["prompt"], sampling=Sampling(max_tokens=64), seed=1)]

    def read(self, row: Row, replies: Sequence[Completion]) -> Sequence[Row] | Drop:
        return [{**row, "completion": replies[0].text}]


def _reply(request: Request) -> Completion:
    text = f'So \\boxed{{{request.prompt}}}, says "nobody".\nThat is all, "}}\n' + "and more of it " * 12
    return Completion(text, "stop", 9, len(text) // 4)


@dataclass
class OfJournal:
    """A journal: rows get their own text, calls whose lines are whole are not asked again, the others are, once.

    `old` lines at its head have no checksum, as earlier versions wrote them; damage to these can be told only where it
    breaks the line, so that it is not looked for.
    """

    lines: list[bytes] = field(default_factory=list)
    whole: bytes = b""

    def make(self, folder: Path) -> None:
        asyncio.run(self._solve(folder))
        self.lines = (folder / "out.journal" / "calls.jsonl").read_bytes().splitlines(keepends=True)
        self.whole = (folder / "out.jsonl").read_bytes()

    def files(self, folder: Path) -> Sequence[Path]:
        return [folder / "out.journal" / "calls.jsonl"]

    async def check(self, folder: Path) -> str:
        after = self.files(folder)[0].read_bytes()
        left = set(after.replace(b"\r\n", b"\n").split(b"\n"))
        lost = sum(line.rstrip(b"\n") not in left for line in self.lines)
        try:
            asked = await self._solve(folder)
        except PromptCoTError as error:
            traces = (b'{"key":"', b',"finish_reason":', b',"completion_tokens":', b',"crc32":')
            left_over = any(trace in self.files(folder)[0].read_bytes() for trace in traces)
            return "" if "move the file away" in str(error) and not left_over else f"it stops: {error}"
        if (folder / "out.jsonl").read_bytes() != self.whole:
            return "another text"
        if asked > lost:
            return f"{asked} calls asked again, {lost} lines damaged"
        return "asked twice" if await self._solve(folder) else ""

    async def _solve(self, folder: Path) -> int:
        engine = ScriptedEngine(_reply, model="m")
        with Output(folder / "out.jsonl", "solve") as output, Journal(folder / "out.journal") as journal:
            await run_stage(_Echo(), _ROWS, engine, LocalRunner(4), output, journal)
            output.commit()
        return engine.asked


def _prediction(number: int, sample: int) -> Row:
    answer = number + 1 + (sample + number) % 2
    text = f"\\boxed{{{answer}}}" if number % 5 else f"\\boxed{{{answer}.{sample}}}"
    return {"id": f"p{number}", "source": "own", "answer": str(number + 1), "sample": sample, "completion": text}


@dataclass
class OfGrades:
    """The cache of `grade`: grades and classes of all rows are the same as without it."""

    graders: Graders
    right: list[Any] = field(default_factory=list)

    def make(self, folder: Path) -> None:
        rows = [_prediction(number, sample) for number in range(12) for sample in range(3)]
        (folder / "p.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
        self.right = asyncio.run(self._grade(folder))

    def files(self, folder: Path) -> Sequence[Path]:
        return sorted((folder / "p.grades").glob("*.jsonl"))

    async def check(self, folder: Path) -> str:
        return "" if await self._grade(folder) == self.right else "another grade"

    async def _grade(self, folder: Path) -> list[Any]:
        judge = PredictionGrader(self.graders)
        async with aclosing(judge.graded(folder / "p.jsonl")) as graded:
            return [(one.problem, one.sample, one.sampled, one.method) async for one in graded]


class OfMark:
    """The mark of a stopped stage: unchanged, or none."""

    def make(self, folder: Path) -> None:
        give_up(folder, "generate: none of 40 replies can be used", [f"{number:032x}" for number in range(9)])

    def files(self, folder: Path) -> Sequence[Path]:
        return [folder / "given-up.json"]

    async def check(self, folder: Path) -> str:
        found = given_up(folder)
        calls = frozenset(f"{number:032x}" for number in range(9))
        if found is None or (found.words == "generate: none of 40 replies can be used" and found.calls == calls):
            return ""
        return f"it says {found}"


class OfChain:
    """`chain.json`: steps that did not end well, or whose input has changed, run again, whatever it says."""

    def make(self, folder: Path) -> None:
        (folder / "source").write_text("source")
        self._run(folder, {"two": 1})
        (folder / "source").write_text("another source")

    def files(self, folder: Path) -> Sequence[Path]:
        return [folder / "chain.json"]

    async def check(self, folder: Path) -> str:
        ran = self._run(folder, {})
        return "" if {"one", "two"} <= set(ran) else f"only {ran} ran"

    def _run(self, folder: Path, codes: dict[str, int]) -> list[str]:
        ran: list[str] = []

        def start(arguments: Sequence[str]) -> int:
            ran.append(arguments[0])
            (folder / arguments[1]).write_text((folder / "source").read_text() + arguments[0])
            return codes.get(arguments[0], 0)

        names = {"one": "source", "two": "a"}
        steps = [
            Step(name, (name, product), folder / product, (folder / names[name],))
            for name, product in (("one", "a"), ("two", "b"))
        ]
        run_steps(steps, folder, {"name": "test"}, lambda line: None, start)
        return ran


class OfCheckpoints:
    """Checkpoints: a training resumes from an undamaged one, and from the older one if the newest is damaged."""

    def make(self, folder: Path) -> None:
        for step in (2, 4):
            made = folder / f"checkpoint-{step}"
            made.mkdir()
            (made / "optimizer.pt").write_bytes(random.Random(step).randbytes(3000))
            (made / "trainer_state.json").write_text(f'{{"global_step": {step}, "log": "{"x" * 300}"}}')
            seal(made)

    def files(self, folder: Path) -> Sequence[Path]:
        return sorted(path for path in (folder / "checkpoint-4").iterdir())

    async def check(self, folder: Path) -> str:
        found = latest(folder)
        if found.step == 2:
            return ""
        state = random.Random(4).randbytes(3000) == (folder / "checkpoint-4" / "optimizer.pt").read_bytes()
        log = (
            f'{{"global_step": 4, "log": "{"x" * 300}"}}'
            == (folder / "checkpoint-4" / "trainer_state.json").read_text()
        )
        return "" if found.step == 4 and state and log else f"it goes on from {found.path}, which is damaged"


_BEGAN = {"data": {"rows.jsonl": "ab" * 16}, "settings": {"window": 4096, "seed": 7}, "rows": 1000}


class OfBeginning:
    """The settings at the start of a training: unchanged, or an error that names the file."""

    def make(self, folder: Path) -> None:
        began_with(folder, _BEGAN, goes_on=False)

    def files(self, folder: Path) -> Sequence[Path]:
        return [folder / "data.json"]

    async def check(self, folder: Path) -> str:
        try:
            began_with(folder, {**_BEGAN, "rows": 999}, goes_on=True)
        except PromptCoTError as error:
            return "" if "data.json" in str(error) or "rows: 1000 before, 999 now" in str(error) else str(error)
        return "other data were taken for the same"


class OfLog:
    """The log of a training: its lines, or fewer."""

    lines: tuple[Row, ...] = tuple(
        {"step": step, "event": "logged", "loss": 1 / step, "tokens": 100 * step, "text": "it goes on " * 4}
        for step in range(1, 20)
    )

    def make(self, folder: Path) -> None:
        for line in self.lines:
            LogFile(folder / "log.jsonl").append(line)

    def files(self, folder: Path) -> Sequence[Path]:
        return [folder / "log.jsonl"]

    async def check(self, folder: Path) -> str:
        wrong = [line for line in LogFile(folder / "log.jsonl").lines() if line not in self.lines]
        return f"it says {wrong[0]}" if wrong else ""


class _Vectors(ScriptedEngine):
    def __init__(self) -> None:
        super().__init__(lambda request: "", model="v")


@dataclass
class OfVectors:
    """The vectors of concepts: all the same as without damage."""

    whole: bytes = b""

    def make(self, folder: Path) -> None:
        asyncio.run(self._encode(folder))
        self.whole = (folder / "v.safetensors").read_bytes()

    def files(self, folder: Path) -> Sequence[Path]:
        return sorted((folder / "v.journal").glob("*.vectors"))

    async def check(self, folder: Path) -> str:
        await self._encode(folder)
        return "" if (folder / "v.safetensors").read_bytes() == self.whole else "another vector"

    async def _encode(self, folder: Path) -> None:
        await encode([f"concept {number}" for number in range(30)], _Vectors(), folder / "v.safetensors", 7)


class OfReviews:
    """Reviews: a line that is whole counts, one that is damaged is skipped or counted, and the next one is not lost."""

    def make(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        for number in range(12):
            decision: Decision = "accept" if number % 3 else "reject"
            append(
                folder, Review(f"p{number:02}", decision, f'say "{number}" }}, {{', "ada", f"2026-01-{number + 1:02}")
            )

    def files(self, folder: Path) -> Sequence[Path]:
        return [folder / REVIEWS]

    async def check(self, folder: Path) -> str:
        self.make(intact := folder / "intact")
        whole = (intact / REVIEWS).read_bytes().splitlines()
        lines = self.files(folder)[0].read_bytes().split(b"\n")
        append(folder, Review("next", "reject", None, "ada", ""))
        found = reviews_in(folder)
        if [one for one in found.lines if one.id == "next"] != [Review("next", "reject", None, "ada", "")]:
            return "the next review is lost"
        expected = [
            review for line in lines if line in whole for review in [reviews_in(intact).lines[whole.index(line)]]
        ]
        if missing := [review for review in expected if review not in found.lines]:
            return f"a whole line is lost: {missing[0]}"
        filled = sum(bool(line.strip()) for line in lines)
        return (
            ""
            if len(found.lines) - 1 + found.damaged == filled
            else "a line is neither a review nor counted as damaged"
        )


@dataclass
class Damage:
    """All targets, made once in `folder`."""

    folder: Path
    graders: Graders

    def __post_init__(self) -> None:
        self.targets: dict[str, Target] = {
            "journal": OfJournal(),
            "grades": OfGrades(self.graders),
            "given-up": OfMark(),
            "chain": OfChain(),
            "checkpoints": OfCheckpoints(),
            "beginning": OfBeginning(),
            "log": OfLog(),
            "vectors": OfVectors(),
            "reviews": OfReviews(),
        }
        for name, target in self.targets.items():
            (self.folder / name).mkdir(parents=True)
            target.make(self.folder / name)

    def trial(self, seed: int) -> tuple[str, str]:
        """Damage one target once or twice; its name, and what is wrong, if anything."""
        draws = random.Random(seed)
        name = draws.choice(["journal", "grades", *self.targets])
        target, copy = self.targets[name], self.folder / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self.folder / name, copy)
        for _ in range(draws.choice([1, 1, 1, 2])):
            file = draws.choice(target.files(copy))
            content = file.read_bytes()
            file.write_bytes(damaged(content, draws) if content else b"\n")
        return name, _said(lambda: target.check(copy))


def _said(check: Callable[[], Awaitable[str]]) -> str:
    async def checked() -> str:
        return await check()

    try:
        return asyncio.run(checked())
    except PromptCoTError as error:
        return f"it stops: {error}"
    except Exception:
        return "traceback: " + traceback.format_exc().splitlines()[-1]

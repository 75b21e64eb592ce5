"""The programs that are killed and interrupted: each verb with small inputs and a deterministic server.

To add a verb, add a line to VERBS; inputs that other verbs make are made by MATERIALS. Everything else (at which
moments, and what must be the same afterwards) is in `kills`.
"""

from __future__ import annotations

import math
import shlex
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, chdir, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from promptcot.cli import main
from tests.golden import materials
from tests.golden.speaker import Speaker, answer_to, speaking
from tests.integration.training.trainings import write_recipe, write_rows

RUN = materials.CALM.replace("max_candidates = 24", "max_candidates = 10")
SET = materials.SET.replace("max_candidates = 24", "max_candidates = 16").replace("faulty-solver", "calm-solver")
_TEN = materials.lines(
    *({"source": "s", "problem": f"Find {n}.", "answer": answer_to(f"Find {n}.")} for n in range(10))
)
_HARD = materials.lines(
    *(
        {"id": f"hard {n}", "source": "own", "completion": f"\\boxed{{(x+{n})^2}}", "answer": f"x^2+{2 * n}x+{n * n}"}
        for n in range(1, 9)
    )
)

_INPUTS = {
    "run.toml": RUN,
    "set.toml": SET,
    "references.jsonl": materials.REFERENCES,
    "concepts.jsonl": materials.CONCEPTS,
    "problems.jsonl": materials.PROBLEMS,
    "asks.jsonl": materials.ASKS,
    "predictions.jsonl": materials.PREDICTIONS + _HARD,
    "own.jsonl": _TEN,
    "annotated.jsonl": materials.ANNOTATED,
    **materials.JUDGED,
}
MATERIALS = (
    "encode --data_path concepts.jsonl --base-url @server@ --output_path vectors.safetensors",
    "extract --data_path problems.jsonl --base-url @server@ --model_path calm --output_path extracted.jsonl",
    "generate --data_path asks.jsonl --base-url @server@ --model_path calm --output_path written.jsonl",
    "solve --data_path problems.jsonl --n 4 --base-url @server@ --model_path calm --output_path traces.jsonl",
    "filter --template judged-{}.jsonl --n-rewards 2 --output_path kept.jsonl",
    "label --data_path traces.jsonl --output_path labelled.jsonl --limit 60",
    *(
        "generate --data_path asks.jsonl --base-url @server@ --model_path calm"
        f" --output_path part.{n}.jsonl --shard {n}/2"
        for n in (1, 2)
    ),
    *(f"run run.toml --output-dir shard-{n} --shard {n}/2" for n in (1, 2)),
    *(f"run set.toml --output-dir part-{n} --shard {n}/2" for n in (1, 2)),
)


@dataclass(frozen=True)
class Verb:
    """A command line (`@server@` is the server's address), the inputs that it needs, and whether it writes anything.

    What a `timed` one has begun when it ends depends on the moment: only its rows are compared. Of a verb with
    `results` (patterns) only these files are. `program` is what runs the command line, as Python's own options. It ends
    with `code`, 0 or 3 for some failed rows, and has not paid more than `cap` by then.
    """

    line: str
    inputs: tuple[str, ...]
    writes: bool = True
    timed: bool = False
    results: tuple[str, ...] = ("**/*",)
    program: tuple[str, ...] = ("-m", "promptcot")
    code: int = 0
    cap: float = math.inf


_SERVED = "--base-url @server@ --model_path calm"
_RUN = ("run.toml", "concepts.jsonl")
_SET = ("set.toml", "concepts.jsonl", "references.jsonl")
_PRICES = "--set server.price.prompt=1 --set server.price.completion=3"
TRAIN = Verb(
    "train small.toml --output_dir out --set schedule.max_steps=6 --set checkpoints.every=2",
    ("small.toml", "rows.jsonl"),
    results=("out/model/*.safetensors", "out/model/*.json", "out/recipe.json"),
)
"""Needs the libraries of trainings, and as much time as all others together."""

VERBS = {
    "run": Verb("run run.toml --output-dir out", _RUN),
    "run with a target": Verb("run run.toml --output-dir out --target 3 --max-candidates 30", _RUN, timed=True),
    "run with a cap": Verb(f"run run.toml --output-dir out --max-cost 0.5 {_PRICES}", _RUN, cap=0.5),
    "run up to its cap": Verb(
        f"run run.toml --output-dir out --max-cost 0.014 {_PRICES}", _RUN, timed=True, code=1, cap=0.014
    ),
    "run to a set": Verb("run set.toml --output-dir out", _SET),
    "run to a set in passes": Verb("run set.toml --output-dir out --set \"run.models='in turn'\"", _SET),
    "run in passes": Verb("run run.toml --output-dir out --set \"run.models='in turn'\"", _RUN),
    "init": Verb("init puzzles --output-dir out", ()),
    "extract": Verb(f"extract --data_path problems.jsonl {_SERVED} --output_path out.jsonl", ("problems.jsonl",)),
    "explain": Verb(
        f"explain --data_path extracted.jsonl {_SERVED} --output_path out.jsonl", ("extracted.jsonl",), code=3
    ),
    "encode": Verb(
        f"encode --data_path concepts.jsonl {_SERVED} --batch-size 3 --output_path out.safetensors", ("concepts.jsonl",)
    ),
    "sample": Verb(
        "sample --data_path concepts.jsonl --embed_path vectors.safetensors --size 2 --data_size 6 --prompts nano"
        " --output_path out.jsonl",
        ("concepts.jsonl", "vectors.safetensors", "vectors.jsonl"),
    ),
    "generate": Verb(f"generate --data_path asks.jsonl {_SERVED} --output_path out.jsonl", ("asks.jsonl",)),
    "generate to zst": Verb(f"generate --data_path asks.jsonl {_SERVED} --output_path out.jsonl.zst", ("asks.jsonl",)),
    "judge": Verb(
        f"judge --data_path written.jsonl {_SERVED} --prompts nano --output_path out.jsonl", ("written.jsonl",)
    ),
    "filter": Verb(
        "filter --template judged-{}.jsonl --n-rewards 2 --output_path out.jsonl", ("judged-0.jsonl", "judged-1.jsonl")
    ),
    "dedup": Verb("dedup --data_path problems.jsonl --output_path out.jsonl", ("problems.jsonl",)),
    "verify": Verb(
        f"verify --data_path problems.jsonl --votes 3 {_SERVED} --prompts math --output_path out.jsonl",
        ("problems.jsonl",),
    ),
    "decontaminate": Verb(
        "decontaminate --data_path problems.jsonl --against own.jsonl --output_path out.jsonl",
        ("problems.jsonl", "own.jsonl"),
    ),
    "solve": Verb(f"solve --data_path problems.jsonl --n 3 {_SERVED} --output_path out.jsonl", ("problems.jsonl",)),
    "label": Verb(
        "label --data_path traces.jsonl --output_path out.jsonl --min-agreement 0.4 --sft_path sft.jsonl"
        " --pairs_path pairs.jsonl --rl_path rl.jsonl --limit 60",
        ("traces.jsonl",),
    ),
    "select": Verb(
        "select --data_path labelled.jsonl --output_path out.jsonl --pass-rate 0.2:1 --size 3 --order mixed",
        ("labelled.jsonl",),
    ),
    "export": Verb(
        "export --data_path labelled.jsonl --output_path out --to verl --test 0.3 --check", ("labelled.jsonl",)
    ),
    "measure": Verb("measure labelled.jsonl problems.jsonl", ("labelled.jsonl", "problems.jsonl"), writes=False),
    "show": Verb("show shard-1", ("shard-1",), writes=False),
    "grade": Verb(
        "grade --output_path predictions.jsonl --details details.jsonl --limit 60 --workers 2", ("predictions.jsonl",)
    ),
    "train-rows": Verb(
        "train-rows --data_path annotated.jsonl --prompts nano --output_path out.jsonl --concepts_path c.jsonl",
        ("annotated.jsonl",),
    ),
    "eval": Verb(
        "eval nano --benchmarks own.jsonl --n 2 --base-url @server@ --model calm-solver --output-dir out"
        " --set prompts=math --set model.chat=true --set unboxed=true",
        ("own.jsonl",),
    ),
    "merge of outputs": Verb("merge out.jsonl part.1.jsonl part.2.jsonl", tuple(f"part.{n}.*" for n in (1, 2))),
    "merge of runs": Verb("merge out shard-1 shard-2", ("shard-1", "shard-2", "concepts.jsonl")),
    "merge of runs to a set": Verb(
        "merge out part-1 part-2", ("part-1", "part-2", "concepts.jsonl", "references.jsonl")
    ),
    "clean of a run": Verb("clean shard-1 --yes", ("shard-1",)),
    "clean of an output": Verb("clean written.jsonl --yes", ("written.*",)),
    "view": Verb("view shard-1 --export-static pages", ("shard-1",), results=("pages/**/*",)),
    "report": Verb("report shard-1 --output page.html", ("shard-1",)),
    "report of two runs": Verb("report shard-1 shard-2 --output page.html", ("shard-1", "shard-2")),
    "chain": Verb(
        "run distill-nano --output-dir out",
        ("asks.jsonl", "annotated.jsonl"),
        program=(str(Path(__file__).with_name("small_chain.py")), "@server@"),
    ),
    "plan": Verb("plan run.toml --target 5 --gpus 0", _RUN, writes=False),
    "doctor": Verb("doctor run.toml --no-trial", _RUN, writes=False, code=1),
}


class Kitchen:
    """All inputs, made once; a fresh folder of a verb's inputs for each trial."""

    def __init__(self, folder: Path, server: Speaker) -> None:
        self._folder, self._server = folder / "materials", server
        self._folder.mkdir()
        for name, text in _INPUTS.items():
            (self._folder / name).write_text(self.addressed(text), encoding="utf-8")
        write_rows(self._folder / "rows.jsonl", 24)
        write_recipe(self._folder / "small.toml")
        with chdir(self._folder), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            for line in MATERIALS:
                assert main(self.words(line)) in (0, 3), line

    def words(self, line: str) -> list[str]:
        """A command line as the program gets it."""
        return shlex.split(self.addressed(line))

    def lay_out(self, verb: Verb, folder: Path) -> None:
        """Copy what a verb needs into an empty folder."""
        folder.mkdir(parents=True)
        for pattern in verb.inputs:
            for path in self._folder.glob(pattern):
                copy = shutil.copytree if path.is_dir() else shutil.copy2
                copy(path, folder / path.name)

    def asked(self, key: str) -> int:
        """For how many texts the server was asked with a key."""
        return self._server.heard[f"Bearer {key}"]

    def addressed(self, text: str) -> str:
        """A text with the address of the server."""
        return text.replace("@server@", self._server.url)


@contextmanager
def kitchen(folder: Path) -> Iterator[Kitchen]:
    """Inputs below `folder`, and the server as long as the block runs."""
    with ExitStack() as held:
        yield Kitchen(folder, held.enter_context(speaking()))

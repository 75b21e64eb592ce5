"""Running a chain: finished steps are skipped, changed steps run again, and a failing step stops it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from promptcot.chains.running import STATE, look, run_steps, start
from promptcot.chains.steps import Step
from promptcot.errors import LockedError
from promptcot.storage.atomic import locked
from tests.programs import PATIENCE, started


class Machine:
    """Stands in for processes: writes the product that the last argument names, and ends as it is told."""

    def __init__(self, **codes: int) -> None:
        self.codes = codes
        self.ran: list[str] = []

    def __call__(self, arguments: Sequence[str]) -> int:
        verb, product = arguments[0], Path(arguments[-1])
        self.ran.append(verb)
        if self.codes.get(verb, 0) in (0, 3):
            product.write_text(f"{verb} {arguments[1:-1]}")
        return self.codes.get(verb, 0)


def steps(folder: Path, *options: str) -> list[Step]:
    """`one` makes a file out of the source, `two` out of that, and `tell` is due always."""
    a, b, c = folder / "a", folder / "b", folder / "c"
    return [
        Step("one", ("one", *options, str(a)), a, (folder / "source",)),
        Step("two", ("two", str(b)), b, (a,)),
        Step("tell", ("tell", str(c)), c, (b,), always=True),
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "source").write_text("source")
    return tmp_path


def run(folder: Path, machine: Machine, *options: str) -> tuple[int, list[str]]:
    said: list[str] = []
    machine.ran = []
    return run_steps(steps(folder, *options), folder, {"name": "test"}, said.append, machine), said


def test_a_finished_step_is_left_out_and_one_that_tells_is_not(folder: Path) -> None:
    machine = Machine()
    code, said = run(folder, machine)
    assert (code, machine.ran) == (0, ["one", "two", "tell"])
    assert f"\n[1/3] one\n$ promptcot one {folder / 'a'}" in said
    code, said = run(folder, machine)
    assert (code, machine.ran) == (0, ["tell"])
    assert [line for line in said if "finished before" in line] == [
        "[1/3] one: finished before, in 0 s",
        "[2/3] two: finished before, in 0 s",
    ]


def test_another_command_runs_again_with_what_follows_from_it(folder: Path) -> None:
    machine = Machine()
    run(folder, machine)
    run(folder, machine, "--n", "2")
    assert machine.ran == ["one", "two", "tell"]


def test_a_step_whose_input_has_changed_runs_again(folder: Path) -> None:
    machine = Machine()
    run(folder, machine)
    (folder / "source").write_text("SOURCE")
    run(folder, machine)
    assert machine.ran == ["one", "tell"]  # what `one` wrote is what it had written before


def test_an_input_that_was_only_touched_has_not_changed(folder: Path) -> None:
    machine = Machine()
    run(folder, machine)
    os.utime(folder / "source", (1, 1))
    run(folder, machine)
    assert machine.ran == ["tell"]


@pytest.mark.parametrize("damage", [b'"exit": 0', b'"sha256": "', b'"seconds": 0'])
def test_steps_run_again_where_the_state_is_damaged(folder: Path, damage: bytes) -> None:
    machine = Machine()
    run(folder, machine)
    state = folder / STATE
    state.write_bytes(state.read_bytes().replace(damage, damage[:-1] + b"1", 1))
    run(folder, machine)
    assert machine.ran == ["one", "two", "tell"]


@pytest.mark.parametrize("steps", ["[]", "7", '{"one": 7}', '{"one": {"command": ["one"], "inputs": 7, "exit": 0}}'])
def test_a_state_without_a_checksum_may_hold_anything(folder: Path, steps: str) -> None:
    (folder / STATE).write_text(f'{{"recipe": {{}}, "steps": {steps}}}')
    machine = Machine()
    run(folder, machine)
    assert machine.ran == ["one", "two", "tell"]


def test_the_state_of_an_earlier_version_counts(folder: Path) -> None:
    machine = Machine()
    run(folder, machine)
    told = json.loads((folder / STATE).read_bytes())
    del told["crc32"]
    (folder / STATE).write_text(json.dumps(told))
    run(folder, machine)
    assert machine.ran == ["tell"]


def test_a_finished_step_is_left_out_though_its_command_has_what_looks_like_a_key(tmp_path: Path) -> None:
    folder = tmp_path / "sk-0123456789-abcdef"
    folder.mkdir()
    (folder / "source").write_text("source")
    machine = Machine()
    run(folder, machine)
    run(folder, machine)
    assert machine.ran == ["tell"]
    assert "sk-0123456789" not in (folder / STATE).read_text()


def test_a_step_whose_product_is_gone_runs_again(folder: Path) -> None:
    machine = Machine()
    run(folder, machine)
    (folder / "b").unlink()
    run(folder, machine)
    assert machine.ran == ["two", "tell"]


def test_a_failing_step_stops_the_chain_with_its_exit_code_and_runs_first_the_next_time(folder: Path) -> None:
    machine = Machine(two=7)
    code, said = run(folder, machine)
    assert (code, machine.ran) == (7, ["one", "two"])
    assert said[-1] == "the chain stops here; the same command continues with two"
    machine.codes = {}
    assert run(folder, machine)[0] == 0
    assert machine.ran == ["two", "tell"]


def test_failed_rows_do_not_stop_the_chain_but_are_asked_for_again(folder: Path) -> None:
    machine = Machine(one=3)
    assert run(folder, machine)[0] == 3
    assert machine.ran == ["one", "two", "tell"]
    assert run(folder, machine)[0] == 3
    assert machine.ran == ["one", "tell"]


def test_an_old_product_does_not_hide_that_its_step_failed(folder: Path) -> None:
    machine = Machine()
    run(folder, machine)
    machine.codes = {"one": 1}
    assert run(folder, machine, "--other")[0] == 1
    run(folder, machine, "--other")
    assert machine.ran == ["one"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"recipe": {}}'])
def test_a_state_that_nobody_can_read_makes_every_step_run(folder: Path, text: str) -> None:
    machine = Machine()
    run(folder, machine)
    (folder / STATE).write_text(text)
    run(folder, machine)
    assert machine.ran == ["one", "two", "tell"]


def test_the_state_says_what_ran_on_what(folder: Path) -> None:
    run(folder, Machine())
    state = json.loads((folder / STATE).read_bytes())
    assert state["recipe"] == {"name": "test"}
    told = state["steps"]["two"]
    assert (told["command"], told["exit"]) == (["two", str(folder / "b")], 0)
    assert told["inputs"][str(folder / "a")] == look(folder / "a")


def test_two_chains_in_one_folder_are_refused(folder: Path) -> None:
    with locked(folder / "chain.lock"), pytest.raises(LockedError):
        run(folder, Machine())


def test_results_in_a_model_card_do_not_make_a_model_another_one(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_text("weights")
    before = look(tmp_path)
    (tmp_path / "README.md").write_text("results")
    assert look(tmp_path) == before
    (tmp_path / "model.safetensors").write_text("WEIGHTS")
    assert look(tmp_path) != before
    assert look(tmp_path / "nothing") is None


def test_a_child_gets_the_arguments_and_gives_its_exit_code(capfd: pytest.CaptureFixture[str]) -> None:
    assert start(["--version"]) == 0
    assert capfd.readouterr().out.startswith("promptcot, version")
    assert start(["no-such-verb"]) == 2


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_signal_to_the_chain_ends_its_child_too(how: signal.Signals) -> None:
    program = (
        "import sys; from promptcot.chains import running; running._PATIENCE = 0.1\n"
        "from promptcot.interruption import Program; Program('').begin()\n"
        "running.start(['mock-server', '--port', '0'])"
    )
    with started([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as chain:
        assert chain.stdout is not None
        assert chain.stdout.readline()  # the child is up, and holds the pipe as well
        chain.send_signal(how)
        chain.communicate(timeout=PATIENCE)  # ends when nobody holds it any more
        assert chain.returncode != 0 if how is not signal.SIGKILL else chain.returncode == -how


def trained(folder: Path, machine: Machine, *options: str) -> list[str]:
    """Run one step that goes on by itself in a folder of its own; what was said."""
    product = folder / "training" / "model"
    step = Step("train", ("train", *options, str(product)), product, (folder / "source",), workspace=product.parent)
    said: list[str] = []
    run_steps([step], folder, {"name": "test"}, said.append, machine)
    return said


class Training(Machine):
    """Leaves a checkpoint before it ends."""

    def __call__(self, arguments: Sequence[str]) -> int:
        checkpoint = Path(arguments[-1]).parent / "checkpoint-1"
        checkpoint.parent.mkdir(exist_ok=True)
        self.found = checkpoint.exists()
        checkpoint.write_text("state")
        return super().__call__(arguments)


def test_a_training_that_stopped_finds_its_checkpoint_again(folder: Path) -> None:
    machine = Training(train=1)
    trained(folder, machine)
    trained(folder, machine)
    assert machine.found


@pytest.mark.parametrize("code", [0, 1])
@pytest.mark.parametrize("change", ["command", "input"])
def test_a_training_of_other_rows_or_settings_begins_in_an_empty_folder(folder: Path, change: str, code: int) -> None:
    machine = Training(train=code)
    trained(folder, machine)
    if change == "input":
        (folder / "source").write_text("other rows")
    said = trained(folder, machine, *(["--seed", "2"] if change == "command" else []))
    assert not machine.found
    assert f"removed: {folder / 'training'}, which was made by another command or from other inputs" in said


def test_a_folder_that_no_chain_made_is_left_alone(folder: Path) -> None:
    (folder / "training").mkdir()
    (folder / "training" / "checkpoint-1").write_text("somebody's")
    machine = Training()
    trained(folder, machine)
    assert machine.found

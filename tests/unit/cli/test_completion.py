"""Completion of command lines, as click answers a shell, and in a real bash where there is one."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import BashComplete, FishComplete, ZshComplete

from promptcot.cli import main
from promptcot.cli.root import root


def completed(line: str) -> list[str]:
    """What completes the last word of a command line; a name of the kind `file` or `dir` is left to the shell."""
    *words, last = line.split(" ")
    found = BashComplete(root, {}, "promptcot", "_PROMPTCOT_COMPLETE").get_completions(words[1:], last)
    return [item.value if item.type == "plain" else f"<{item.type}>" for item in found]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("promptcot gen", ["generate"]),
        ("promptcot train-", ["train-rows"]),
        ("promptcot train_", ["train_rows"]),
        ("promptcot mock_s", ["mock_server"]),
        ("promptcot --install", ["--install-completion"]),
        ("promptcot --install-completion f", ["fish"]),
        ("promptcot generate --data-", ["--data-path"]),
        ("promptcot generate --data_", ["--data_path"]),
        ("promptcot mock_server --rate_trunc", ["--rate_truncated_json"]),
        ("promptcot filter --no-only", ["--no-only-perfect"]),
        ("promptcot run n", ["nano"]),
        ("promptcot run disti", ["distill-nano"]),
        ("promptcot plan end", ["endpoint"]),
        ("promptcot doctor lap", ["laptop"]),
        ("promptcot eval promptcot-q", ["promptcot-qwq-32b"]),
        ("promptcot train nano-g", ["nano-generator", "nano-grpo"]),
        ("promptcot chain fresh --eval-recipe na", ["nano"]),
        ("promptcot chain mi", ["mismatch"]),
        ("promptcot nano path judge", ["judge-a", "judge-b"]),
        ("promptcot generate --prompts na", ["nano"]),
        ("promptcot judge --model-path nano:judge", ["nano:judge-a", "nano:judge-b"]),
        ("promptcot run --runner ", ["local", "ray"]),
        ("promptcot run --until de", ["dedup", "decontaminate"]),
        ("promptcot sample --levels AIME,USAM", ["AIME,USAMO"]),
        ("promptcot solve --style d", ["deepseek-r1"]),
        ("promptcot explain --level HM", ["HMMT-Nov", "HMMT-Feb"]),
        ("promptcot decontaminate --against math", ["math500"]),
        ("promptcot judge --judge ", ["a", "b"]),
        ("promptcot run --set run.ta", ["run.target="]),
        ("promptcot run --set=run.ta", ["run.target="]),
        ("promptcot run nano --set judge.b.temp", ["judge.b.temperature="]),
        ("promptcot plan endpoint --set judge.second.temp", ["judge.second.temperature="]),
        ("promptcot run distill-nano --set teacher.max_t", ["teacher.max_tokens="]),
        ("promptcot train nano-student --set schedule.ep", ["schedule.epochs="]),
        ("promptcot eval nano --set model.max_t", ["model.max_tokens="]),
        ("promptcot chain fresh --eval-recipe nano --set bench", ["benchmarks="]),
        ("promptcot run nosuch --set run.", []),
        ("promptcot run nosuch.toml --set run.", []),
        ("promptcot run my-rec", ["<file>"]),
        ("promptcot generate --data-path x", ["<file>"]),
        ("promptcot solve --model-path ./m", ["<dir>"]),
    ],
)
def test_what_a_line_is_completed_with(line: str, expected: list[str]) -> None:
    assert completed(line) == expected


@pytest.mark.parametrize("shell", [BashComplete, ZshComplete, FishComplete])
def test_every_shell_gets_its_script(shell: type[BashComplete], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--show-completion", shell.name]) == 0
    said = capsys.readouterr().out
    assert f"_PROMPTCOT_COMPLETE={shell.name}_complete" in said
    assert said.rstrip("\n") == shell(root, {}, "promptcot", "_PROMPTCOT_COMPLETE").source().rstrip("\n")


@pytest.mark.parametrize(
    ("shell", "where"),
    [
        ("bash", ".local/share/bash-completion/completions/promptcot"),
        ("zsh", ".local/share/zsh/site-functions/_promptcot"),
        ("fish", ".config/fish/completions/promptcot.fish"),
    ],
)
def test_a_script_is_installed_once_for_the_shell_that_is_used(
    shell: str, where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SHELL", f"/usr/bin/{shell}")
    assert main(["--install-completion"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"written: {tmp_path / where}\nnext:    ")
    before = (tmp_path / where).stat().st_mtime_ns
    assert main(["--install-completion", shell]) == 0
    assert capsys.readouterr().out.startswith(f"already installed: {tmp_path / where}\n")
    assert (tmp_path / where).stat().st_mtime_ns == before
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / where]


BASH = ".local/share/bash-completion/completions/promptcot"


def test_a_link_to_the_script_stays_a_link_and_its_target_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    target, link = tmp_path / "dotfiles/promptcot", tmp_path / BASH
    target.parent.mkdir()
    target.write_bytes(b"\xff not UTF-8")
    link.parent.mkdir(parents=True)
    link.symlink_to(target)
    assert main(["--install-completion", "bash"]) == 0
    assert link.is_symlink()
    assert b"_PROMPTCOT_COMPLETE" in target.read_bytes()


@pytest.mark.parametrize("variable", ["", "relative/data"])
def test_a_relative_data_directory_is_ignored(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "a home"
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_DATA_HOME", variable)
    assert main(["--install-completion", "bash"]) == 0
    assert (home / BASH).is_file()
    assert f"source '{home / BASH}'" in capsys.readouterr().out


@pytest.mark.parametrize("home", ["", "relative"])
def test_an_unknown_home_is_told(
    home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setenv("HOME", home)
    assert main(["--install-completion", "bash"]) == 2
    assert "XDG_DATA_HOME" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data").write_text("a file")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert main(["--install-completion", "zsh"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("promptcot: ")
    assert str(tmp_path / "data") in err


@pytest.mark.parametrize("shell", ["/bin/tcsh", ""])
def test_another_shell_is_refused(
    shell: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SHELL", shell)
    assert main(["--install-completion"]) == 2
    said = capsys.readouterr().err
    assert "bash, zsh, fish" in said
    assert "--install-completion bash" in said


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["run", "na"], ["nano"]),
        (["train_"], ["train_rows"]),
        (["dedup", "--mask_"], ["--mask_numbers"]),
        (["solve", "--data-path", "a\\ file.jsonl", "--sty"], ["--style"]),
        (["judge", "--model-path", "nano", ":", "judge"], ["judge-a", "judge-b"]),
        (
            ["judge", "--model-path", "nano", ":"],
            ["annotator", "base", "generator", "judge-a", "judge-b", "solver", "verifier"],
        ),
        (["judge", "--model-path", "=", "nano", ":", "so"], ["solver"]),
        (["run", "--runner", "=", "lo"], ["local"]),
        (["run", "--runner", "="], ["local", "ray"]),
        (["run", "--base-url", "http", ":", "//x", ":", "8000", "--runner", "r"], ["ray"]),
        (["run", "--set", "seed", "=", "1", "--set", "run.tar"], ["run.target="]),
        (["nosuch", "--x"], []),
    ],
)
def test_a_real_bash_completes(words: list[str], expected: list[str], tmp_path: Path) -> None:
    program = tmp_path / "promptcot"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m promptcot "$@"\n')
    program.chmod(0o755)
    typed = shlex.join(["promptcot", *words])
    script = f"""
        eval "$(promptcot --show-completion bash)"
        complete -p promptcot
        COMP_WORDS=({typed}) COMP_CWORD={len(words)}
        _promptcot_completion promptcot
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    paths = os.pathsep.join([str(tmp_path), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-c", script], env={**os.environ, "PATH": paths}, capture_output=True, text=True, check=False
    )
    registered, *found = filter(None, done.stdout.splitlines())
    assert registered.startswith("complete ")
    assert (found, done.stderr) == (expected, "")

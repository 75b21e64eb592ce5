"""The scripts for clusters: valid shell and YAML, and their commands exist."""

from __future__ import annotations

import re
import shlex
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from promptcot.cli.run import command as run_command
from promptcot.core.shards import Shard
from promptcot.recipe.loading import load
from tests.programs import finished

FOLDER = Path(__file__).parents[2] / "recipes" / "cluster"
ON_RAY = ["bare.sh", "slurm.sbatch"]
SHELL = [*ON_RAY, "slurm-array.sbatch"]


def manifests() -> list[dict[str, Any]]:
    yaml = pytest.importorskip("yaml", reason="PyYAML comes with Ray or vLLM")
    return list(yaml.safe_load_all((FOLDER / "kuberay.yaml").read_text(encoding="utf-8")))


def named(kind: str) -> dict[str, Any]:
    [found] = [one for one in manifests() if one["kind"] == kind]
    return found


def runs(script: str) -> list[list[str]]:
    """The words of each `promptcot run` in a shell script."""
    joined = re.sub(r"\\\n\s*", " ", re.sub(r"^\s*#.*$", "", script, flags=re.M))
    found = [line for line in joined.splitlines() if re.search(r'promptcot"? run\b', line)]
    return [shlex.split(re.split(r'promptcot"? run ', line)[1]) for line in found]


def test_all_scripts_are_checked() -> None:
    assert sorted(path.name for path in FOLDER.iterdir()) == sorted([*SHELL, "kuberay.yaml"])


@pytest.mark.parametrize("name", SHELL)
def test_a_shell_can_read_it(name: str) -> None:
    checked = finished(["bash", "-n", str(FOLDER / name)])
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize("script", [*SHELL, "kuberay.yaml"])
def test_options_of_run_are_those_that_there_are(script: str) -> None:
    known = {option for parameter in run_command.params for option in parameter.opts}
    content = (FOLDER / script).read_text(encoding="utf-8")
    commands = runs(named("ConfigMap")["data"]["run.sh"] if script.endswith(".yaml") else content)
    assert commands
    for words in commands:
        given = [word for word in words if word.startswith("--")]
        assert set(given) <= known
        assert "--ray-address" in given or script not in (*ON_RAY, "kuberay.yaml")


def test_each_task_of_an_array_does_a_shard_into_a_directory_of_its_own(tmp_path: Path) -> None:
    """With the ids that Slurm gives it; the merge of the comment finds these directories."""
    script = FOLDER / "slurm-array.sbatch"
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "activate").write_text("")
    fake = tmp_path / "bin" / "promptcot"
    fake.write_text('#!/bin/sh\necho "$@"\n')
    fake.chmod(0o755)
    ids = {"SLURM_ARRAY_TASK_ID": "2", "SLURM_ARRAY_TASK_COUNT": "8"}
    env = {"PATH": f"{tmp_path}/bin:/usr/bin:/bin", "VENV": str(tmp_path), **ids}
    done = finished(["bash", str(script), "--seed", "5"], env=env)
    words = done.stdout.split()
    options = dict(zip(words[2::2], words[3::2], strict=True))
    assert words[:2] == ["run", "promptcot"]
    assert str(Shard.parse(options["--shard"])) == "2/8"
    assert (options["--output-dir"], options["--seed"]) == ("out/promptcot-shards/2", "5")
    comment = script.read_text(encoding="utf-8")
    assert "#SBATCH --array=1-8" in comment
    assert "promptcot merge out/promptcot out/promptcot-shards/*" in comment


def test_the_keys_that_are_set_are_those_of_the_recipe() -> None:
    for script in ((FOLDER / "slurm.sbatch").read_text(encoding="utf-8"), named("ConfigMap")["data"]["run.sh"]):
        [words] = runs(script)
        changes = [after for word, after in pairwise(words) if word == "--set"]
        load("promptcot", changes)  # raises where a key is not the recipe's


def test_help_of_the_script_for_bare_machines_needs_no_ray(tmp_path: Path) -> None:
    shown = finished(
        ["bash", str(FOLDER / "bare.sh")], cwd=tmp_path, env={"PATH": "/usr/bin:/bin", "HEAD_IP": "127.0.0.1"}
    )
    assert shown.returncode == 2
    assert shown.stdout.startswith("A Ray cluster on machines that you reach with ssh")
    assert "set -euo" not in shown.stdout


def test_the_job_is_one_that_kuberay_knows() -> None:
    job = named("RayJob")
    assert job["apiVersion"] == "ray.io/v1"
    assert job["spec"]["entrypoint"] == "bash /promptcot/run.sh"
    cluster = job["spec"]["rayClusterSpec"]
    [workers] = cluster["workerGroupSpecs"]
    head = cluster["headGroupSpec"]
    assert head["rayStartParams"]["num-cpus"] == "0", "workers would start on the head, which has no GPU"
    assert workers["minReplicas"] <= workers["replicas"] <= workers["maxReplicas"]
    for group in (head, workers):
        pod = group["template"]["spec"]
        [container] = pod["containers"]
        assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
        assert container["image"] == head["template"]["spec"]["containers"][0]["image"]
        assert container["resources"]["limits"] == container["resources"]["requests"]


def test_the_script_of_the_job_is_where_the_entrypoint_looks_for_it() -> None:
    job = named("RayJob")
    pod = job["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]
    [volume] = [one for one in pod["volumes"] if "configMap" in one]
    assert volume["configMap"]["name"] == named("ConfigMap")["metadata"]["name"]
    [mount] = [one for one in pod["containers"][0]["volumeMounts"] if one["name"] == volume["name"]]
    assert job["spec"]["entrypoint"].split()[1] == f"{mount['mountPath']}/run.sh"


@pytest.mark.parametrize(("code", "seen"), [(0, 0), (3, 0), (1, 1), (130, 130)])
def test_done_with_failed_rows_is_a_success_for_kubernetes(code: int, seen: int, tmp_path: Path) -> None:
    fake = tmp_path / "promptcot"
    fake.write_text(f"#!/bin/sh\nexit {code}\n")
    fake.chmod(0o755)
    script = tmp_path / "run.sh"
    script.write_text(named("ConfigMap")["data"]["run.sh"])
    done = finished(["bash", str(script)], env={"PATH": f"{tmp_path}:/usr/bin:/bin"})
    assert done.returncode == seen

"""The Kubernetes manifest and the Slurm script give each worker its TF_CONFIG.

Neither scheduler is here; the shell lines that build the variable are run as they are,
with substitutes that tell what they were given.
"""

import os
import pathlib
import subprocess

import pytest

from adafilter_tf.distribution import cluster

CONFIGS = pathlib.Path(__file__).parents[2] / "configs"
TELL = 'echo "$TF_CONFIG" | tr -d "\\n"; echo; echo "$*"'
SUBSTITUTES = {
    "python": TELL,
    "scontrol": (
        'if [ "$1" = show ]; then echo node7; echo node9; else echo "did $*"; fi'
    ),
    # As srun does: options, then the command of each task.
    "srun": ('shift\nSLURM_PROCID=0 "$@"; SLURM_PROCID=1 "$@"\nexit "${SRUN_CODE:-0}"'),
}


@pytest.fixture
def run(tmp_path):
    """Runs a command among the substitutes; gives its exit code and lines."""
    for name, lines in SUBSTITUTES.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{lines}\n")
        (tmp_path / name).chmod(0o755)

    def run_with(command, **variables):
        path = f"{tmp_path}:{os.environ['PATH']}"
        process = subprocess.run(
            command,
            env={**os.environ, "PATH": path, **variables},
            capture_output=True,
            text=True,
            check=False,
        )
        assert process.stderr == ""
        return process.returncode, process.stdout.splitlines()

    return run_with


@pytest.mark.parametrize("index", [0, 1])
def test_each_pod_of_the_kubernetes_job_is_one_worker(run, index):
    yaml = pytest.importorskip("yaml")
    documents = yaml.safe_load_all((CONFIGS / "kubernetes/train.yaml").read_text())
    service, job = documents
    pod = job["spec"]["template"]["spec"]
    [container] = pod["containers"]
    variables = {each["name"]: each["value"] for each in container["env"]}
    assert int(variables["WORKERS"]) == job["spec"]["completions"] == 2
    code, (text, given) = run(
        [*container["command"], *container["args"]],
        JOB_COMPLETION_INDEX=str(index),
        **variables,
    )
    assert code == 0
    port = service["spec"]["ports"][0]["port"]
    # An indexed Job names its pods <job>-<index>; the Service is their domain.
    addresses = tuple(
        f"{job['metadata']['name']}-{i}.{pod['subdomain']}:{port}" for i in (0, 1)
    )
    assert service["metadata"]["name"] == pod["subdomain"]
    assert service["spec"]["clusterIP"] == "None"
    labels = job["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()
    assert cluster.read_cluster(text) == cluster.Cluster(addresses, index)
    assert given.startswith("-m adafilter_tf.run --flagfile=/work/flags.cfg ")


def test_each_task_of_the_slurm_job_is_one_worker(run):
    script = ["sh", str(CONFIGS / "slurm/train.sbatch"), "--epochs=3", "--seed=1"]
    slurm = {"SLURM_JOB_ID": "123456", "SLURM_JOB_NODELIST": "node[7,9]"}
    code, lines = run(script, **slurm)
    assert code == 0
    addresses = ("node7:23456", "node9:23456")
    for index in (0, 1):
        found = cluster.read_cluster(lines[2 * index])
        assert found == cluster.Cluster(addresses, index)
        assert lines[2 * index + 1] == (
            "-m adafilter_tf.run --distribution=multi_worker --epochs=3 --seed=1"
        )
    code, lines = run(script, SRUN_CODE="75", **slurm)
    assert (code, lines[-1]) == (75, "did requeue 123456")

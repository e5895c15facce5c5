"""Several worker processes of one run on this machine."""

import contextlib
import itertools
import json
import os
import socket
import subprocess
import sys

TWO_CPUS = """
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
two = 2 * [tf.config.LogicalDeviceConfiguration()]
tf.config.set_logical_device_configuration(cpu, two)
"""
"""Code that gives a process two devices, before TensorFlow has started."""

COMMAND = """
from absl import app, flags
from adafilter_tf import run
from adafilter_tf.cli import flags as run_flags
run_flags.define_flags()
app.run(run.main, flags_parser=run.parse)
"""
"""Code of the command line, to run after code that changes its process."""


def start_python(code, arguments=(), tf_config=None):
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"}
    environment.pop("TF_CONFIG", None)
    if tf_config is not None:
        environment["TF_CONFIG"] = json.dumps(tf_config)
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


# Below the ports that outgoing connections get, which could come in between; apart from
# those of a test process beside this one.
_PORTS = itertools.count(20_000 + 20 * (os.getpid() % 600))


def find_ports(count):
    """Ports that are free, each given once."""
    found = []
    while len(found) < count:
        port = next(_PORTS)
        with contextlib.suppress(OSError):
            socket.create_server(("localhost", port)).close()
            found.append(port)
    return found


def start_workers(code, arguments=lambda index: (), count=2):
    """Starts the code once a worker; `arguments` gives those of each."""
    addresses = [f"localhost:{port}" for port in find_ports(count)]
    return [
        start_python(
            code,
            arguments(index),
            {
                "cluster": {"worker": addresses},
                "task": {"type": "worker", "index": index},
            },
        )
        for index in range(count)
    ]


def finish(processes, code=0, timeout=900):
    """Waits for all; gives what each wrote to standard output and error."""
    try:
        written = [process.communicate(timeout=timeout) for process in processes]
    finally:
        for process in processes:
            process.kill()
    for process, (_, errors) in zip(processes, written, strict=True):
        assert process.returncode == code, errors[-3000:]
    return written

"""What two workers tell each other, and what one alone does without others."""

import json

import numpy as np
import pytest

from adafilter_tf import errors
from adafilter_tf.distribution import workers
from tests import worker_processes

TALK = """
import errno
import json
import os
import pathlib
import sys
import time
import numpy as np
import tensorflow as tf
from adafilter_tf import errors
from adafilter_tf.distribution import workers

heard = pathlib.Path(sys.argv[1])
team = workers.Workers(tf.distribute.MultiWorkerMirroredStrategy())
own = team.index

FULL = OSError(errno.ENOSPC, "No space left on device", "metrics.json")

def fail(error):
    raise error

def catch(function):
    try:
        function()
    except (errors.RunError, OSError) as error:
        return [type(error).__name__, str(error)]

content = {"text": chr(0xdcff) + "é", "arrays": [np.arange(5, dtype=np.float16)]}
received = team.broadcast_from_chief(lambda: content)
large = team.broadcast_from_chief(lambda: np.arange(2**24 + 3, dtype=np.int32))
def lose():
    with team.report_lost():
        if own == 1:
            sys.stdout.flush()
            # What was said before has arrived at both by then.
            deadline = time.monotonic() + 300
            while not heard.exists() and time.monotonic() < deadline:
                time.sleep(0.05)
            os._exit(0)
        heard.touch()
        team.any_worker(False)

print(json.dumps({
    "index": own,
    "is_chief": team.is_chief,
    "any": [team.any_worker(own == 0, own == 1, False), team.any_worker(False)],
    "text": received["text"],
    "array": received["arrays"][0].tolist(),
    "dtype": str(received["arrays"][0].dtype),
    "large": bool(np.array_equal(large, np.arange(2**24 + 3))),
    "nothing": team.broadcast_from_chief(lambda: None),
    "full": catch(lambda: team.broadcast_from_chief(lambda: fail(FULL))),
    "failure": catch(lambda: team.broadcast_from_chief(
        lambda: fail(errors.NonFiniteError(f"said by {own}")))),
    "together": catch(lambda: team.end_together(
        errors.UsageError("own fault") if own == 1 else None)),
    "all well": catch(lambda: team.end_together(None)),
}))
print(json.dumps(catch(lose)))
"""


@pytest.mark.slow
def test_two_workers_agree(tmp_path):
    arguments = [str(tmp_path / "heard")]
    processes = worker_processes.start_workers(TALK, lambda index: arguments)
    written = worker_processes.finish(processes)
    lines = [output.splitlines() for output, _ in written]
    chief, other = (json.loads(of[0]) for of in lines)
    assert (chief["index"], other["index"]) == (0, 1)
    assert (chief["is_chief"], other["is_chief"]) == (True, False)
    for each in (chief, other):
        assert each["any"] == [[True, True, False], [False]]
        assert each["text"] == "\udcffé"
        assert each["array"] == [0, 1, 2, 3, 4]
        assert each["dtype"] == "float16"
        assert each["large"]
        assert each["nothing"] is None
        assert each["failure"] == ["NonFiniteError", "said by 0"]
        assert each["all well"] is None
    assert chief["full"][0] == "OSError"
    assert other["full"] == [
        "RunError",
        "[Errno 28] No space left on device: 'metrics.json'; make room and give the "
        "same command again.",
    ]
    assert chief["together"] == [
        "RunError",
        "Another worker cannot go on; its own message says why.",
    ]
    assert other["together"] == ["UsageError", "own fault"]
    name, message = json.loads(lines[0][1])
    assert name == "RunError"
    assert message.startswith("Another worker of the 2 is gone (")


def test_one_process_answers_itself():
    alone = workers.Workers()
    assert alone.is_chief
    assert alone.any_worker(True, False) == (True, False)
    array = np.arange(3)
    assert alone.broadcast_from_chief(lambda: array) is array
    alone.end_together(None)
    with pytest.raises(errors.RunError, match="own fault"):
        alone.end_together(errors.RunError("own fault"))

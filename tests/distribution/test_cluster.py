"""What a TF_CONFIG may say, and how a wrong one is refused."""

import json

import pytest

from adafilter_tf import errors
from adafilter_tf.distribution import cluster

TWO = ["host0:2222", "host1:2222"]


def config(jobs, job="worker", index=0):
    return json.dumps({"cluster": jobs, "task": {"type": job, "index": index}})


def test_the_first_worker_is_the_chief():
    for index in (0, 1):
        found = cluster.read_cluster(config({"worker": TWO}, index=index))
        assert found == cluster.Cluster(("host0:2222", "host1:2222"), index)


def test_a_job_named_chief_comes_before_the_workers():
    jobs = {"worker": TWO, "chief": ["[::1]:1234"]}
    assert cluster.read_cluster(config(jobs, "chief")).index == 0
    found = cluster.read_cluster(config(jobs, index=1))
    assert found == cluster.Cluster(("[::1]:1234", *TWO), 2)


@pytest.mark.parametrize("text", [None, ""])
def test_no_variable_is_no_cluster(text):
    assert cluster.read_cluster(text) is None


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('{"cluster"', "is not JSON"),
        ("[]", "has no object 'cluster'"),
        ('{"cluster": {"worker": ["a:1"]}}', "has no object 'task'"),
        (config({"worker": ["host0"]}), "no list of host:port as the job 'worker'"),
        (config({"worker": "host0:1"}), "no list of host:port as the job 'worker'"),
        (config({"worker": []}), "has 0 chiefs and 0 workers"),
        (config({"chief": TWO}, "chief"), "has 2 chiefs and 0 workers"),
        (config({"worker": TWO[:1] * 2}), "has one address twice"),
        (config({"worker": TWO}, index=2), "has no 'worker' of index 2"),
        (config({"worker": TWO}, index="0"), "has no 'worker' of index '0'"),
        (config({"worker": TWO}, "evaluator"), "has no 'evaluator' of index 0"),
        (config({"worker": TWO, "ps": TWO}), "has the job 'ps'; allowed are chief"),
    ],
)
def test_a_malformed_variable_is_refused(text, fault):
    with pytest.raises(errors.UsageError) as caught:
        cluster.read_cluster(text)
    message = str(caught.value)
    assert message.startswith(f"Received TF_CONFIG={text}, which ")
    assert fault in message
    assert cluster.EXAMPLE in message

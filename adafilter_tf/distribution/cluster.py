"""The workers of a run on several machines, as the variable TF_CONFIG names them."""

import dataclasses
import json
import re

from adafilter_tf import errors

EXAMPLE = (
    '{"cluster": {"worker": ["host0:2222", "host1:2222"]}, '
    '"task": {"type": "worker", "index": 0}}'
)
_ADDRESS = re.compile(r"[^\s:/]+:[0-9]{1,5}|\[[0-9a-fA-F:.]+\]:[0-9]{1,5}")


@dataclasses.dataclass(frozen=True)
class Cluster:
    """All workers of a run, and which one this process is.

    Attributes:
        addresses: "host:port" of each worker, the chief's first.
        index: This process' index; 0 is the chief.
    """

    addresses: tuple[str, ...]
    index: int


def read_cluster(text: str | None) -> Cluster | None:
    """Returns the cluster that a TF_CONFIG describes, None when there is none.

    Args:
        text: Value of the variable, JSON with the workers, perhaps with one of them as
            "chief", and this process' place among them.

    Raises:
        UsageError: It is not such a description.
    """
    if not text:
        return None
    try:
        config = json.loads(text)
    except ValueError as error:
        raise _error(text, f"is not JSON ({error})") from error
    jobs, task = _take(text, config, "cluster"), _take(text, config, "task")
    unknown = sorted(set(jobs) - {"chief", "worker"})
    if unknown:
        raise _error(text, f"has the job {unknown[0]!r}; allowed are chief and worker")
    for job, addresses in jobs.items():
        if not isinstance(addresses, list) or not all(
            isinstance(address, str) and _ADDRESS.fullmatch(address)
            for address in addresses
        ):
            raise _error(text, f"has no list of host:port as the job {job!r}")
    chiefs, others = jobs.get("chief", []), jobs.get("worker", [])
    addresses = (*chiefs, *others)
    if len(chiefs) > 1 or not addresses:
        raise _error(text, f"has {len(chiefs)} chiefs and {len(others)} workers")
    if len(set(addresses)) < len(addresses):
        raise _error(text, "has one address twice")
    return Cluster(addresses, _find_index(text, task, chiefs, others))


def _find_index(text, task, chiefs, others) -> int:
    job, index = task.get("type"), task.get("index")
    own = {"chief": chiefs, "worker": others}.get(job, [])
    if not isinstance(index, int) or not 0 <= index < len(own):
        raise _error(text, f"has no {job!r} of index {index!r}, which its task names")
    return index + (len(chiefs) if job == "worker" else 0)


def _take(text, config, name) -> dict:
    part = config.get(name) if isinstance(config, dict) else None
    if not isinstance(part, dict):
        raise _error(text, f"has no object {name!r}")
    return part


def _error(text: str, fault: str) -> errors.UsageError:
    return errors.UsageError(
        f"Received TF_CONFIG={' '.join(text.split())[:300]}, which {fault}; needed is "
        f"such as {EXAMPLE}, with another index in each process."
    )

"""Latency and throughput of model servers under concurrent clients, side by side.

    python -m tools.serving_load --images=photos --clients=1,2,4,8,16,32 \
        --servers=gated=127.0.0.1:8500,plain=127.0.0.1:8510

Each client sends one image a request over gRPC and waits for the answer. The servers
take turns for every number of clients, in several rounds, so that what else the machine
does meets them alike; ratios are taken within a round. Needs no more of a server than
TensorFlow Serving's PredictionService.
"""

import contextlib
import dataclasses
import itertools
import json
import pathlib
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent import futures

import adafilter_tf.cli.startup  # noqa: F401  # isort: skip - before TensorFlow

from absl import app, flags

from adafilter_tf import errors
from adafilter_tf.prediction import image_files
from adafilter_tf.serving.client import endpoint as endpoint_lib
from adafilter_tf.serving.client import grpc_calls

_TIMEOUT_S = 60.0


@dataclasses.dataclass(frozen=True)
class Load:
    """What a server did in one round.

    Attributes:
        p50_ms, p95_ms: Percentiles of a request's time at the client, milliseconds.
        per_second: Answered requests per second.
    """

    p50_ms: float
    p95_ms: float
    per_second: float


def measure(
    predict: Callable, images: Sequence[bytes], num_clients: int, num_requests: int
) -> Load:
    """Lets clients send requests of one image until all are answered.

    Args:
        predict: From a list of image files to outputs; called from many threads.
        images: Sent in turn.
        num_clients: How many wait for an answer at a time.
        num_requests: Of all clients together.
    """

    def ask(image):
        started = time.perf_counter()
        predict([image])
        return time.perf_counter() - started

    sent = list(itertools.islice(itertools.cycle(images), num_requests))
    started = time.perf_counter()
    with futures.ThreadPoolExecutor(num_clients) as clients:
        times = sorted(clients.map(ask, sent))
    seconds = time.perf_counter() - started
    return Load(
        p50_ms=1e3 * statistics.median(times),
        p95_ms=1e3 * times[min(len(times) - 1, int(0.95 * len(times)))],
        per_second=num_requests / seconds,
    )


def compare(
    servers: Mapping[str, Callable],
    images: Sequence[bytes],
    *,
    clients: Sequence[int],
    num_requests: int,
    rounds: int,
) -> list[dict]:
    """Measures every server with every number of clients.

    Returns:
        A row per number of clients and server: its medians over the rounds, and of
        each ratio to the first server the median, lowest and highest.
    """
    first = next(iter(servers))
    for predict in servers.values():
        measure(predict, images, 1, len(images))  # The first answers are slow.
    rows = []
    for num_clients in clients:
        found = [
            {
                name: measure(predict, images, num_clients, num_requests)
                for name, predict in servers.items()
            }
            for _ in range(rounds)
        ]
        for name in servers:
            ratios = sorted(of[name].per_second / of[first].per_second for of in found)
            medians = {
                field.name: statistics.median(
                    getattr(of[name], field.name) for of in found
                )
                for field in dataclasses.fields(Load)
            }
            rows.append(
                {
                    "clients": num_clients,
                    "server": name,
                    **medians,
                    "throughput_ratio": statistics.median(ratios),
                    "throughput_ratio_low": ratios[0],
                    "throughput_ratio_high": ratios[-1],
                }
            )
    return rows


def format_rows(rows: Sequence[Mapping]) -> str:
    """Returns the rows as a Markdown table."""
    lines = [
        "| Clients | Server | p50 ms | p95 ms | Requests / s | Throughput ratio |",
        "| ---: | --- | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        lines.append(
            f"| {row['clients']} | {row['server']} | {row['p50_ms']:.1f} "
            f"| {row['p95_ms']:.1f} | {row['per_second']:.1f} "
            f"| {row['throughput_ratio']:.2f} ({row['throughput_ratio_low']:.2f} to "
            f"{row['throughput_ratio_high']:.2f}) |"
        )
    return "\n".join(lines)


def parse_servers(texts: Sequence[str]) -> dict[str, str]:
    """Returns addresses by name.

    Raises:
        errors.UsageError: A text is not NAME=host:port, or a name comes twice.
    """
    servers = dict(text.partition("=")[::2] for text in texts)
    if not texts or len(servers) < len(texts) or not all(servers.values()):
        raise errors.UsageError(
            f"Received --servers={','.join(texts)}; needed are one or more different "
            "NAME=host:port, separated by commas."
        )
    return servers


def parse_clients(texts: Sequence[str]) -> list[int]:
    """Returns the numbers of clients.

    Raises:
        errors.UsageError: A text is no integer from 1 on.
    """
    if not texts or not all(text.isdecimal() and int(text) for text in texts):
        raise errors.UsageError(
            f"Received --clients={','.join(texts)}; needed are integers from 1 on, "
            "such as 1,8,32."
        )
    return [int(text) for text in texts]


def run(values: flags.FlagValues) -> None:
    """Measures and prints."""
    clients = parse_clients(values.clients)
    endpoints = {
        name: endpoint_lib.Endpoint(
            address=address,
            protocol="grpc",
            model=values.model,
            version=None,
            signature=values.signature,
            timeout_s=_TIMEOUT_S,
        )
        for name, address in parse_servers(values.servers).items()
    }
    paths = image_files.list_images(values.images)[: values.requests]
    images = [pathlib.Path(path).read_bytes() for path in paths]
    with contextlib.ExitStack() as connections:
        servers = {
            name: connections.enter_context(grpc_calls.connect(endpoint))
            for name, endpoint in endpoints.items()
        }
        try:
            rows = compare(
                servers,
                images,
                clients=clients,
                num_requests=values.requests,
                rounds=values.rounds,
            )
        except endpoint_lib.RequestError as error:
            raise errors.RunError(
                f"{error.status}: {error.reason}. Check --servers, --model and "
                "--signature."
            ) from error
    print(json.dumps(rows, indent=2) if values.json else format_rows(rows))


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the flags; called by the script, so that an import defines none."""
    flags.DEFINE_list(
        "servers",
        [],
        "NAME=host:port of each server; ratios are to the first.",
        flag_values=values,
    )
    flags.DEFINE_list("images", [], "Files, folders and globs.", flag_values=values)
    flags.DEFINE_list(
        "clients", ["1", "8", "32"], "Numbers of clients.", flag_values=values
    )
    for name, default, text in (
        ("model", "adafilter", "Name of the model on every server."),
        ("signature", "serving_default", "Which one is asked."),
    ):
        flags.DEFINE_string(name, default, text, flag_values=values)
    for name, number, text in (
        ("requests", 200, "Of all clients together, in a round."),
        ("rounds", 5, "How often each server is measured."),
    ):
        flags.DEFINE_integer(name, number, text, lower_bound=1, flag_values=values)
    flags.DEFINE_boolean("json", False, "Rows as JSON.", flag_values=values)


def main(argv: list[str]) -> None:
    """Runs the tool; a deliberate error is one line on stderr and an exit code."""
    try:
        if argv[1:]:
            raise errors.UsageError(
                f"Unexpected arguments {argv[1:]}; every option starts with --."
            )
        run(flags.FLAGS)
    except errors.RunError as error:
        print(f"serving_load: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    define_flags()
    app.run(main)

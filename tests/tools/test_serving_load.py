import json
import subprocess
import sys
import threading
import time

import pytest

from adafilter_tf import errors
from tests.tools import prediction_servicer, served_colours
from tools import serving_load


def test_load_of_a_server_of_known_speed():
    """One request at a time, each of 10 ms, whatever the number of clients."""
    lock = threading.Lock()

    def predict(images):
        assert images == [b"image"]
        with lock:
            time.sleep(0.01)

    load = serving_load.measure(predict, [b"image"], 4, 40)
    # Sleeps are never shorter; on a busy machine they are longer.
    assert load.per_second <= 100
    assert load.p50_ms >= 10
    assert load.p95_ms >= load.p50_ms


def test_ratios_are_to_the_first_server(monkeypatch):
    """By a clock that only the servers move."""
    now = [0.0]

    def wait(seconds):
        now[0] += seconds

    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    rows = serving_load.compare(
        {"slow": lambda _: wait(0.02), "fast": lambda _: wait(0.005)},
        [b""],
        clients=[1],
        num_requests=5,
        rounds=3,
    )
    assert [row["server"] for row in rows] == ["slow", "fast"]
    assert rows[0]["throughput_ratio"] == 1
    assert rows[1]["throughput_ratio_low"] == pytest.approx(4)


def test_rows_become_a_table():
    row = {
        "clients": 8,
        "server": "plain",
        "p50_ms": 12.34,
        "p95_ms": 56.78,
        "per_second": 90.12,
        "throughput_ratio": 1.234,
        "throughput_ratio_low": 1.1,
        "throughput_ratio_high": 1.3,
    }
    assert serving_load.format_rows([row]).splitlines()[-1] == (
        "| 8 | plain | 12.3 | 56.8 | 90.1 | 1.23 (1.10 to 1.30) |"
    )


@pytest.mark.parametrize(
    "texts", [[], ["127.0.0.1:8500"], ["a=", "b=h:1"], ["a=h:1", "a=h:2"]]
)
def test_servers_need_names_and_addresses(texts):
    with pytest.raises(errors.UsageError, match="different NAME=host:port"):
        serving_load.parse_servers(texts)


@pytest.mark.parametrize("texts", [[], ["0"], ["1", "x"]])
def test_numbers_of_clients_are_positive(texts):
    with pytest.raises(errors.UsageError, match="integers from 1 on"):
        serving_load.parse_clients(texts)


def load(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "tools.serving_load", *arguments],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.mark.slow
def test_command_measures_a_server_and_names_one_that_is_away(tmp_path):
    served_colours.save(tmp_path / "export", 1)
    (tmp_path / "a.png").write_bytes(served_colours.png((1, 2, 3)))
    images = f"--images={tmp_path / 'a.png'}"
    with prediction_servicer.start(tmp_path / "export", "colours") as ports:
        done = load(
            images,
            "--json",
            "--model=colours",
            f"--servers=one=127.0.0.1:{ports['grpc']}",
            "--clients=1,3",
            "--requests=6",
            "--rounds=2",
        )
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert [row["clients"] for row in rows] == [1, 3]
    assert all(row["p95_ms"] >= row["p50_ms"] > 0 for row in rows)
    away = load(images, f"--servers=one=127.0.0.1:{ports['grpc']}")
    assert away.returncode == 1
    assert away.stderr.splitlines()[-1].startswith("serving_load: UNAVAILABLE")
    assert "Traceback" not in away.stderr

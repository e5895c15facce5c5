import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from absl import flags

from adafilter_tf import errors
from tools import benchmark
from tools.benchmarks import interleaving, memory, photographs, report, subjects

TINY = [
    "--backbone=resnet14",
    "--image_size=16",
    "--batch_size=2",
    "--rounds=2",
    "--warm_up=1",
    "--gate_from=stage3",
    "--inference_batch_sizes=1,3",
]


def parse(*arguments):
    values = flags.FlagValues()
    benchmark.define_flags(values)
    values(["benchmark", *TINY, *arguments])
    return values


def test_functions_take_turns_after_the_warm_up():
    calls = []
    times = interleaving.measure(
        {name: lambda name=name: calls.append(name) for name in "AB"},
        rounds=3,
        warm_up=2,
    )
    assert "".join(calls) == "AABB" + "ABABAB"
    assert {name: each.wall.shape for name, each in times.items()} == {
        "A": (3,),
        "B": (3,),
    }


def test_ratios_are_taken_round_by_round():
    """A machine that gets four times slower on the way does not change them."""
    reference = np.array([1.0, 2.0, 4.0, 1.0, 2.0])
    ratio = interleaving.divide(
        reference * np.array([1.0, 2.0, 3.0, 4.0, 5.0]), reference
    )
    assert ratio == interleaving.Ratio(median=3.0, lower=2.0, upper=4.0)


def test_report_gives_the_same_values_as_lines_and_as_data():
    results = report.Report()
    second = np.ones(3)
    times = {
        "plain": interleaving.Times(second, second),
        "gated": interleaving.Times(2 * second, 1.5 * second),
    }
    results.add_times("inference", times, "plain", "batch_8")
    data = results.to_dict()
    assert data["inference_ratio"]["batch_8"] == {"plain": 1.0, "gated": 2.0}
    assert data["inference_processor_ratio"]["batch_8"]["gated"] == 1.5
    assert data["spread"]["inference_ratio"]["batch_8"]["gated"] == [2.0, 2.0]
    lines = [line.split(maxsplit=1) for line in results.format().splitlines()]
    assert ["inference_ratio.batch_8.gated", "2.000  [2.000, 2.000]"] in lines


def test_photographs_differ_and_have_the_usual_size(tmp_path):
    examples = photographs.write(tmp_path, 6)
    images = [np.array(keras.utils.load_img(path)) for path in examples.paths]
    assert {image.shape for image in images} == {(375, 500, 3)}
    assert len({image.tobytes() for image in images}) == 6
    assert set(examples.labels) == {0, 1, 2, 3}


def test_every_stage_of_a_backbone_is_gated_from():
    settings = subjects.Settings("resnet50", 32, batch_size=2, jit_compile=False)
    assert list(subjects.list_methods(settings)) == [
        "fine_tuning",
        "adafilter",
        *(f"adafilter_from_conv{stage}" for stage in (2, 3, 4, 5)),
        "spottune",
    ]


@pytest.mark.slow
def test_training_and_files_are_measured():
    data = benchmark.run(parse("--sections=training,size")).to_dict()
    assert list(data["train_step_ratio"]) == [
        "fine_tuning",
        "adafilter",
        "adafilter_from_stage3",
        "adafilter_from_stage3_cached",
        "spottune",
    ]
    assert data["train_step_ratio"]["fine_tuning"] == 1.0
    assert min(data["train_step_seconds"].values()) > 0
    assert "memory" not in str(data)
    plain = subjects.build_model(
        subjects.Settings("resnet14", 16, 2, False), "fine_tuning"
    )
    assert data["parameters"]["plain"] == plain.count_params()
    assert data["file_bytes"]["gated"] > 4 * data["parameters"]["gated"]
    assert data["parameters"]["exported"] < data["parameters"]["gated"]


@pytest.mark.slow
def test_inference_is_measured_at_each_batch_size():
    data = benchmark.run(parse("--sections=inference")).to_dict()
    assert list(data["inference_ratio"]) == ["batch_1", "batch_3"]
    assert data["inference_ratio"]["batch_3"]["plain"] == 1.0
    forms = ["plain", "gated", "exported", "plain_exported"]
    assert list(data["inference_ratio"]["batch_3"]) == forms
    assert min(data["inference_seconds"]["batch_3"].values()) > 0
    assert data["image_dependent_fraction"]["exported"] == 1


def test_share_of_the_gates_that_depend_on_the_image_is_chosen():
    data = benchmark.run(
        parse("--sections=size", "--dependent_fraction=0.25")
    ).to_dict()
    assert data["image_dependent_fraction"]["exported"] == pytest.approx(0.25, abs=0.05)


@pytest.mark.slow
def test_input_is_measured():
    data = benchmark.run(parse("--sections=input")).to_dict()
    assert 0 < data["input_wait_share"] < 1
    assert list(data["images_per_second"]) == ["pipeline", "keras", "keras_antialiased"]


@pytest.mark.slow  # a process for each
def test_peak_memory_grows_by_what_is_allocated():
    peaks = [
        memory.measure(
            subjects.Settings("resnet14", 16, batch_size, False), "fine_tuning"
        )
        for batch_size in (2, 256)
    ]
    # 254 images more, of which each layer keeps at least its output.
    assert peaks[1] - peaks[0] > 254 * 16 * 16 * 32 * 4


@pytest.mark.slow  # a process
def test_other_backends_are_measured():
    pytest.importorskip("jax")
    command = [sys.executable, "-m", "tools.benchmark", *TINY, "--json"]
    done = subprocess.run(
        [*command, "--sections=training"],
        env={**os.environ, "KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)
    assert data["keras_backend"] == "jax"
    assert data["train_step_ratio"]["fine_tuning"] == 1.0


@pytest.mark.slow  # a process
def test_process_that_fails_is_named():
    settings = subjects.Settings("resnet14", 16, 2, False)
    with pytest.raises(errors.RunError, match="memory of no_method ended with 1: Key"):
        memory.measure(settings, "no_method")


def test_unknown_section_is_an_error():
    with pytest.raises(errors.UsageError, match="--sections=speed; allowed are"):
        benchmark.run(parse("--sections=speed"))


def test_folder_without_a_model_is_an_error(tmp_path):
    with pytest.raises(errors.RunError, match="it has no model.keras"):
        benchmark.run(parse("--sections=size", f"--run={tmp_path}"))

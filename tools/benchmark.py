"""Measures training steps, inference, memory, files and the input pipeline.

    python -m tools.benchmark
    python -m tools.benchmark --backbone=resnet14 --batch_size=16 --rounds=10
    KERAS_BACKEND=jax python -m tools.benchmark --sections=training --json

Everything is measured in one process, the methods in turn on the same batch, and each
ratio is the median of the ratios within the rounds; in brackets the quartiles. Ratios
are to standard fine-tuning, or to the plain backbone. `processor_ratio` compares the
seconds that the process spent on all cores, which other programs of a busy machine
change little. Only memory takes processes of its own: the order in which a step's
operations run decides when what is freed, so one peak in several is far too high.
ResNet50 at 224 pixels takes about half an hour on two cores.
"""

import json
import pathlib
import statistics
import sys
import tempfile
from typing import Any

from adafilter_tf.cli import startup  # noqa: F401  # isort: skip - before TensorFlow

import keras
import numpy as np
from absl import app, flags

from adafilter_tf import errors, training
from adafilter_tf.models import backbones
from tools.benchmarks import (
    devices,
    inference,
    input_wait,
    interleaving,
    memory,
    photographs,
    report,
    subjects,
    training_steps,
)

SECTIONS = ("training", "inference", "memory", "size", "input")
_BATCHES_OF_PHOTOGRAPHS = 16


def run(values: flags.FlagValues) -> report.Report:
    """Measures the sections that were asked for.

    Raises:
        UsageError: When a section or the backbone is unknown.
    """
    settings = _make_settings(values)
    turns = {"rounds": values.rounds, "warm_up": values.warm_up}
    results = report.Report()
    _describe(results, settings, values)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        if "training" in values.sections:
            times = training_steps.measure(settings, **turns)
            results.add_times("train_step", times, subjects.REFERENCE)
            keras.backend.clear_session()
        if {"inference", "memory", "size"} & set(values.sections):
            _measure_forms(results, settings, values, folder)
        if "memory" in values.sections:
            names = subjects.list_methods(settings)
            _add_memory(
                results,
                "training",
                {n: n for n in names},
                settings,
                values.memory_rounds,
            )
        if "input" in values.sections:
            _measure_input(results, settings, folder / "photographs", turns)
    return results


def _make_settings(values) -> subjects.Settings:
    unknown = set(values.sections) - set(SECTIONS)
    if unknown:
        raise errors.UsageError(
            f"Received --sections={','.join(values.sections)}; allowed are "
            f"{', '.join(SECTIONS)}."
        )
    jit_compile = values.jit_compile == "on"
    if values.jit_compile == "auto":
        jit_compile = devices.describe() != "CPU"
    return subjects.Settings(
        backbone=values.backbone,
        image_size=values.image_size or backbones.get_spec(values.backbone).image_size,
        batch_size=values.batch_size,
        jit_compile=jit_compile,
        gate_from=None if values.gate_from is None else tuple(values.gate_from),
    )


def _describe(results, settings, values) -> None:
    for name, value in (
        ("keras_backend", keras.backend.backend()),
        ("device", devices.describe()),
        ("backbone", settings.backbone),
        ("image_size", settings.image_size),
        ("batch_size", settings.batch_size),
        ("rounds", values.rounds),
        ("jit_compile", settings.jit_compile),
        ("run", values.run or "none: random weights"),
    ):
        results.add((name,), value)


def _measure_forms(results, settings, values, folder: pathlib.Path) -> None:
    forms = inference.build_forms(settings, values.run, values.dependent_fraction)
    results.add(("image_dependent_fraction", "exported"), forms.dependent_fraction)
    results.add(("changed_fraction", "exported"), forms.changed_fraction)
    if "inference" in values.sections:
        sizes = [int(size) for size in values.inference_batch_sizes]
        times = inference.measure(
            forms, settings, sizes, rounds=values.rounds, warm_up=values.warm_up
        )
        for size, each in times.items():
            results.add_times("inference", each, inference.PLAIN, f"batch_{size}")
    paths = inference.save_files(forms, folder)
    if "size" in values.sections:
        for name, model in forms.models.items():
            for kind, count in training.count_parameters(model).items():
                results.add((kind, name), count)
            results.add(("file_bytes", name), paths[name].stat().st_size)
    if "memory" in values.sections:
        _add_memory(results, "inference", paths, settings, values.memory_rounds)


def _add_memory(results, kind: str, subjects_by_name: dict, settings, rounds) -> None:
    peaks: dict[str, list[float]] = {name: [] for name in subjects_by_name}
    for _ in range(rounds):
        for name, subject in subjects_by_name.items():
            peaks[name].append(memory.measure(settings, str(subject)))
    reference, *_ = peaks.values()
    for name, each in peaks.items():
        results.add(("peak_memory_bytes", kind, name), statistics.median(each))
        ratio = interleaving.divide(np.array(each), np.array(reference))
        results.add(("peak_memory_ratio", kind, name), ratio)


def _measure_input(results, settings, folder: pathlib.Path, turns: dict) -> None:
    count = _BATCHES_OF_PHOTOGRAPHS * settings.batch_size
    examples = photographs.write(folder, count)
    share = input_wait.measure_wait(examples, settings, **turns)
    results.add(("input_wait_share",), share)
    times = input_wait.measure_pipelines(examples, settings, **turns)
    results.add_times("input_pass", times, "keras_antialiased")
    images = count * input_wait.PASSES
    for name, each in times.items():
        rate = images / statistics.median(each.wall)
        results.add(("images_per_second", name), rate)


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the flags; called by the script, so that an import defines none."""
    options: dict[str, Any] = {"flag_values": values}
    flags.DEFINE_enum(
        "backbone", "resnet50", list(backbones.BACKBONES), "Its name.", **options
    )
    flags.DEFINE_integer(
        "image_size", None, "Pixels; none for the backbone's usual size.", **options
    )
    flags.DEFINE_list("sections", list(SECTIONS), "What is measured.", **options)
    flags.DEFINE_list(
        "gate_from", None, "From where on to gate; none for each stage.", **options
    )
    flags.DEFINE_list(
        "inference_batch_sizes", ["1", "8", "32"], "Images per batch.", **options
    )
    flags.DEFINE_string(
        "run",
        None,
        "--output_dir of a finished training with gates, for the forms of inference; "
        "none for random weights.",
        **options,
    )
    flags.DEFINE_float(
        "dependent_fraction",
        1.0,
        "Without --run: share of the filters whose gates depend on the image.",
        lower_bound=0.0,
        upper_bound=1.0,
        **options,
    )
    flags.DEFINE_enum(
        "jit_compile",
        "auto",
        ["auto", "on", "off"],
        "XLA for the training step in TensorFlow; auto: on a GPU.",
        **options,
    )
    for name, default, text in (
        ("batch_size", 8, "Images per training step."),
        ("rounds", 10, "How often each function is timed."),
        ("warm_up", 2, "How often each function is called before."),
        ("memory_rounds", 3, "Processes of each subject whose peak memory is read."),
    ):
        flags.DEFINE_integer(name, default, text, lower_bound=1, **options)
    flags.DEFINE_boolean("json", False, "Print JSON.", **options)


def main(argv: list[str]) -> None:
    """Runs the tool; a deliberate error is one line on stderr and an exit code."""
    try:
        if argv[1:]:
            raise errors.UsageError(
                f"Unexpected arguments {argv[1:]}; every option starts with --."
            )
        results = run(flags.FLAGS)
    except errors.RunError as error:
        print(f"benchmark: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    if flags.FLAGS.json:
        print(json.dumps(results.to_dict(), indent=2))
    else:
        print(results.format())


if __name__ == "__main__":
    define_flags()
    app.run(main)

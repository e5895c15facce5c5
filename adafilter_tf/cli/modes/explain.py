"""--mode=explain: a page on a finished run's gates and errors."""

import pathlib
import re

from absl import flags

from adafilter_tf.cli import finished_run, run_report
from adafilter_tf.evaluation.explanation import explain


def run(values: flags.FlagValues) -> None:
    """Writes the page and its data into the run's directory; prints a summary."""
    summary, html, data = write_page(values)
    print("\n".join([*summary, f"Page  {html}", f"Data  {data}"]))


def write_page(
    values: flags.FlagValues,
) -> tuple[list[str], pathlib.Path, pathlib.Path]:
    """Writes the page and its data; returns its summary in lines, and both paths."""
    folder = finished_run.open_run(values)
    model, spec = finished_run.load_model(values, folder)
    split, examples, _ = finished_run.load_examples(
        values, folder, values.explain_split, channels=spec.channels
    )
    sample = explain.draw_sample(examples, values.explain_images, values.seed)
    report = explain.describe(
        model,
        sample,
        run_report.gather_facts(
            values,
            folder,
            values.method,
            split,
            sampled_from=None if len(sample) == len(examples) else len(examples),
        ),
        spec,
        batch_size=values.batch_size,
        projection=values.explain_projection,
    )
    return (
        report["summary"],
        *explain.write_report(report, folder.root / _choose_name(values, split)),
    )


def _choose_name(values: flags.FlagValues, split: str) -> str:
    if not values.evaluate_on:
        return f"explain_{split}"
    words = re.sub(r"[^A-Za-z0-9]+", "_", f"{values.evaluate_on} {split}").strip("_")
    return f"explain_{words}"

"""--mode=explain: a page on a finished run's gates and errors."""

import json
import pathlib
import re

from absl import flags

from adafilter_tf import layers
from adafilter_tf.cli import finished_run
from adafilter_tf.evaluation.explanation import explain
from adafilter_tf.runs import run_dir

_TEST_NOTE = (
    "These are test images: settings that are chosen by this page need other test "
    "images afterwards."
)


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
    whole = len(sample) == len(examples)
    report = explain.describe(
        model,
        sample,
        _gather_facts(values, folder, model, split, len(examples), whole),
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


def _gather_facts(
    values: flags.FlagValues,
    folder: run_dir.RunDir,
    model,
    split: str,
    num_available: int,
    whole: bool,
) -> explain.RunFacts:
    source = values.evaluate_on or values.dataset
    images = "images" if split == "all" else f"{split} images"
    part = "" if whole else f" (sampled from {num_available:,})"
    by_block = any(isinstance(layer, layers.BlockRoute) for layer in model.layers)
    return explain.RunFacts(
        method=values.method,
        unit="block" if by_block else "filter",
        images_from=f"the {images} of {source}{part}",
        settings={
            "run": str(folder.root),
            "method": values.method,
            "backbone": values.backbone,
            "trained on": values.dataset,
            "seed": str(values.seed),
            "image size": f"{values.image_size} pixels",
        },
        note=_TEST_NOTE if split in ("test", "all") and not values.evaluate_on else "",
        baselines=_read_baselines(values, folder, split) if whole else (),
    )


def _read_baselines(
    values: flags.FlagValues, folder: run_dir.RunDir, split: str
) -> list[dict]:
    """Returns the accuracies of the baselines that were trained beside the run."""
    found: list[dict] = []
    if values.evaluate_on:
        return found
    for path in sorted(folder.root.glob("baseline_*/metrics.json")):
        metrics = json.loads(path.read_text(encoding="utf-8"))
        if f"{split}_accuracy" in metrics:
            accuracy = metrics[f"{split}_accuracy"]
            found.append({"method": metrics["method"], "accuracy": accuracy})
    return found

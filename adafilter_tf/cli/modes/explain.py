"""--mode=explain: a page on a finished run's gates and errors."""

import json
import re

from absl import flags

from adafilter_tf import layers
from adafilter_tf.cli import finished_run
from adafilter_tf.evaluation.explanation import explain
from adafilter_tf.runs import run_dir

FLAGS = flags.FLAGS

_TEST_NOTE = (
    "These are test images: settings that are chosen by this page need other test "
    "images afterwards."
)


def run() -> None:
    """Writes the page and its data into the run's directory; prints a summary."""
    folder = finished_run.open_run()
    model, spec = finished_run.load_model(folder)
    split, examples, _ = finished_run.load_examples(
        folder, FLAGS.explain_split, channels=spec.channels
    )
    sample = explain.draw_sample(examples, FLAGS.explain_images, FLAGS.seed)
    whole = len(sample) == len(examples)
    report = explain.describe(
        model,
        sample,
        _gather_facts(folder, model, split, len(examples), whole),
        spec,
        batch_size=FLAGS.batch_size,
        projection=FLAGS.explain_projection,
    )
    html, data = explain.write_report(report, folder.root / _choose_name(split))
    print("\n".join([*report["summary"], f"Page  {html}", f"Data  {data}"]))


def _choose_name(split: str) -> str:
    if not FLAGS.evaluate_on:
        return f"explain_{split}"
    words = re.sub(r"[^A-Za-z0-9]+", "_", f"{FLAGS.evaluate_on} {split}").strip("_")
    return f"explain_{words}"


def _gather_facts(
    folder: run_dir.RunDir, model, split: str, num_available: int, whole: bool
) -> explain.RunFacts:
    source = FLAGS.evaluate_on or FLAGS.dataset
    images = "images" if split == "all" else f"{split} images"
    part = "" if whole else f" (sampled from {num_available:,})"
    by_block = any(isinstance(layer, layers.BlockRoute) for layer in model.layers)
    return explain.RunFacts(
        method=FLAGS.method,
        unit="block" if by_block else "filter",
        images_from=f"the {images} of {source}{part}",
        settings={
            "run": str(folder.root),
            "method": FLAGS.method,
            "backbone": FLAGS.backbone,
            "trained on": FLAGS.dataset,
            "seed": str(FLAGS.seed),
            "image size": f"{FLAGS.image_size} pixels",
        },
        note=_TEST_NOTE if split in ("test", "all") and not FLAGS.evaluate_on else "",
        baselines=_read_baselines(folder, split) if whole else (),
    )


def _read_baselines(folder: run_dir.RunDir, split: str) -> list[dict]:
    """Returns the accuracies of the baselines that were trained beside the run."""
    found: list[dict] = []
    if FLAGS.evaluate_on:
        return found
    for path in sorted(folder.root.glob("baseline_*/metrics.json")):
        metrics = json.loads(path.read_text(encoding="utf-8"))
        if f"{split}_accuracy" in metrics:
            accuracy = metrics[f"{split}_accuracy"]
            found.append({"method": metrics["method"], "accuracy": accuracy})
    return found

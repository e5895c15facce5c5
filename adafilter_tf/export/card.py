"""The model card inside a SavedModel: data, input, metrics, training, versions."""

import platform
from collections.abc import Mapping, Sequence

import keras
import tensorflow as tf

FILE_NAME = "model_card.md"

_CARD = """\
# {backbone}, fine-tuned by {method}

A classifier of {num_classes} classes, made by adafilter_tf.

## Intended use

Images like those of the data set below, each of one of its {num_classes} classes. The
model names a class for every image, also for one of none of them, and its probabilities
are not calibrated. On images of another origin its accuracy is unknown until it is
measured: `adafilter evaluate RUN DATA`.

## Data

`--dataset={dataset}`, split with seed {seed}.

| Split | Images |
| --- | ---: |
{splits}

Classes: {classes}. Indices: `assets/labels.txt`.

## Input

`image_bytes` takes JPEG, PNG, GIF (the first image), WebP that is not animated, and BMP
with 24 bits. A file with more pixels than one of its size may have is refused.

## Measured

| | Validation | Test |
| --- | ---: | ---: |
{metrics}

Every image of a split is scored once. adafilter_tf used no test image to choose
anything.
{per_class}{gates}{fold}
## How it was trained

{steps} steps, {train_seconds:.0f} seconds, {trainable_parameters:,} of {parameters:,}
parameters trained. The flags:

```
{flags}
```

## Licences

The pre-trained weights (`--backbone={backbone}`) and the images have licences of
their own, which apply to this model as well; adafilter_tf is under Apache 2.0.

## Use

In Python, with adafilter_tf and the run's folder RUN:

```
import adafilter_tf

run = adafilter_tf.load_run("RUN")
print(run.predict(["image.jpg"]))
```

With TensorFlow alone, from the run's SavedModel:

```
import tensorflow as tf

serve = tf.saved_model.load("RUN/export/1").signatures["serving_default"]
answer = serve(image_bytes=tf.constant([open("image.jpg", "rb").read()]))
print(answer["classes"], answer["top_k_scores"])
```

## Versions

TensorFlow {tensorflow}, Keras {keras}, Python {python}.
"""

_FACTS = (
    "method",
    "backbone",
    "dataset",
    "seed",
    "num_classes",
    "steps",
    "train_seconds",
    "trainable_parameters",
    "parameters",
)
_SPLITS = ("validation", "test")
_METRICS = (
    ("Accuracy", "accuracy", "{:.2%}"),
    ("Mean per-class accuracy", "mean_per_class_accuracy", "{:.2%}"),
    ("Cross-entropy, nats", "loss", "{:.4f}"),
    ("Images", "examples", "{:,}"),
)
_GATES = """
Gates on the test images: {tuned_fraction:.1%} of the gates are tuned,
{image_dependent_fraction:.1%} of the filters depend on the image.
"""

# The metrics without which there is no card.
NEEDS = {
    **{name: float for name in _FACTS},
    **{f"{split}_{name}": float for split in _SPLITS for _, name, _ in _METRICS},
    **{name: str for name in ("method", "backbone", "dataset")},
}
_FOLD = """
## Folding

The network was folded for inference: {fold}.

| | |
| --- | ---: |
| Predictions that changed | {changed_predictions} of {validation_images:,} validation images |
| Greatest change of a probability | {greatest_difference} |
| Gates that depend on the image | {dependent_fraction:.1%} of {filters:,} |
| Training images that decided which | {calibration_images:,} |
| Multiply-adds per image | {multiply_adds:,} |
| Times those of the plain network | {cost_ratio:.3f} |

{left}
"""  # noqa: E501 - a row of the table is a line


def format_card(
    metrics: Mapping,
    *,
    num_images: Mapping[str, int],
    class_names: Sequence[str],
    flags: str,
    fold: Mapping | None = None,
) -> str:
    """Returns the card of a finished run in Markdown.

    Args:
        metrics: The run's metrics, as in its metrics.json.
        num_images: By split.
        class_names: In the order of the model's outputs.
        flags: The flagfile that repeats the run.
        fold: See `calibration.FoldReport`; None if nothing was folded.
    """
    rows = [
        f"| {title} | "
        + " | ".join(text.format(metrics[f"{split}_{name}"]) for split in _SPLITS)
        + " |"
        for title, name, text in _METRICS
    ]
    is_gated = "tuned_fraction" in metrics
    return _CARD.format(
        **{name: metrics[name] for name in _FACTS},
        splits="\n".join(f"| {name} | {n:,} |" for name, n in num_images.items()),
        classes=", ".join(class_names),
        metrics="\n".join(rows),
        per_class=_format_classes(metrics.get("test_accuracy_per_class", {})),
        gates=_GATES.format(**metrics) if is_gated else "",
        fold=_format_fold(fold) if fold else "",
        flags=flags.strip(),
        tensorflow=tf.__version__,
        keras=keras.__version__,
        python=platform.python_version(),
    )


def _format_classes(accuracies: Mapping[str, float]) -> str:
    if not accuracies:
        return ""
    lowest_first = sorted(accuracies.items(), key=lambda pair: pair[1])
    cells = [(name.replace("|", "\\|"), share) for name, share in lowest_first]
    rows = "\n".join(f"| {name} | {share:.1%} |" for name, share in cells)
    return f"\n| Class, lowest first | Accuracy on test |\n| --- | ---: |\n{rows}\n"


def _format_fold(fold: Mapping) -> str:
    difference = fold["greatest_difference"]
    kept = ", ".join(f"`{name}`" for name in fold["kept"])
    left = "Gates that do not depend on the image are folded into the weights."
    if kept:
        left += f" Not folded: {kept}."
    if fold["fold"] == "exact" and fold["calibrated_changed_predictions"]:
        left += (
            " Calibrated folding would have changed "
            f"{fold['calibrated_changed_predictions']} predictions and was not used."
        )
    values = {
        **fold,
        "greatest_difference": "none" if difference is None else f"{difference:.1e}",
    }
    return _FOLD.format(**values, left=left)

"""Writes a backbone's weights with a card that says how they were made."""

import dataclasses
import hashlib
import os
import re
import textwrap

import keras
import tensorflow as tf

from adafilter_tf.files import atomic
from adafilter_tf.models.backbones import resnet14
from tools import source_task

_CARD = """\
# {stem}

Weights of the backbone `{backbone}` ({parameters:,} parameters, {kilobytes:,.0f} kB),
pre-trained on {source}. The head of the source task is not in the file.

## Data

{origin}

| Split | Images |
|---|---:|
| training | {train_examples:,} |
| validation, the last of the training images | {validation_examples:,} |
| test | {test_examples:,} |

Classes: {classes}.

## How it was made

```
{command}
```

TensorFlow {tensorflow}, Keras {keras}, {cores} CPU cores; {train_seconds:,.0f} seconds.

No hyper-parameter was chosen on the test images: they were evaluated once, with the
weights of the last step. Sums in parallel threads have no fixed order: another run
gives nearly the same accuracy and not the same bytes.

## Measured

| | Accuracy |
|---|---:|
| validation | {validation_accuracy:.2%} |
| test | {test_accuracy:.2%} |

## Use

Input: float32 `[batch, {input_shape}]`, values 0..255 normalised as
`(pixel - {mean}) / {deviation}`. Smaller images were centred on {background} ones.
Output: feature map `[batch, {output_shape}]`.

SHA-256 of `{weights_name}`:

`{sha256}`

## Limits

{limits}

## Licence

The weights: Apache 2.0, like the package. The data: see above.
"""


@dataclasses.dataclass(frozen=True)
class Figures:
    """Measurements of a pre-training run; accuracies are 0..1."""

    train_examples: int
    validation_examples: int
    train_seconds: float
    validation_accuracy: float
    test_accuracy: float


def write(
    backbone: keras.Model,
    output_dir: str,
    *,
    source: source_task.SourceTask,
    figures: Figures,
    command: str,
) -> tuple[str, str]:
    """Writes `<backbone>_<source>.weights.h5` and the card `<backbone>_<source>.md`.

    Each is written under a temporary name and then renamed, the card last.

    Args:
        backbone: Trained model without a head.
        output_dir: Folder; made if it is missing.
        source: The task that the backbone was trained on.
        figures: What the run measured.
        command: The command line of the run.

    Returns:
        The paths of the weights and of the card.
    """
    os.makedirs(output_dir, exist_ok=True)
    stem = f"{backbone.name}_{re.sub('[- ]', '_', source.name.lower())}"
    weights_path = os.path.join(output_dir, f"{stem}.weights.h5")
    card_path = os.path.join(output_dir, f"{stem}.md")
    # Keras insists on the ending .weights.h5.
    partial_path = os.path.join(output_dir, f"{stem}.partial.weights.h5")
    backbone.save_weights(partial_path)
    atomic.publish(partial_path, weights_path)
    card = _CARD.format(
        stem=stem,
        command=command,
        **dataclasses.asdict(figures),
        **_describe_source(source),
        **_describe_backbone(backbone, weights_path),
    )
    atomic.write_text(card_path, card)
    return weights_path, card_path


def _describe_source(source):
    return {
        "source": source.name,
        "origin": _wrap(source.origin),
        "limits": _wrap(source.limits),
        "classes": ", ".join(source.class_names),
        "background": "white" if source.background else "black",
        "test_examples": len(source.test_labels),
    }


def _describe_backbone(backbone, weights_path):
    with open(weights_path, "rb") as file:
        content = file.read()
    return {
        "backbone": backbone.name,
        "parameters": backbone.count_params(),
        "input_shape": ", ".join(map(str, backbone.input_shape[1:])),
        "output_shape": ", ".join(map(str, backbone.output_shape[1:])),
        "mean": resnet14.PIXEL_MEAN,
        "deviation": resnet14.PIXEL_STD,
        "weights_name": os.path.basename(weights_path),
        "kilobytes": len(content) / 1000,
        "sha256": hashlib.sha256(content).hexdigest(),
        "cores": os.cpu_count(),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
    }


def _wrap(text):
    return textwrap.fill(text, 88)

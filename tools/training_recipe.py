"""The recipe of a pre-training run: its hyper-parameters, schedule and optimizer."""

import dataclasses

import keras

_WARMUP_FRACTION = 0.1


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Hyper-parameters of a pre-training run; see the flags of these names."""

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
    """Compiles a model of logits with the optimizer and schedule of the recipe."""
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

"""The subjects of a benchmark: each method's model and its served forms."""

import dataclasses
import re

import keras
import numpy as np

from adafilter_tf import methods, training
from adafilter_tf.models import backbones, graph
from adafilter_tf.optim import optimizers

REFERENCE = "fine_tuning"
NUM_CLASSES = 100
_STAGE = re.compile(r"((?:conv|stage)\d+)_block")


@dataclasses.dataclass(frozen=True)
class Settings:
    """Settings that all subjects share.

    Attributes:
        backbone: Name, with random weights: their values cost nothing.
        image_size: Side in pixels.
        batch_size: Of a training step.
        jit_compile: Whether XLA compiles the training step.
        gate_from: From which layers on networks are gated, beside all of them; None for
            each stage of the backbone.
    """

    backbone: str
    image_size: int
    batch_size: int
    jit_compile: bool
    gate_from: tuple[str, ...] | None = None


def build_backbone(settings: Settings) -> keras.Model:
    """Returns the backbone with random weights."""
    return backbones.build_backbone(
        settings.backbone, image_size=settings.image_size, weights="random"
    )


def list_methods(settings: Settings) -> dict[str, tuple[str, dict]]:
    """Returns name to method and hyper-parameters, the reference first.

    `adafilter` gates everything, `adafilter_from_conv4` what is behind `conv4...`.
    """
    gate_from = settings.gate_from
    if gate_from is None:
        blocks = graph.group_blocks(build_backbone(settings))
        stages = (_STAGE.match(block) for block in blocks)
        gate_from = tuple(dict.fromkeys(m.group(1) for m in stages if m))
    return {
        REFERENCE: (REFERENCE, {}),
        "adafilter": ("adafilter", {}),
        **{
            f"adafilter_from_{name}": ("adafilter", {"gate_from": name})
            for name in gate_from
        },
        "spottune": ("spottune", {}),
    }


def build_model(settings: Settings, method: str, **hyperparameters) -> keras.Model:
    """Returns a method's uncompiled model, by the package's own functions."""
    backbone = build_backbone(settings)
    return methods.METHODS[method].build(backbone, NUM_CLASSES, **hyperparameters)


def compile_model(model: keras.Model, settings: Settings) -> None:
    """Compiles a model as a run does: SGD, and Adam for the gates."""
    options = optimizers.OptimizerOptions(
        optimizer="sgd",
        learning_rate=1e-4,
        head_learning_rate=1e-4,
        gate_learning_rate=1e-4,
        weight_decay=0.0,
        warmup_fraction=0.1,
    )
    training.compile_model(
        model,
        optimizers.create_optimizer(options, total_steps=10_000),
        jit_compile=settings.jit_compile,
    )


def draw_images(settings: Settings, count: int) -> np.ndarray:
    """Returns random pixels, float32 [count, S, S, C] in 0..255."""
    channels = backbones.get_spec(settings.backbone).channels
    shape = (count, settings.image_size, settings.image_size, channels)
    return np.random.default_rng(0).uniform(0, 255, shape).astype("float32")


def draw_labels(count: int) -> np.ndarray:
    """Returns one-hot labels, float32 [count, NUM_CLASSES]."""
    return np.eye(NUM_CLASSES, dtype="float32")[np.arange(count) % NUM_CLASSES]

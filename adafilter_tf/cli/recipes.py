"""Published recipes of fine-tuning, as pure functions of the task.

Each returns values of flags; its docstring names what this package does differently.
For all of them, the schedule is a cosine where the sources drop the rate in steps, and
momentum is Nesterov's.
"""

import dataclasses
from collections.abc import Callable

from adafilter_tf.models import gate_options

_PAPER_GATES = (
    "gate_from",
    "gate_policy",
    "gate_network",
    "gated_batch_norm",
    "gate_noise",
    "tuned_penalty",
)


@dataclasses.dataclass(frozen=True)
class Task:
    """What a recipe depends on.

    Attributes:
        num_examples: Number of training examples.
        image_area: Area of a typical image file, in pixels.
        num_classes: K.
        usual_image_size: The backbone's usual side of an image, in pixels.
    """

    num_examples: int
    image_area: int
    num_classes: int
    usual_image_size: int


def bit_hyperrule(task: Task) -> dict:
    """BiT-HyperRule: Kolesnikov et al., 2020, arXiv 1912.11370, section 3.3.

    As in google-research/big_transfer, bit_hyperrule.py: fewer than 20,000 training
    images are 500 steps, fewer than 500,000 are 10,000 with MixUp of 0.1, more are
    20,000; the warm-up is 100 or 500 steps. Images of less than 96 x 96 pixels are
    resized to 160 and cropped to 128, larger ones 512 and 480. Batches of 512, SGD of
    rate 0.003, momentum 0.9, no decay.

    The crop is a random resized one of that share of the area, and of any aspect ratio
    in 3/4 to 4/3. BiT's own networks have group norms; batch norms may need another
    rate.
    """
    resized, cropped = (160, 128) if task.image_area < 96 * 96 else (512, 480)
    if task.num_examples < 20_000:
        steps, warmup, mixup = 500, 100, 0.0
    elif task.num_examples < 500_000:
        steps, warmup, mixup = 10_000, 500, 0.1
    else:
        steps, warmup, mixup = 20_000, 500, 0.1
    return {
        **_sgd(rate=0.003, batch_size=512),
        **_divide(steps),
        "warmup_fraction": warmup / steps,
        "image_size": cropped,
        "random_resized_crop_min_area": round((cropped / resized) ** 2, 4),
        "crop_fraction": 1.0,
        "horizontal_flip": True,
        "mixup_alpha": mixup,
    }


def vtab(task: Task) -> dict:
    """VTAB: Zhai et al., 2019, arXiv 1910.04867.

    The setting of the example in the README of google-research/task_adaptation:
    batches of 512, 2,500 steps, SGD of rate 0.01 and momentum 0.9, no decay, the whole
    image without augmentation. The paper sweeps rates and lengths, the same for all
    tasks: give several values to a row of --mode=compare.
    """
    return {
        **_sgd(rate=0.01, batch_size=512),
        **_divide(2500),
        "warmup_fraction": 0.0,
        "image_size": task.usual_image_size,
        "random_resized_crop_min_area": 1.0,
        "crop_fraction": 1.0,
        "horizontal_flip": False,
        "mixup_alpha": 0.0,
    }


def torch_like(task: Task) -> dict:
    """PyTorch's tutorial "Transfer Learning for Computer Vision" (S. Chilamkurthy).

    25 epochs in batches of 4, SGD of rate 0.001 and momentum 0.9, no decay and no
    warm-up; random resized crops of 8 % of the area on (torchvision's default) and
    flips; evaluation on the central 224 of 256 pixels. It was made for two classes of
    120 images each.
    """
    return {
        **_sgd(rate=0.001, batch_size=4),
        "epochs": 25,
        "steps_per_epoch": None,
        "warmup_fraction": 0.0,
        "image_size": task.usual_image_size,
        "random_resized_crop_min_area": 0.08,
        "crop_fraction": 0.875,
        "horizontal_flip": True,
        "mixup_alpha": 0.0,
    }


def adafilter(task: Task) -> dict:
    """AdaFilter: Guo et al., 2020, arXiv 1911.09659, as far as it is known.

    Known of the paper: gates of 0 and 1, learned, by a recurrent network that all
    layers share, over every convolution; a batch norm for each branch. Not known: the
    width of the network, rates, schedules, epochs, the batch size and the augmentation.
    Those here are ours, of configs/paper, and were not tuned on the paper's data.
    """
    return {
        **_sgd(rate=0.01, batch_size=64),
        "gate_learning_rate": 0.001,
        "weight_decay": 0.0001,
        "epochs": 100,
        "steps_per_epoch": None,
        "warmup_fraction": 0.1,
        "image_size": task.usual_image_size,
        "random_resized_crop_min_area": 0.25,
        "crop_fraction": 0.875,
        "horizontal_flip": True,
        "mixup_alpha": 0.0,
        # Their defaults are the paper's.
        **{name: getattr(gate_options.GateOptions, name) for name in _PAPER_GATES},
    }


RECIPES: dict[str, Callable[[Task], dict]] = {
    "bit_hyperrule": bit_hyperrule,
    "vtab": vtab,
    "torch_like": torch_like,
    "adafilter": adafilter,
}


def _sgd(*, rate: float, batch_size: int) -> dict:
    return {
        "optimizer": "sgd",
        "learning_rate": rate,
        "head_learning_rate": rate,
        "weight_decay": 0.0,
        "batch_size": batch_size,
    }


def _divide(steps: int) -> dict:
    """The sources count steps, not epochs: twenty parts, each with a validation."""
    return {"epochs": 20, "steps_per_epoch": steps // 20}

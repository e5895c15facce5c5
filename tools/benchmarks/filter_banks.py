"""Two filter banks as two convolutions or as one, for each shape of a backbone.

    python -m tools.benchmarks.filter_banks --backbone=resnet50

prints the processor seconds of a training step's convolutions, forward and backward, as
ratios to one bank's: `pair` is two convolutions, `fused` one of both banks side by side
in both directions, `fused_forward` one forward and two backward. The frozen bank has no
filter gradient in any of them. TensorFlow alone.
"""

import collections
import functools

from adafilter_tf.cli import startup  # noqa: F401  # isort: skip - before TensorFlow

import keras
import numpy as np
import tensorflow as tf
from absl import app, flags

from adafilter_tf.models import backbones
from tools.benchmarks import interleaving

ONE = "one"


ConvolutionShape = tuple[tuple[int, ...], tuple[int, ...], int]
"""Shape of the inputs (H, W, C), of the kernel (kh, kw, C, N), and the stride."""


def create_steps(inputs_shape, kernel_shape, stride: int, batch_size: int) -> dict:
    """Returns the forward and backward pass of one convolution, form by form.

    Args:
        inputs_shape: (H, W, C).
        kernel_shape: (kh, kw, C, N).
        stride: Of both axes; the padding is "same".
        batch_size: B.
    """
    images = tf.random.normal((batch_size, *inputs_shape))
    frozen, tuned = (tf.random.normal(kernel_shape) for _ in range(2))
    strides = [1, stride, stride, 1]
    convolve = functools.partial(tf.nn.conv2d, strides=stride, padding="SAME")
    like_outputs = convolve(images, tuned)
    # What the layers behind would hand back to the two branches.
    upstream = [tf.random.normal(like_outputs.shape) for _ in range(2)]

    def input_gradient(kernel, gradient):
        return tf.raw_ops.Conv2DBackpropInput(
            input_sizes=images.shape,
            filter=kernel,
            out_backprop=gradient,
            strides=strides,
            padding="SAME",
        )

    def filter_gradient():
        return tf.raw_ops.Conv2DBackpropFilter(
            input=images,
            filter_sizes=kernel_shape,
            out_backprop=upstream[1],
            strides=strides,
            padding="SAME",
        )

    def two_input_gradients():
        return input_gradient(frozen, upstream[0]) + input_gradient(tuned, upstream[1])

    def both_outputs():
        return tf.split(convolve(images, tf.concat([frozen, tuned], 3)), 2, 3)

    def fused_input_gradient():
        kernels = tf.concat([frozen, tuned], 3)
        return input_gradient(kernels, tf.concat(upstream, 3))

    def pair_of_outputs():
        return convolve(images, frozen), convolve(images, tuned)

    parts = {
        ONE: (
            lambda: convolve(images, tuned),
            lambda: input_gradient(tuned, upstream[1]),
        ),
        "pair": (pair_of_outputs, two_input_gradients),
        "fused": (both_outputs, fused_input_gradient),
        "fused_forward": (both_outputs, two_input_gradients),
    }
    return {
        name: tf.function(lambda a=a, b=b: (a(), b(), filter_gradient()))
        for name, (a, b) in parts.items()
    }


def count_shapes(backbone: keras.Model) -> collections.Counter[ConvolutionShape]:
    """Returns (inputs shape, kernel shape, stride) of each convolution to its count."""
    return collections.Counter(
        (
            tuple(layer.input.shape[1:]),
            tuple(layer.kernel.shape),
            layer.strides[0],
        )
        for layer in backbone.layers
        if type(layer) is keras.layers.Conv2D and layer.groups == 1
    )


def main(_) -> None:
    """Prints one line per shape and the sum over the backbone."""
    values = flags.FLAGS
    size = values.image_size or backbones.get_spec(values.backbone).image_size
    backbone = backbones.build_backbone(
        values.backbone, image_size=size, weights="random"
    )
    totals: dict[str, float] = collections.defaultdict(float)
    for shape, count in count_shapes(backbone).items():
        steps = create_steps(*shape, values.batch_size)
        times = interleaving.measure(steps, rounds=values.rounds, warm_up=2)
        seconds = {name: np.median(each.processor) for name, each in times.items()}
        for name, value in seconds.items():
            totals[name] += count * value
        totals["best"] += count * min(v for k, v in seconds.items() if k != ONE)
        print(f"{count} x {shape}: {_format(seconds)}", flush=True)
    print(f"all: {_format(totals)}")


def _format(seconds) -> str:
    ratios = (f"{name} {value / seconds[ONE]:.2f}" for name, value in seconds.items())
    return f"{1e3 * seconds[ONE]:.1f} ms, {', '.join(ratios)}"


if __name__ == "__main__":
    flags.DEFINE_enum("backbone", "resnet50", list(backbones.BACKBONES), "Its name.")
    flags.DEFINE_integer("image_size", None, "Pixels; none for the usual size.")
    flags.DEFINE_integer("batch_size", 8, "Images per step.", lower_bound=1)
    flags.DEFINE_integer("rounds", 10, "How often each is timed.", lower_bound=1)
    app.run(main)

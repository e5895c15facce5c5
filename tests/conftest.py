"""Shared by all tests: small networks whose every weight says something."""

import contextlib
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
if "PYTEST_XDIST_WORKER" in os.environ:
    # The processes side by side share the cores; more threads would only take turns.
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import keras
import numpy as np
import pytest
from keras.src.applications import convnext

from adafilter_tf import training
from adafilter_tf.models import conversion
from adafilter_tf.optim import optimizers


@pytest.fixture(autouse=True)
def _same_start():
    keras.utils.set_random_seed(0)
    yield
    keras.config.set_dtype_policy("float32")
    # Python collects by itself; 0.2 s after each test would be minutes over all.
    keras.backend.clear_session(free_memory=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Names of files that are no text would end a process of tests with its report."""
    report = yield
    report.sections = [(name, _as_utf8(text)) for name, text in report.sections]
    if report.longrepr is not None and not _is_utf8(str(report.longrepr)):
        report.longrepr = _as_utf8(str(report.longrepr))
    return report


def _is_utf8(text: str) -> bool:
    return _as_utf8(text) == text


def _as_utf8(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


@pytest.fixture(autouse=True, scope="session")
def _data_sets_of_this_session(tmp_path_factory):
    """Nothing that a test finds out about its images stays in the user's folder."""
    with pytest.MonkeyPatch.context() as patch:
        if "TFDS_DATA_DIR" not in os.environ:
            patch.setenv("TFDS_DATA_DIR", str(tmp_path_factory.mktemp("data_sets")))
        yield


def randomize(model: keras.Model, seed: int = 0) -> keras.Model:
    """Gives statistics and biases values that show when they are left out."""
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            randomize(layer, seed)
        elif isinstance(layer, conversion.CHANNEL_LAYERS):
            layer.set_weights(
                [rng.uniform(0.5, 1.5, w.shape) for w in layer.get_weights()]
            )
        elif isinstance(layer, keras.layers.Normalization) and layer.weights:
            mean, variance, count = layer.get_weights()
            channels = np.arange(len(mean))
            layer.set_weights([channels + 0.5, channels + 2.0, count])
            layer.finalize_state()
        elif getattr(layer, "use_bias", False):
            layer.bias.assign(rng.normal(0, 0.1, layer.bias.shape))
    return model


def tiny_resnet(size: int = 8, channels: int = 3) -> keras.Model:
    """A stem and one residual block with a projection shortcut, 8 and 12 filters."""
    layers = keras.layers
    images = keras.Input((size, size, channels))
    x = layers.Conv2D(8, 3, padding="same", use_bias=False, name="stem_conv")(images)
    x = layers.BatchNormalization(momentum=0.9, name="stem_bn")(x)
    x = stem = layers.ReLU(name="stem_relu")(x)
    x = layers.Conv2D(12, 3, strides=2, padding="same", name="stage1_block1_conv1")(x)
    x = layers.BatchNormalization(momentum=0.9, name="stage1_block1_bn1")(x)
    x = layers.ReLU(name="stage1_block1_relu1")(x)
    x = layers.Conv2D(12, 3, padding="same", name="stage1_block1_conv2")(x)
    x = layers.BatchNormalization(momentum=0.9, name="stage1_block1_bn2")(x)
    y = layers.Conv2D(12, 1, strides=2, name="stage1_block1_shortcut_conv")(stem)
    y = layers.BatchNormalization(momentum=0.9, name="stage1_block1_shortcut_bn")(y)
    x = layers.Add(name="stage1_block1_add")([x, y])
    x = layers.ReLU(name="stage1_block1_out")(x)
    return randomize(keras.Model(images, x, name="tiny_resnet"))


def tiny_convnext() -> keras.Model:
    """A separable convolution and a block of ConvNeXt, 12 filters."""
    layers = keras.layers
    images = keras.Input((8, 8, 3))
    x = layers.SeparableConv2D(12, 3, strides=2, padding="same", name="stem_conv")(
        images
    )
    y = layers.LayerNormalization(name="norm")(x)
    y = layers.Conv2D(12, 3, padding="same", groups=12, name="depthwise")(y)
    y = layers.LayerNormalization(name="depthwise_norm")(y)
    y = layers.Dense(24, name="dense1")(y)
    y = layers.Dense(12, name="dense2")(layers.Activation("gelu")(y))
    y = convnext.LayerScale(0.5, 12, name="scale")(y)
    x = layers.LayerNormalization(name="last_norm")(x + y)
    return randomize(keras.Model(images, x, name="tiny_convnext"))


def random_images(*shape: int, seed: int = 0) -> np.ndarray:
    """Float32 images with values around zero."""
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


LABELS = np.eye(3, dtype="float32")[[0, 1, 2, 0, 1, 2, 0, 1]]


def compile_sgd(model: keras.Model, total_steps: int = 10) -> keras.Model:
    """Compiles a classifier as a run does, by SGD."""
    options = optimizers.OptimizerOptions(
        "sgd", 0.05, 0.05, 0.01, weight_decay=1e-3, warmup_fraction=0.0
    )
    optimizer = optimizers.create_optimizer(options, total_steps=total_steps)
    training.compile_model(model, optimizer, jit_compile=False)
    return model


def train(model: keras.Model, steps: int = 5) -> list[float]:
    """Takes steps on one batch of eight images of three classes; gives the losses."""
    images = random_images(8, 8, 8, 3)
    return [float(model.train_on_batch(images, LABELS)[0]) for _ in range(steps)]


@contextlib.contextmanager
def mock_tfds(name: str, split_names, folder, **options):
    """A data set as TFDS knows it, with 6 random images a split; see `mock_data`."""
    import tensorflow_datasets as tfds

    builder = tfds.builder(name, data_dir=str(folder))
    template = tfds.core.ShardedFileTemplate(
        data_dir=builder.data_dir,
        dataset_name=builder.name,
        filetype_suffix="tfrecord",
    )
    splits = [
        tfds.core.SplitInfo(
            name=name,
            shard_lengths=[6],
            num_bytes=0,
            filename_template=template.replace(split=name),
        )
        for name in split_names
    ]
    builder.info.set_splits(tfds.core.splits.SplitDict(splits))
    (folder / builder.info.full_name).mkdir(parents=True)
    builder.info.write_to_directory(builder.data_dir)
    with tfds.testing.mock_data(num_examples=6, data_dir=str(folder), **options):
        yield


@pytest.fixture
def mock_flowers(tmp_path):
    """Oxford Flowers 102 as TFDS knows it, with 6 random images a split."""
    splits = ("train", "validation", "test")
    with mock_tfds("oxford_flowers102", splits, tmp_path / "metadata"):
        yield


@pytest.fixture
def image_files(tmp_path):
    """Seven PNG files of 8 x 8 random pixels: their paths and their pixels."""
    tf = pytest.importorskip("tensorflow")
    pixels = np.random.default_rng(0).integers(0, 255, (7, 8, 8, 3), np.uint8)
    paths = [str(tmp_path / f"{index}.png") for index in range(7)]
    for path, image in zip(paths, pixels, strict=True):
        tf.io.write_file(path, tf.io.encode_png(image))
    return paths, pixels.astype("float32")


@pytest.fixture(scope="session")
def few_digits(tmp_path_factory):
    """Splits of the digits with two training images a class."""
    from adafilter_tf.data import splits
    from adafilter_tf.data.sources import digits

    return splits.make_splits(
        digits.load_digits(str(tmp_path_factory.mktemp("digits"))),
        seed=0,
        validation_fraction=0.02,
        test_fraction=0.9,
        examples_per_class=2,
    )

"""The files of other runtimes: how a model is converted to each, and how it is run.

Keras converts (`Model.export`, by tf2onnx and by TensorFlow's converter to LiteRT). The
packages that it and the runtimes need are optional, so they are imported where used.
"""

import dataclasses
import json
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping

import keras
import numpy as np
import tensorflow as tf

METADATA_KEY = "adafilter_tf"
"""Key of an ONNX file's metadata, whose value is JSON."""
METADATA_FILE = "metadata.json"
"""Member of the ZIP archive at the end of a LiteRT file."""


@dataclasses.dataclass(frozen=True)
class Runtime:
    """A row of the table of runtimes.

    Attributes:
        file_name: Of the model's file.
        packages: What it needs, by the names that pip knows.
        convert: Function (model, path, representative_images) that writes the file of a
            float32 model whose output is a dictionary with "logits".
        embed: Function (path, metadata) that writes metadata into the file.
        load: Function (path) that returns a function of images [n, S, S, C] to logits
            [n, K].
        quantized: Whether the file answers less exactly than Keras, by design.
    """

    file_name: str
    packages: tuple[str, ...]
    convert: Callable[[keras.Model, str, np.ndarray], None]
    embed: Callable[[str, Mapping], None]
    load: Callable[[str], Callable[[np.ndarray], np.ndarray]]
    quantized: bool = False


def explain(error: Exception) -> str:
    """Returns the reason why a converter failed, in one line."""
    message = str(error)
    # The first location that LiteRT's converter names: the op, then its path of layers.
    location = re.search(r'fused\["(\w+):", "([^"@]+)@', message)
    if "NEEDS_FLEX_OPS" in message and location:
        return f"LiteRT has no op {location[1]}, which is {location[2]!r}"
    return " ".join(message.split())[:400]


def _convert_to_onnx(model, path, representative_images) -> None:
    import onnx

    model.export(path, format="onnx", input_signature=_signature(model), verbose=False)
    # tf2onnx leaves an op that ONNX does not have under TensorFlow's name.
    onnx.checker.check_model(path)
    converted = onnx.load(path)
    for tensor in (*converted.graph.input, *converted.graph.output):
        tensor.type.tensor_type.shape.dim[0].dim_param = "batch"
    onnx.save(converted, path)


def _embed_in_onnx(path: str, metadata: Mapping) -> None:
    import onnx

    model = onnx.load(path)
    onnx.helper.set_model_props(model, {METADATA_KEY: json.dumps(metadata)})
    onnx.save(model, path)


def _load_onnx(path):
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda images: session.run(["logits"], {"images": images})[0]


def _convert_to_litert(model, path, representative_images) -> None:
    # Keras would allow TensorFlow's ops besides, which LiteRT alone cannot run.
    _export_litert(model, path, [tf.lite.OpsSet.TFLITE_BUILTINS])


def _convert_to_litert_int8(model, path, representative_images) -> None:
    def representative_dataset() -> Iterator[list[np.ndarray]]:
        for image in representative_images:
            yield [image[np.newaxis]]

    _export_litert(
        model,
        path,
        [tf.lite.OpsSet.TFLITE_BUILTINS_INT8],
        optimizations=[tf.lite.Optimize.DEFAULT],
        representative_dataset=representative_dataset,
    )


def _export_litert(model, path, supported_ops, **options) -> None:
    model.export(
        path,
        format="litert",
        input_signature=_signature(model),
        verbose=False,
        target_spec={"supported_ops": supported_ops},
        **options,
    )


def _embed_in_litert(path: str, metadata: Mapping) -> None:
    # As TensorFlow Lite's metadata packs associated files: a ZIP archive behind the
    # model, which runtimes skip and `unzip` lists.
    names = "".join(f"{name}\n" for name in metadata["class_names"])
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(METADATA_FILE, json.dumps(metadata, indent=2))
        archive.writestr("labels.txt", names)


def _load_litert(path):
    # Not `tf.lite.Interpreter`: TensorFlow has announced its removal.
    from ai_edge_litert import interpreter

    run = interpreter.Interpreter(path).get_signature_runner()
    return lambda images: run(images=images)["logits"]


def _signature(model: keras.Model) -> list[keras.InputSpec]:
    shape = (None, *model.inputs[0].shape[1:])
    return [keras.InputSpec(shape=shape, dtype="float32", name="images")]


# What can be written beside the SavedModel.
RUNTIMES = {
    "onnx": Runtime(
        "model.onnx",
        ("tf2onnx", "onnx", "onnxruntime"),
        _convert_to_onnx,
        _embed_in_onnx,
        _load_onnx,
    ),
    "litert": Runtime(
        "model.tflite",
        ("ai-edge-litert",),
        _convert_to_litert,
        _embed_in_litert,
        _load_litert,
    ),
    "litert_int8": Runtime(
        "model_int8.tflite",
        ("ai-edge-litert",),
        _convert_to_litert_int8,
        _embed_in_litert,
        _load_litert,
        quantized=True,
    ),
}

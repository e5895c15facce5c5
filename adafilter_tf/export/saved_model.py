"""From a trained model to a SavedModel that takes files and needs no Python code.

The graph holds the preprocessing of evaluation, the model and the label names. It is
written with `tf.saved_model.save`: `keras.export.ExportArchive` calls the same, but has
no public way to attach an asset.
"""

import os
import pathlib
import shutil
import tempfile
from collections.abc import Mapping, Sequence

import keras
import tensorflow as tf
from absl import logging
from tensorflow.core.protobuf import saved_model_pb2

from adafilter_tf import errors
from adafilter_tf.data.decoding.preprocessing import ImageSpec
from adafilter_tf.export import card as card_lib
from adafilter_tf.export import signatures as signatures_lib
from adafilter_tf.export import warmup
from adafilter_tf.files import atomic, checksums, full_disk


def export_saved_model(
    model: keras.Model,
    export_dir: str,
    spec: ImageSpec,
    *,
    class_names: Sequence[str],
    top_k: int = 5,
    card: str | None = None,
    gates: Mapping[str, keras.KerasTensor] | None = None,
) -> str:
    """Writes the next version of a SavedModel; returns `export_dir/<number>`.

    For its signatures see `signatures.create_signatures`. `assets/labels.txt` has the K
    names, one per line; `assets.extra/` has the card and the requests with which
    TensorFlow Serving warms the model up, which have been answered here.

    Args:
        model: float32 pixels [B, S, S, C] in 0..255 to logits [B, K].
        export_dir: The folder of all versions, as a model server watches it. The new
            version appears under its number only when it is complete.
        spec: How an image becomes pixels [S, S, C].
        class_names: K names.
        top_k: How many classes an answer names, or K if that is less.
        card: Markdown for `assets.extra/model_card.md`; None writes none.
        gates: Of the signature `gates`, from the model's input, by layer; None takes
            those of `model` itself.

    Raises:
        RunError: Another number of names than the model has outputs, or a name with a
            line break.
    """
    _check_class_names(model, class_names)
    signatures = signatures_lib.create_signatures(
        signatures_lib.Classifier(
            model,
            class_names,
            spec,
            top_k=min(top_k, len(class_names)),
            gates=gates,
        )
    )
    os.makedirs(export_dir, exist_ok=True)
    # In the same folder, hence on the same file system; not a number, so that no model
    # server takes it for a version.
    staging = pathlib.Path(tempfile.mkdtemp(prefix=".unfinished-", dir=export_dir))
    try:
        finished = staging / "saved_model"
        _save(model, signatures, class_names, finished)
        _write_extra(finished, card, spec)
        version = _publish(finished, export_dir)
    finally:
        shutil.rmtree(staging)
    logging.info("Exported %d classes to %s.", len(class_names), version)
    return version


def _check_class_names(model: keras.Model, class_names: Sequence[str]) -> None:
    if model.output_shape[-1] != len(class_names):
        raise errors.RunError(
            f"Received {len(class_names)} class names for a model of "
            f"{model.output_shape[-1]} outputs; each output needs one name. Use the "
            "labels.txt with which the model was trained."
        )
    for name in class_names:
        if len(name.splitlines()) > 1:
            raise errors.RunError(
                f"Received the class name {name!r}; a name is one line, because "
                "labels.txt has one name per line. Rename the class."
            )


def _save(model, signatures, class_names, folder: pathlib.Path) -> None:
    labels_path = folder.parent / "labels.txt"
    labels_path.write_text(
        "".join(f"{name}\n" for name in class_names), encoding="utf-8"
    )
    servable = tf.Module()
    servable.labels = tf.saved_model.Asset(str(labels_path))
    # Signatures save only variables that hang on the saved object.
    servable.model_variables = [variable.value for variable in model.variables]
    with full_disk.report(folder):
        tf.saved_model.save(servable, str(folder), signatures=signatures)
    _name_methods(folder / "saved_model.pb")


def _write_extra(folder: pathlib.Path, card: str | None, spec: ImageSpec) -> None:
    """Writes the card and the warm-up requests, and answers these once."""
    extra = folder / warmup.FOLDER
    extra.mkdir()
    if card is not None:
        (extra / card_lib.FILE_NAME).write_text(card, encoding="utf-8")
    warmup.write_requests(
        folder,
        ["serving_default", "strict"],
        image_size=spec.image_size,
        channels=spec.channels,
    )
    # A request that fails would keep a server from loading the model.
    warmup.replay_requests(folder)
    sums = checksums.describe_tree(folder)
    (extra / checksums.FILE_NAME).write_text(sums, encoding="utf-8")


def _name_methods(path: pathlib.Path) -> None:
    """Sets the method name, for which `tf.saved_model.save` has no argument."""
    saved_model = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    for meta_graph in saved_model.meta_graphs:
        for name, method_name in signatures_lib.METHOD_NAMES.items():
            meta_graph.signature_def[name].method_name = method_name
    path.write_bytes(saved_model.SerializeToString(deterministic=True))


def _publish(finished: pathlib.Path, export_dir: str) -> str:
    """Renames a finished folder to the next number, also beside another export."""
    while True:
        numbers = [int(name) for name in os.listdir(export_dir) if name.isdecimal()]
        version = os.path.join(export_dir, str(max(numbers, default=0) + 1))
        try:
            atomic.publish(finished, version)
        except OSError:
            if not os.path.exists(version):
                raise
        else:
            return version


def find_fault(version: str | os.PathLike) -> str | None:
    """Returns what is damaged in an exported version, None if nothing is known to be.

    Args:
        version: Folder of one version.
    """
    folder = pathlib.Path(version)
    sums = checksums.read(folder / warmup.FOLDER / checksums.FILE_NAME)
    return checksums.find_fault(folder, sums) or checksums.find_fault(
        folder, {}, ["saved_model.pb"]
    )

"""An exported SavedModel that answers requests in this process."""

import json
import os
import pathlib
from collections.abc import Mapping

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

DEFAULT_SIGNATURE = "serving_default"


class ServedModel:
    """One version of an export.

    Args:
        folder: Of the version, such as `runs/mine/export/1`.
        name: By which requests name the model.

    Attributes:
        name: The same.
        version: The number that names the folder.
        signatures: Functions of tensors, by name.
    """

    def __init__(self, folder: str | os.PathLike, name: str):
        self.name = name
        self.version = int(pathlib.Path(folder).name)
        self._folder = pathlib.Path(folder)
        # It owns the variables.
        self._loaded = tf.saved_model.load(str(folder))
        self.signatures: Mapping = self._loaded.signatures

    def list_inputs(self, signature: str) -> dict[str, tf.TensorSpec]:
        """Returns shape and dtype of each input of a signature by its name."""
        return dict(self.signatures[signature].structured_input_signature[1])

    def predict(
        self, signature: str, inputs: Mapping[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """Returns the outputs of a signature by name.

        Args:
            signature: A key of `signatures`.
            inputs: As `list_inputs` says.

        Raises:
            tf.errors.OpError: The graph refuses the inputs.
        """
        tensors = {name: tf.constant(value) for name, value in inputs.items()}
        outputs = self.signatures[signature](**tensors)
        return {name: value.numpy() for name, value in outputs.items()}

    def describe_signatures(self) -> dict:
        """Returns the SignatureDefs as TensorFlow Serving gives them in JSON."""
        from google.protobuf import json_format  # slow to import, as the next one
        from tensorflow_serving.apis import get_model_metadata_pb2

        content = (self._folder / "saved_model.pb").read_bytes()
        saved_model = saved_model_pb2.SavedModel.FromString(content)
        message = get_model_metadata_pb2.SignatureDefMap(
            signature_def=saved_model.meta_graphs[0].signature_def
        )
        return json.loads(
            json_format.MessageToJson(message, preserving_proto_field_name=True)
        )

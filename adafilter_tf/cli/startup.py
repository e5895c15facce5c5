"""Imports TensorFlow without the messages that it prints on machines without a GPU.

Import this module first. TensorFlow 2.21 writes them from native code before it reads
any logging option, and they would hide the one line that matters. With an NVIDIA driver
they are kept: they explain why a GPU is not used.
"""

import logging
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def _import_tensorflow() -> None:
    import tensorflow as tf

    tf.config.list_physical_devices()  # looks for GPUs, which prints too


def _without_native_messages(function) -> None:
    saved, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        function()
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(null)


def _is_of_use(record: logging.LogRecord) -> bool:
    """Whether a user can act on a message.

    TensorFlow counts tracings by the code that is traced: the `predict` of each of a
    run's models, which is Keras' code and traced once, is one of "6 out of the last 10
    calls" to it.
    """
    return "triggered tf.function retracing" not in record.getMessage()


if os.path.exists("/dev/nvidiactl"):
    _import_tensorflow()
else:
    _without_native_messages(_import_tensorflow)
# TensorFlow has set the level itself when it was imported.
logging.getLogger("tensorflow").setLevel(logging.WARNING)
logging.getLogger("tensorflow").addFilter(_is_of_use)

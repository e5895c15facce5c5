"""The device of Keras' backend and its peak memory."""

import pathlib

import keras

from adafilter_tf import errors

_STATUS = pathlib.Path("/proc/self/status")


def describe() -> str:
    """Returns the name of the accelerator, or "CPU"."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
        if gpus:
            return tf.config.experimental.get_device_details(gpus[0])["device_name"]
    elif backend == "jax":
        import jax

        (device, *_) = jax.devices()
        if device.platform != "cpu":
            return device.device_kind
    elif backend == "torch":
        import torch

        if torch.cuda.is_available():
            return torch.cuda.get_device_name()
    return "CPU"


def read_memory() -> int:
    """Returns what is in use now, in bytes; see `read_peak_memory`."""
    return _read_status("VmRSS") if describe() == "CPU" else 0


def read_peak_memory() -> int:
    """Returns the most that was in use at once since the process began, in bytes.

    On a GPU the allocator's statistics; on a CPU the resident set by the kernel's own
    count (`VmHWM`). `getrusage` would also count what the parent process held.

    Raises:
        RunError: When the system has no /proc.
    """
    if describe() == "CPU":
        return _read_status("VmHWM")
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return tf.config.experimental.get_memory_info("GPU:0")["peak"]
    if backend == "jax":
        import jax

        return jax.devices()[0].memory_stats()["peak_bytes_in_use"]
    import torch

    return torch.cuda.max_memory_allocated()


def _read_status(name: str) -> int:
    if not _STATUS.exists():
        raise errors.RunError(
            f"Peak memory is read from {_STATUS}, which this system lacks; leave "
            "memory out of --sections."
        )
    for line in _STATUS.read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise errors.RunError(f"{_STATUS} has no {name}; leave memory out of --sections.")

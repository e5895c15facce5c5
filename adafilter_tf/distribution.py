"""Where a run computes: one device, or all of them by one strategy."""

import tensorflow as tf

from adafilter_tf import errors


def create_strategy(devices: list[str] | None = None) -> tf.distribute.Strategy:
    """Returns the strategy over the devices, the default one for a single device.

    Args:
        devices: Such as ["GPU:0", "GPU:1"]; None for all visible GPUs.

    Raises:
        UsageError: When a device does not exist.
    """
    visible = [
        device.name.removeprefix("/physical_device:").removeprefix("/device:")
        for device in tf.config.list_logical_devices()
    ]
    unknown = [device for device in devices or [] if device not in visible]
    if unknown:
        raise errors.UsageError(
            f"Received --devices={','.join(devices)}; there is no {unknown[0]}. "
            f"Visible are {', '.join(visible)}."
        )
    devices = devices or [name for name in visible if name.startswith("GPU")]
    if len(devices) > 1:
        return tf.distribute.MirroredStrategy(devices)
    return tf.distribute.get_strategy()


def check_batch_size(global_batch_size: int, num_replicas: int) -> None:
    """Checks that every replica gets the same share of a batch.

    Raises:
        UsageError: When the batch does not divide by the replicas.
    """
    if global_batch_size % num_replicas:
        multiple = num_replicas * max(1, global_batch_size // num_replicas)
        raise errors.UsageError(
            f"Received --batch_size={global_batch_size} for {num_replicas} replicas; "
            f"it counts all replicas and must be a multiple of them: {multiple}."
        )


def has_gpu() -> bool:
    """Returns whether TensorFlow sees a GPU."""
    return bool(tf.config.list_logical_devices("GPU"))


def use_jit_compile(choice: str, strategy: tf.distribute.Strategy) -> bool:
    """Returns whether XLA compiles the training step.

    Args:
        choice: "on", "off" or "auto". "auto" is on for one GPU, as is Keras' default.
            On a CPU the first step takes about twice as long and the others no less
            (two cores, ResNet14, batch 64); with several replicas the optimizer's
            all-reduce cannot be traced inside a compiled function.
        strategy: That holds the model.

    Raises:
        UsageError: When it is on for several replicas.
    """
    if choice == "on" and strategy.num_replicas_in_sync > 1:
        raise errors.UsageError(
            "Received --jit_compile=on for several devices, where XLA cannot compile "
            "the step; use auto or off."
        )
    if choice == "auto":
        return strategy.num_replicas_in_sync == 1 and has_gpu()
    return choice == "on"

"""Where a run computes, and which part of a batch each device gets."""

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf
from absl import logging

from adafilter_tf import errors
from adafilter_tf.distribution import cluster as cluster_lib
from adafilter_tf.distribution import waiting

DISTRIBUTIONS = ("auto", "one_device", "mirrored", "multi_worker")


def create_strategy(
    distribution: str = "auto",
    devices: Sequence[str] = (),
    environment: Mapping[str, str] = os.environ,
) -> tf.distribute.Strategy:
    """Returns the strategy of a run, TensorFlow's default one for a single device.

    Several workers must ask before TensorFlow has computed anything; the call then
    waits until all of them are there.

    Args:
        distribution: "one_device"; "mirrored", several devices of this machine;
            "multi_worker", those of all the machines that TF_CONFIG names; or "auto",
            the last of them that is possible.
        devices: Of this machine, such as ["GPU:0", "GPU:1"]; empty for all visible
            GPUs.
        environment: Where TF_CONFIG is looked for.

    Raises:
        UsageError: When a device does not exist, TF_CONFIG is malformed, or the two do
            not fit what was asked for.
        RunError: When the workers cannot be reached.
    """
    cluster = None
    if distribution in ("auto", "multi_worker"):
        cluster = cluster_lib.read_cluster(environment.get("TF_CONFIG"))
    if distribution == "multi_worker" and cluster is None:
        raise errors.UsageError(
            "Received --distribution=multi_worker without the variable TF_CONFIG that "
            f"names the workers: TF_CONFIG='{cluster_lib.EXAMPLE}', with another index "
            "in each process."
        )
    if cluster is None or len(cluster.addresses) == 1:
        return _create_local_strategy(distribution, devices)
    _check_known(devices, [*_name_gpus(), "CPU:0"])
    _show_only(devices)
    return _connect(cluster)


def is_multi_worker(strategy: tf.distribute.Strategy | None) -> bool:
    """Returns whether a strategy spans several processes."""
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)


def has_gpu() -> bool:
    """Returns whether TensorFlow sees a GPU, without starting it."""
    return bool(tf.config.get_visible_devices("GPU"))


@contextlib.contextmanager
def build_scope(strategy: tf.distribute.Strategy, *, synchronized: bool):
    """The scope in which a model is built.

    Batch norms that are not synchronized would keep moving statistics of their own on
    each replica, and the file of a model would hold those of the first one. Here their
    moving statistics are the mean over the replicas after each step.

    Args:
        strategy: The run's strategy.
        synchronized: Whether batch norms share their statistics over the replicas.
    """

    def average(create, **options):
        if "moving_" in (options.get("name") or ""):
            options["aggregation"] = tf.VariableAggregation.MEAN
        return create(**options)

    with strategy.scope():
        if synchronized or strategy.num_replicas_in_sync == 1:
            yield
        else:
            with tf.variable_creator_scope(average):
                yield


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


def count_steps_per_pass(num_examples: int, global_batch_size: int) -> int:
    """Returns the number of batches in which every example has been at least once."""
    return -(-num_examples // global_batch_size)


def list_positions(
    global_batch_size: int, *, worker: int, num_workers: int, num_replicas: int
) -> list[int]:
    """Returns which examples of a batch a worker makes, those of each replica in turn.

    Keras puts what the replicas answer together as the first replicas of all workers,
    then the second ones; so the batch is dealt out in that order.

    Args:
        global_batch_size: B, a multiple of `num_replicas`.
        worker: Index of the worker.
        num_workers: How many there are.
        num_replicas: Replicas of all workers.
    """
    share = global_batch_size // num_replicas
    starts = range(worker * share, global_batch_size, num_workers * share)
    return [start + place for start in starts for place in range(share)]


def distribute(
    strategy: tf.distribute.Strategy,
    global_batch_size: int,
    make_dataset: Callable[..., tf.data.Dataset],
):
    """Returns batches as Keras takes them on a strategy.

    On one machine Keras divides them itself. Of several workers each makes its own part
    alone, so that no image is read twice and the batches are those of one machine.

    Args:
        strategy: The model's strategy.
        global_batch_size: B.
        make_dataset: Gives the batches; its argument `positions` says which examples of
            each batch, all of them without.

    Raises:
        UsageError: When the batch does not divide by the replicas.
    """
    if not is_multi_worker(strategy):
        return make_dataset()
    check_batch_size(global_batch_size, strategy.num_replicas_in_sync)

    def make_part(context: tf.distribute.InputContext) -> tf.data.Dataset:
        positions = list_positions(
            global_batch_size,
            worker=context.input_pipeline_id,
            num_workers=context.num_input_pipelines,
            num_replicas=context.num_replicas_in_sync,
        )
        share = context.get_per_replica_batch_size(global_batch_size)
        return make_dataset(positions=positions).rebatch(share, drop_remainder=True)

    return strategy.distribute_datasets_from_function(make_part)


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


def _create_local_strategy(distribution: str, devices: Sequence[str]):
    visible = [*_name_gpus(), *_list_cpus()]
    _check_known(devices, visible)
    _show_only(devices)
    names = _name_gpus() or list(devices) or visible[:1]
    if distribution == "mirrored" and len(names) < 2:
        raise errors.UsageError(
            f"Received --distribution=mirrored, which needs several devices; there is "
            f"{names[0]} alone. Use auto or one_device."
        )
    if distribution != "one_device" and len(names) > 1:
        return tf.distribute.MirroredStrategy(names)
    if len(devices) > 1:
        raise errors.UsageError(
            f"Received --distribution=one_device and --devices={','.join(devices)}; "
            "name one of them, or use mirrored."
        )
    _show_only(names[:1])
    return tf.distribute.get_strategy()


def _show_only(devices: Sequence[str]) -> None:
    """Hides the GPUs that were not chosen: TensorFlow takes the memory of all."""
    gpus = _name_gpus()
    chosen = [gpus[name] for name in devices if name in gpus]
    if devices and len(chosen) < len(gpus):
        tf.config.set_visible_devices(chosen, "GPU")


def _name_gpus() -> dict:
    gpus = tf.config.get_visible_devices("GPU")
    return {f"GPU:{index}": gpu for index, gpu in enumerate(gpus)}


def _list_cpus() -> list[str]:
    return [
        device.name.removeprefix("/physical_device:").removeprefix("/device:")
        for device in tf.config.list_logical_devices("CPU")
    ]


def _check_known(devices: Sequence[str], visible: Sequence[str]) -> None:
    if len(set(devices)) < len(devices):
        raise errors.UsageError(
            f"Received --devices={','.join(devices)}, which names a device twice; name "
            "each once."
        )
    unknown = [device for device in devices if device not in visible]
    if unknown:
        raise errors.UsageError(
            f"Received --devices={','.join(devices)}; there is no {unknown[0]}. "
            f"Visible are {', '.join(visible)}."
        )


def _connect(cluster: cluster_lib.Cluster) -> tf.distribute.Strategy:
    own, chief = cluster.addresses[cluster.index], cluster.addresses[0]
    logging.info(
        "Worker %d of %d at %s; waiting for all of them. The chief is %s.",
        cluster.index,
        len(cluster.addresses),
        own,
        chief,
    )
    others = [address for address in cluster.addresses if address != own]
    try:
        with waiting.report_missing_workers(others):
            return tf.distribute.MultiWorkerMirroredStrategy()
    except (tf.errors.OpError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise errors.RunError(
            f"Worker {cluster.index} cannot work at {own} with the chief at {chief}: "
            f"{reason} Each address must belong to its own machine, have a free port, "
            "and be reachable from the others."
        ) from error

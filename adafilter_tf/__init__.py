"""AdaFilter: fine-tuning that chooses, per image and per filter, what to tune.

A whole run, from a folder of images to a served model:

    import adafilter_tf

    run = adafilter_tf.fit("photos", backbone="resnet50")
    run.predict(["a.jpg"])

Or the parts of it, in a training of one's own:

    import keras
    import adafilter_tf

    backbone = keras.applications.ResNet50(include_top=False, pooling="avg")
    model = adafilter_tf.add_head(adafilter_tf.add_gates(backbone), num_classes=5)
    options = adafilter_tf.OptimizerOptions(learning_rate=0.01)
    optimizer = adafilter_tf.create_optimizer(options, total_steps=1000)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss)

All but `fit`, `load_run`, `Run` and `compare_runs`, which need TensorFlow, runs on
every backend of Keras. A name is imported when it is used, so that `import
adafilter_tf` alone imports no Keras. It is enough for `keras.models.load_model`: the
layers and the optimizer are registered as soon as Keras is imported, before or after
this package.
"""

import importlib
import typing

from adafilter_tf import _moved, _registration

if typing.TYPE_CHECKING:
    from adafilter_tf import layers, methods
    from adafilter_tf.api import Run, compare_runs, fit, load_run
    from adafilter_tf.methods import METHODS
    from adafilter_tf.models.classifier import add_head
    from adafilter_tf.models.gate_io import force_gates, list_gates
    from adafilter_tf.models.gate_options import GateOptions
    from adafilter_tf.models.gating import add_gates
    from adafilter_tf.models.graph import assign_blocks
    from adafilter_tf.models.routing import add_routing
    from adafilter_tf.optim.optimizers import OptimizerOptions, create_optimizer

_MODULES = {
    "GateOptions": "adafilter_tf.models.gate_options",
    "METHODS": "adafilter_tf.methods",
    "OptimizerOptions": "adafilter_tf.optim.optimizers",
    "Run": "adafilter_tf.api",
    "add_gates": "adafilter_tf.models.gating",
    "add_head": "adafilter_tf.models.classifier",
    "add_routing": "adafilter_tf.models.routing",
    "assign_blocks": "adafilter_tf.models.graph",
    "compare_runs": "adafilter_tf.api",
    "create_optimizer": "adafilter_tf.optim.optimizers",
    "fit": "adafilter_tf.api",
    "force_gates": "adafilter_tf.models.gate_io",
    "list_gates": "adafilter_tf.models.gate_io",
    "load_run": "adafilter_tf.api",
}

__all__ = [
    "GateOptions",
    "METHODS",
    "OptimizerOptions",
    "Run",
    "add_gates",
    "add_head",
    "add_routing",
    "assign_blocks",
    "compare_runs",
    "create_optimizer",
    "fit",
    "force_gates",
    "layers",
    "list_gates",
    "load_run",
    "methods",
]


_moved.install()
_registration.install()


def __getattr__(name: str):
    if name in ("layers", "methods") or name in _moved.MOVED:
        return importlib.import_module(f"adafilter_tf.{name}")
    if name in _MODULES:
        return getattr(importlib.import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

"""Makes saved models loadable by Keras after `import adafilter_tf` alone.

Keras finds a saved model's classes by their registered names, which exist once the
modules that define them are imported. These import Keras, which takes seconds and fixes
KERAS_BACKEND; so they are imported as soon as Keras is, and not before.
"""

import importlib
import importlib.abc
import sys

# They define what a saved model can hold.
_MODULES = (
    "adafilter_tf.layers",
    "adafilter_tf.optim.losses",
    "adafilter_tf.optim.optimizers",
)


def install() -> None:
    """Registers our classes with Keras: now if it is imported, otherwise when it is."""
    if "keras" in sys.modules:
        _register()
    elif not any(isinstance(finder, _AfterKeras) for finder in sys.meta_path):
        sys.meta_path.insert(0, _AfterKeras())


class _AfterKeras(importlib.abc.MetaPathFinder):
    """Finds Keras as the other finders do, and registers our classes behind it."""

    def find_spec(self, fullname, path=None, target=None):
        if fullname != "keras":
            return None
        others = (finder for finder in sys.meta_path if finder is not self)
        found = (finder.find_spec(fullname, path, target) for finder in others)
        spec = next((each for each in found if each is not None), None)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_and_register(module):
                execute(module)
                _register()

            vars(spec.loader)["exec_module"] = execute_and_register
        return spec


def _register() -> None:
    for name in _MODULES:
        importlib.import_module(name)

"""The light tables of flags' values are those of the modules that implement them."""

from adafilter_tf import distribution, methods
from adafilter_tf.cli.flags import choices
from adafilter_tf.data import pipeline, selection
from adafilter_tf.data.augmentation import addons
from adafilter_tf.data.decoding import pixel_limit
from adafilter_tf.data.integrity import verification
from adafilter_tf.evaluation.explanation import gate_patterns
from adafilter_tf.export import runtimes
from adafilter_tf.models import backbones, folding
from adafilter_tf.models.backbones import adaptation
from adafilter_tf.optim import losses, optimizers
from adafilter_tf.prediction import writers
from adafilter_tf.runs import run_export
from adafilter_tf.training import plan
from adafilter_tf.training.callbacks import early_stopping


def test_tables_are_those_of_their_modules():
    assert {name: of for name, of in vars(choices).items() if name.isupper()} == {
        "AUTO": "auto",
        "ADDONS": tuple(addons.OPERATIONS),
        "BACKBONES": tuple(backbones.BACKBONES),
        "BATCH_NORMS": plan.BATCH_NORMS,
        "CACHES": pipeline.CACHES,
        "CLASS_WEIGHTS": losses.CLASS_WEIGHTS,
        "DISTRIBUTIONS": distribution.DISTRIBUTIONS,
        "EXPORT_FORMATS": (run_export.SAVED_MODEL, *runtimes.RUNTIMES),
        "FOLDS": folding.FOLDS,
        "HYPERPARAMETERS": {
            name: methods.list_hyperparameters(name) for name in methods.METHODS
        },
        "IMPORTED": tuple(
            name for name, row in backbones.BACKBONES.items() if row.imported_weights
        ),
        "METHODS": tuple(methods.METHODS),
        "MONITORS": tuple(early_stopping.MONITORS),
        "MOST_PIXELS": pixel_limit.MOST_PIXELS,
        "ON_BAD_IMAGE": verification.ON_BAD_IMAGE,
        "OPTIMIZERS": optimizers.OPTIMIZERS,
        "PIXEL_RANGES": tuple(adaptation.PIXEL_RANGES),
        "PREDICTION_FORMATS": tuple(writers.FORMATS),
        "PROJECTIONS": gate_patterns.PROJECTIONS,
        "SPLITS": selection.SPLITS,
    }

"""The values of enumeration flags, without the modules that implement them.

Importing those takes seconds, and a wrong flag is to be answered at once. A test
compares each table here with the one of the module that it names.
"""

import dataclasses

from adafilter_tf.models.gate_options import GateOptions

# Of --learning_rate: chosen by cli.rate_search.
AUTO = "auto"
# models.backbones.BACKBONES
BACKBONES = (
    "resnet14",
    "resnet14_half",
    "resnet14_rgb",
    "resnet50",
    "resnet101",
    "resnet152",
    "resnet50v2",
    "resnet101v2",
    "resnet152v2",
    "vgg16",
    "vgg19",
    "densenet121",
    "densenet169",
    "densenet201",
    "inceptionv3",
    "inceptionresnetv2",
    "xception",
    "mobilenet",
    "mobilenetv2",
    "mobilenetv3small",
    "mobilenetv3large",
    "efficientnetb0",
    "efficientnetb2",
    "efficientnetb4",
    "efficientnetlite0",
    "efficientnetv2b0",
    "efficientnetv2b3",
    "efficientnetv2s",
    "efficientnetv2m",
    "convnexttiny",
    "convnextsmall",
    "convnextbase",
    "nasnetmobile",
    "nasnetlarge",
)
# Those of models.backbones.BACKBONES with imported_weights
IMPORTED = ("efficientnetlite0",)
# models.backbones.adaptation.PIXEL_RANGES
PIXEL_RANGES = ("0..255", "0..1", "-1..1", "imagenet", "caffe")
# methods.list_hyperparameters
HYPERPARAMETERS: dict[str, tuple[str, ...]] = {
    "adafilter": tuple(field.name for field in dataclasses.fields(GateOptions)),
    "bn_only": (),
    "bss": ("spectral_shrinkage", "shrunk_singular_values"),
    "fine_tuning": ("tune_blocks",),
    "l2_sp": ("starting_point_penalty", "head_penalty"),
    "lora": ("lora_rank",),
    "lp_ft": ("probe_fraction",),
    "spottune": ("policy_temperature",),
    "wise_ft": ("probe_fraction",),
}
# methods.METHODS
METHODS = tuple(HYPERPARAMETERS)
# data.integrity.verification.ON_BAD_IMAGE
ON_BAD_IMAGE = ("error", "skip")
# data.pipeline.CACHES
CACHES = ("none", "encoded", "decoded")
# data.selection.SPLITS
SPLITS = ("train", "validation", "test")
# data.augmentation.addons.OPERATIONS
ADDONS = ("rotate", "translate", "cutout", "sharpness", "equalize", "hsv")
# optim.optimizers.OPTIMIZERS
OPTIMIZERS = ("sgd", "adamw")
# training.plan.BATCH_NORMS
BATCH_NORMS = ("adapt", "fixed")
# optim.losses.CLASS_WEIGHTS
CLASS_WEIGHTS = ("none", "balanced")
# training.callbacks.early_stopping.MONITORS
MONITORS = ("validation_accuracy", "validation_loss")
# data.decoding.pixel_limit.MOST_PIXELS
MOST_PIXELS = 178_956_970
# distribution.DISTRIBUTIONS
DISTRIBUTIONS = ("auto", "one_device", "mirrored", "multi_worker")
# models.folding.FOLDS
FOLDS = ("exact", "calibrated", "none")
# SAVED_MODEL of runs.run_export and export.runtimes.RUNTIMES
EXPORT_FORMATS = ("saved_model", "onnx", "litert", "litert_int8")
# prediction.writers.FORMATS
PREDICTION_FORMATS = ("csv", "jsonl", "parquet")
# evaluation.explanation.gate_patterns.PROJECTIONS
PROJECTIONS = ("pca", "tsne")

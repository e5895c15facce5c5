"""Old module names, kept until 2027-06-01: each forwards to its module and warns."""

import importlib
import importlib.abc
import importlib.machinery
import sys
import types
import warnings

REMOVAL = "2027-06-01"
# Old name -> new name, below `adafilter_tf`. An empty one held modules alone.
MOVED = {
    "callbacks": "",
    "comparison": "",
    "explanation": "",
    "inspection": "",
    "serving": "",
    "callbacks.checkpoint": "training.callbacks.checkpoint",
    "callbacks.confusion_figure": "training.tensorboard.confusion_figure",
    "callbacks.early_stopping": "training.callbacks.early_stopping",
    "callbacks.epoch_metrics": "training.callbacks.epoch_metrics",
    "callbacks.error_sheet": "training.tensorboard.error_sheet",
    "callbacks.evaluation_images": "training.tensorboard.evaluation_images",
    "callbacks.event_writer": "training.tensorboard.event_writer",
    "callbacks.finite_loss": "training.callbacks.finite_loss",
    "callbacks.gate_figure": "training.tensorboard.gate_figure",
    "callbacks.gate_history": "training.tensorboard.gate_history",
    "callbacks.gate_statistics": "evaluation.gate_statistics",
    "callbacks.hyperparameters": "training.tensorboard.hparams",
    "callbacks.profiler": "training.tensorboard.profiler",
    "callbacks.stopwatch": "training.callbacks.stopwatch",
    "callbacks.tensorboard": "training.tensorboard.tensorboard_logger",
    "callbacks.validation": "training.callbacks.validation",
    "checkpointing": "training.checkpointing",
    "choice_effect": "evaluation.gate_interventions",
    "cluster": "distribution.cluster",
    "comparison.choice": "experiments.choice",
    "comparison.parsing": "experiments.parsing",
    "comparison.plan": "experiments.plan",
    "comparison.plot": "experiments.plot",
    "comparison.progress": "experiments.progress",
    "comparison.report": "experiments.report",
    "comparison.runner": "experiments.runner",
    "comparison.statistics": "experiments.statistics",
    "comparison.store": "experiments.store",
    "comparison.tables": "experiments.tables",
    "data.addons": "data.augmentation.addons",
    "data.csv_source": "data.sources.csv_file",
    "data.digits": "data.sources.digits",
    "data.extraction": "data.sources.extraction",
    "data.example_order": "data.pipeline",
    "data.folder_source": "data.sources.image_folder",
    "data.image_area": "data.decoding.image_area",
    "data.image_format": "data.decoding.image_format",
    "data.image_record": "data.integrity.image_record",
    "data.manifest": "data.integrity.manifest",
    "data.orientation": "data.decoding.exif_orientation",
    "data.parquet_source": "data.sources.parquet",
    "data.pixel_limit": "data.decoding.pixel_limit",
    "data.preprocessing": "data.decoding.preprocessing",
    "data.randaugment": "data.augmentation.randaugment",
    "data.record_files": "data.sources.record_files",
    "data.scan": "data.integrity.scan",
    "data.tfds_source": "data.sources.tfds_dataset",
    "data.tfrecord_source": "data.sources.tfrecord",
    "data.verification": "data.integrity.verification",
    "data.vtab_source": "data.sources.vtab",
    "explanation.classification": "evaluation.explanation.classification",
    "explanation.explain": "evaluation.explanation.explain",
    "explanation.gate_patterns": "evaluation.explanation.gate_patterns",
    "explanation.page": "evaluation.explanation.page",
    "explanation.paired_difference": "evaluation.explanation.paired_difference",
    "explanation.thumbnails": "evaluation.explanation.thumbnails",
    "explanation.verdict": "evaluation.explanation.verdict",
    "export_formats": "export.export_formats",
    "fold_run": "export.calibration",
    "frozen_features": "training.feature_cache",
    "full_disk": "files.full_disk",
    "image_files": "prediction.image_files",
    "inspection.advice": "data.inspection.advice",
    "inspection.duplicates": "data.inspection.duplicates",
    "inspection.facts": "data.inspection.facts",
    "inspection.report": "data.inspection.report",
    "inspection.sheet": "data.inspection.sheet",
    "learning_rate_finder": "optim.lr_finder",
    "layers.starting_point_penalty": "layers.l2_sp_penalty",
    "losses": "optim.losses",
    "model_file": "files.model_file",
    "models.choices": "models.gate_io",
    "models.constant_gates": "models.folding.constant_gates",
    "models.cost": "models.folding.macs",
    "models.dependent_filters": "models.folding.dependent_filters",
    "models.efficientnet_lite": "models.backbones.efficientnet_lite",
    "models.filter_bank": "models.folding.filter_bank",
    "models.fold_plan": "models.folding.fold_plan",
    "models.folded_gates": "models.folding.folded_gates",
    "models.hub": "models.backbones.hub",
    "models.network_file": "models.backbones.keras_file",
    "models.own_backbone": "models.backbones.custom",
    "models.pretrained_weights": "models.backbones.pretrained_weights",
    "models.resnet14": "models.backbones.resnet14",
    "models.source_network": "models.backbones.adaptation",
    "multi_worker_fit": "distribution.keras_multi_worker",
    "optimization": "optim.optimizers",
    "prediction_files": "prediction.writers",
    "preemption": "runs.preemption",
    "progress": "prediction.progress",
    "projector": "training.tensorboard.projector",
    "reference_bands": "evaluation.published",
    "run_callbacks": "runs.run_callbacks",
    "run_dir": "runs.run_dir",
    "run_export": "runs.run_export",
    "runtimes": "export.runtimes",
    "search": "experiments.search",
    "serving.card": "export.card",
    "serving.decoding": "export.decoding",
    "serving.signatures": "export.signatures",
    "serving.warmup": "export.warmup",
    "stages": "optim.stages",
    "training_epochs": "training.loop",
    "training_run": "runs.training_run",
    "untrusted": "files.untrusted",
    "waiting": "distribution.waiting",
    "weight_average": "optim.ema",
    "workers": "distribution.workers",
}
_PACKAGE = "adafilter_tf."


class _Forward(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds modules under their old names."""

    def find_spec(self, fullname, path=None, target=None):
        if fullname.removeprefix(_PACKAGE) not in MOVED:
            return None
        # Asked last, so that a module that exists under this name comes first.
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec):
        return None

    def exec_module(self, module: types.ModuleType) -> None:
        old = module.__name__
        new = MOVED[old.removeprefix(_PACKAGE)]
        if not new:
            return
        warnings.warn(
            f"{old} is {_PACKAGE}{new} now; the old name is removed on {REMOVAL}.",
            DeprecationWarning,
            stacklevel=2,
        )
        moved = importlib.import_module(_PACKAGE + new)
        vars(module)["__getattr__"] = lambda name: getattr(moved, name)


def install() -> None:
    """Adds the old names to what `import` finds, once."""
    if not any(isinstance(finder, _Forward) for finder in sys.meta_path):
        sys.meta_path.append(_Forward())

"""What can be said of flags alone, before any library is imported or file is read."""

import pathlib
from collections.abc import Callable, Collection, Iterable, Mapping

from absl import flags, logging

from adafilter_tf import errors
from adafilter_tf.cli import flagfile
from adafilter_tf.cli.flags import choices, tensorboard_flags

# Of a comparison that trains.
_TRAINED_COMPARISON = (
    "task",
    "row",
    "seeds",
    "search_seeds",
    "workers",
    "prepare_command",
)
# Flags that one mode or two read.
_MODES_OF = {
    "images": ("predict", "import_weights"),
    **dict.fromkeys(("predictions", "predictions_format", "overwrite"), ("predict",)),
    **dict.fromkeys(("package_dir", "classifier"), ("import_weights",)),
    "evaluate_on": ("evaluate", "explain"),
    "evaluate_split": ("evaluate",),
    **dict.fromkeys(
        ("explain_split", "explain_images", "explain_projection"), ("explain",)
    ),
    **dict.fromkeys(("host", "port"), ("serve", "demo")),
    "export_version": ("serve",),
    **dict.fromkeys(("search", "search_method", "search_trials"), ("search",)),
    "finder_steps": ("find_learning_rate",),
    **dict.fromkeys(("runs", *_TRAINED_COMPARISON), ("compare",)),
}
# What a training in memory does not do: it leaves no checkpoint and no export.
_RUN_ALONE = (
    "baseline",
    "checkpoint_minutes",
    "checkpoint_steps",
    "devices",
    "distribution",
    "export_formats",
    "fold",
    "fold_tolerance",
    "keep_checkpoints",
    "log_every",
    "max_rollbacks",
    "on_non_finite",
    "probe",
    "profile_steps",
    "report",
    "time_limit",
    "top_k",
)
_WITHOUT_EFFECT = {
    "compare": _RUN_ALONE,
    "search": _RUN_ALONE,
    "find_learning_rate": (*_RUN_ALONE, "recipe"),
    # The export names its own number of classes.
    "serve": ("batch_size", "top_k"),
    "demo": ("batch_size",),
}
# Of gates that a network computes; others are forced or sampled.
_NETWORK_FLAGS = (
    "dependence_penalty",
    "gate_initial_bias",
    "gate_noise",
    "gate_temperature",
    "tuned_penalty",
)

# Data sets whose images and classes have no names to choose from.
_WITHOUT_KEYS = ("digits", "emoji", "folder", "csv", "vtab")


def check_flags(values: flags.FlagValues) -> None:
    """Checks that the given flags are possible together and have an effect.

    A flag counts as given when its value is not the default: a flagfile may name all.

    Raises:
        UsageError: Naming the flag, what is allowed and how to fix it.
    """
    if values.dry_run and values.mode != "train":
        raise errors.UsageError(
            f"Received --dry_run with --mode={values.mode}; it tries out a training. "
            "Remove one of the two."
        )
    compares_runs = values.mode == "compare" and values.runs
    has_folder = values.mode != "import_weights" and not values.dry_run
    if has_folder and not compares_runs and not values.output_dir:
        raise errors.UsageError("--output_dir is missing: the run's directory.")
    check_backbone(values)
    _check_automatic_rate(values)
    if values.mode == "import_weights" and values.backbone not in choices.IMPORTED:
        raise errors.UsageError(
            f"Received {values.backbone}, whose weights are not imported from a "
            f"package; allowed are {', '.join(choices.IMPORTED)}."
        )
    for name in values.export_formats:
        if name not in choices.EXPORT_FORMATS:
            raise errors.UsageError(
                f"Received --export_formats={','.join(values.export_formats)}; allowed "
                f"are {', '.join(choices.EXPORT_FORMATS)}."
            )
    tensorboard_flags.parse_profile_steps(values.profile_steps)
    for name, modes in _MODES_OF.items():
        if values.mode not in modes and _is_given(values, name):
            raise errors.UsageError(
                f"--{name} has no effect in --mode={values.mode}; it belongs to "
                f"--mode={' and --mode='.join(modes)}. Remove it."
            )
    for name in _TRAINED_COMPARISON if values.runs else ():
        if _is_given(values, name):
            raise errors.UsageError(
                f"Received --{name} with --runs, which compares finished runs and "
                "trains none; remove one of the two."
            )
    if values.mode != "compare":
        flagfile.check_unused(values)
    if values.mode == "train":
        check_effects(values)
    ignored = [
        f"--{name}"
        for name in _WITHOUT_EFFECT.get(values.mode, ())
        if _is_given(values, name)
    ]
    if ignored:
        logging.warning("No effect in --mode=%s: %s", values.mode, " ".join(ignored))


def _check_automatic_rate(values: flags.FlagValues) -> None:
    if values.learning_rate != choices.AUTO:
        return
    if values.mode == "find_learning_rate":
        raise errors.UsageError(
            "Received --learning_rate=auto with --mode=find_learning_rate, which "
            "raises the rate step by step; leave one of the two out."
        )
    if values.time_limit:
        raise errors.UsageError(
            f"Received --learning_rate=auto with --time_limit={values.time_limit}, "
            "which cannot plan for the search of the rate yet; give a rate or --epochs."
        )


def freezes_first_layers(values: flags.FlagValues, method: str | None) -> bool:
    """Returns whether a method leaves the first layers of the network as they are."""
    if method == "fine_tuning":
        return values.tune_blocks != "all"
    return method == "adafilter" and values.gate_from is not None


def check_backbone(values: flags.FlagValues) -> None:
    """Checks the name of a backbone; files and presets are checked when read.

    Raises:
        UsageError: No backbone has that name.
    """
    name = values.backbone
    is_own = name.endswith(".keras") or name.startswith("hub:")
    if not is_own and name not in choices.BACKBONES:
        raise errors.UsageError(
            f"Received --backbone={name}; allowed are the path of a .keras file, "
            f"hub:PRESET of KerasHub and {', '.join(choices.BACKBONES)}."
        )


def check_effects(
    values: flags.FlagValues, names: Collection[str] | None = None
) -> None:
    """Checks that no flag of a training was given that changes nothing.

    A run that was begun with such a flag may be resumed with it.

    Args:
        values: The run's flags.
        names: The flags to check; None for all.

    Raises:
        UsageError: Naming the flag and the one that it needs.
    """
    begun = _read_begun(values)
    for name, (has_effect, needed) in _list_conditions(values).items():
        if names is not None and name not in names:
            continue
        if _is_given(values, name) and not has_effect():
            if values[name].serialize() in begun:
                continue
            raise errors.UsageError(
                f"{values[name].serialize()} has no effect without {needed}; give both "
                "or none."
            )


def _list_conditions(
    values: flags.FlagValues,
) -> Mapping[str, tuple[Callable[[], bool], str]]:
    """Returns by flag: whether it has an effect, and what it needs."""
    methods = {values.method, values.baseline}
    records = values.dataset.partition(":")[0] not in _WITHOUT_KEYS
    formats = values.export_formats
    keys = (lambda: records, "--dataset=tfrecord:FILES, parquet:FILES or tfds:NAME")
    trains_backbone = values.tune_blocks != "none" or methods - {"fine_tuning", None}
    learned = values.gate_policy in ("learned", "soft")
    gates = (lambda: learned, "--gate_policy=learned or --gate_policy=soft")
    rate = (lambda: bool(trains_backbone), "tuned blocks (--tune_blocks)")
    pretrained = values.weights != "random"
    return {
        "head_init": (
            lambda: pretrained and values.probe != "never",
            "pre-trained --weights and a probe (--probe=auto)",
        ),
        "probe": (
            lambda: pretrained or values.probe == "never",
            "pre-trained --weights",
        ),
        "monitor": (
            lambda: values.early_stopping_patience > 0,
            "--early_stopping_patience",
        ),
        "max_bad_fraction": (
            lambda: values.on_bad_image == "skip",
            "--on_bad_image=skip",
        ),
        "max_rollbacks": (
            lambda: values.on_non_finite == "rollback",
            "--on_non_finite=rollback",
        ),
        "fold": (lambda: bool(formats), "--export_formats"),
        "fold_tolerance": (
            lambda: bool(formats) and values.fold == "calibrated",
            "--export_formats and --fold=calibrated",
        ),
        "top_k": (
            lambda: "saved_model" in formats,
            "--export_formats=saved_model",
        ),
        "gate_learning_rate": (
            lambda: "spottune" in methods or ("adafilter" in methods and learned),
            "gates that learn (--method=adafilter or --method=spottune)",
        ),
        **dict.fromkeys(_NETWORK_FLAGS, gates),
        "renew_batch_norm_statistics": (
            lambda: values.batch_norm == "adapt",
            "--batch_norm=adapt",
        ),
        "frozen_statistics": (
            lambda: values.batch_norm == "adapt",
            "--batch_norm=adapt",
        ),
        "learning_rate": rate,
        "layer_decay": rate,
        "image_key": keys,
        "label_key": keys,
        "cache": (
            lambda: not values.cache_frozen_features,
            "--nocache_frozen_features",
        ),
        "cache_frozen_features": (
            lambda: freezes_first_layers(values, values.method),
            "frozen first layers: --gate_from with --method=adafilter, or "
            "--tune_blocks with --method=fine_tuning",
        ),
    }


def _is_given(values: flags.FlagValues, name: str) -> bool:
    flag = values[name]
    return bool(flag.present) and flag.value != flag.default


def _read_begun(values: flags.FlagValues) -> Iterable[str]:
    """Returns the flags of the run in --output_dir, none for a new one."""
    path = pathlib.Path(values.output_dir or "") / "flags.cfg"
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return ()

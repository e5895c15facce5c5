"""What can be said of flags alone, before any library is imported or file is read."""

from absl import flags

from adafilter_tf import errors
from adafilter_tf.cli.flags import choices, tensorboard_flags


def check_flags(values: flags.FlagValues) -> None:
    """Checks that the given flags are possible together.

    Raises:
        UsageError: Naming the flag, what is allowed and how to fix it.
    """
    if values.dry_run and values.mode != "train":
        raise errors.UsageError(
            f"Received --dry_run with --mode={values.mode}; it tries out a training. "
            "Remove one of the two."
        )
    if not values.output_dir and not values.dry_run:
        raise errors.UsageError("--output_dir is missing: the run's directory.")
    check_backbone(values)
    for name in values.export_formats:
        if name not in choices.EXPORT_FORMATS:
            raise errors.UsageError(
                f"Received --export_formats={','.join(values.export_formats)}; allowed "
                f"are {', '.join(choices.EXPORT_FORMATS)}."
            )
    tensorboard_flags.parse_profile_steps(values.profile_steps)


def check_backbone(values: flags.FlagValues) -> None:
    """Checks the name of a backbone; files and presets are checked when read.

    Raises:
        UsageError: When there is no backbone of that name.
    """
    name = values.backbone
    is_own = name.endswith(".keras") or name.startswith("hub:")
    if not is_own and name not in choices.BACKBONES:
        raise errors.UsageError(
            f"Received --backbone={name}; allowed are the path of a .keras file, "
            f"hub:PRESET of KerasHub and {', '.join(choices.BACKBONES)}."
        )

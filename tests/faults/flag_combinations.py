"""Random command lines of a training: plausible and odd values, many at a time."""

import random

from absl import flags

from adafilter_tf.cli.flags import TOPICS, define_flags, definition

# Small enough for a training of seconds; any of them may be given again.
BASE = (
    "--backbone=resnet14_rgb",
    "--image_size=16",
    "--epochs=1",
    "--steps_per_epoch=2",
    "--batch_size=4",
    "--validation_fraction=0.34",
    "--test_fraction=0.34",
    "--export_formats=",
)
# Other data, other machines, or minutes instead of seconds.
_LEFT_OUT = {
    "mode",
    "output_dir",
    "dry_run",
    "dataset",
    "data_dir",
    "backbone",
    "weights",
    "export_formats",
    "distribution",
    "profile_steps",
}
_INTEGERS = ("1", "2", "3", "0", "7", "-1", "-0", "1000000", "2147483647", "9" * 30)
_FLOATS = ("0.5", "0.1", "1", "0", "-0", "0.99", "1e-8", "1e-30", "3", "1e30", "3e38",
    "-1", "-1e30", "nan", "inf", "1e400", "1e-320")  # fmt: skip
_STRINGS = {
    "tune_blocks": ("all", "none", "1", "2", "0", "-1", "99", "x", ""),
    "gate_from": ("stage1", "stage3", "stem", "nothing", ""),
    "features_layer": ("head", ""),
    "image_key": ("image", ""),
    "label_key": ("label",),
    "augmentation": ("tfa:rotate", "tfa:", "rotate", ""),
    "devices": ("CPU:0", "CPU:0,CPU:0", "GPU:0", "", "x"),
    "images": ("a.jpg",),
    "predictions": ("rows.csv",),
    "evaluate_on": ("digits",),
    "seeds": ("0",),
}


def list_values() -> dict[str, tuple[str, ...]]:
    """Returns the values to try, by flag."""
    found = {}
    values = flags.FlagValues()
    define_flags(values)
    for name in values:
        flag = values[name]
        if name in _LEFT_OUT:
            continue
        if flag.boolean:
            found[name] = ("true", "false")
        elif getattr(flag.parser, "enum_values", None):
            found[name] = (*flag.parser.enum_values, "other")
        elif flag.flag_type() == "int":
            found[name] = _INTEGERS
        elif flag.flag_type() == "float":
            found[name] = _FLOATS
        else:
            found[name] = _STRINGS.get(name, ("x",))
    return found


def list_training_flags() -> set[str]:
    """Returns the flags that are no other mode's."""
    values = flags.FlagValues()
    for topic, module in TOPICS.items():
        if not topic.startswith("Mode"):
            module.define(definition.Definer(values))
    return set(values)


def draw(seed: int) -> list[str]:
    """Returns the further flags of a command line.

    Seven of eight values are in the flag's range, so that most lines get far; one flag
    in twenty is another mode's.
    """
    rng = random.Random(seed)
    values = list_values()
    training = sorted(list_training_flags() & values.keys())
    others = sorted(values.keys() - set(training))
    names = {"method"} if rng.random() < 0.8 else set()
    for _ in range(rng.randint(1, 5)):
        names.add(rng.choice(others if rng.random() < 0.05 else training))
    chosen = {}
    for name in sorted(names):
        candidates = list(values[name])
        allowed = [text for text in candidates if _is_allowed(name, text)]
        pool = allowed if allowed and rng.random() < 0.875 else candidates
        chosen[name] = rng.choice(pool)
    return [f"--{name}={text}" for name, text in chosen.items()]


def _is_allowed(name: str, text: str) -> bool:
    values = flags.FlagValues()
    define_flags(values)
    try:
        values(["run", f"--{name}={text}"])
    except (flags.Error, ValueError):
        return False
    return True

"""Random command lines of a training: plausible and odd values, many at a time."""

import functools
import random

from absl import flags

from adafilter_tf.cli.flags import TOPICS, choices, define_flags, definition

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
    "time_limit": ("1", "90s", "0", "1h30m"),
}


@functools.cache
def list_values() -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """Returns by flag: the values in its range, and all that are tried."""
    found = {}
    values = flags.FlagValues()
    define_flags(values)
    for name in values:
        if name not in _LEFT_OUT:
            texts = _choose_texts(values[name])
            allowed = [text for text in texts if _is_allowed(values[name], text)]
            found[name] = (tuple(allowed), texts)
    return found


def _choose_texts(flag: flags.Flag) -> tuple[str, ...]:
    if flag.boolean:
        return ("true", "false")
    enumerated = getattr(flag.parser, "enum_values", None)
    if enumerated:
        return (*enumerated, "other")
    numbers = {"int": _INTEGERS, "float": _FLOATS}
    return numbers.get(flag.flag_type()) or _STRINGS.get(flag.name, ("x",))


def _is_allowed(flag: flags.Flag, text: str) -> bool:
    try:
        flag.parser.parse(text)
    except ValueError:
        return False
    return True


@functools.cache
def list_training_flags() -> frozenset[str]:
    """Returns the flags that are no other mode's."""
    values = flags.FlagValues()
    for topic, module in TOPICS.items():
        if not topic.startswith("Mode"):
            module.define(definition.Definer(values))
    return frozenset(values)


def draw(seed: int) -> list[str]:
    """Returns a method and further flags of a command line.

    Most lines get far: seven of eight values are in the flag's range, one flag in
    twenty is another mode's, and one in twenty another method's.
    """
    rng = random.Random(seed)
    values = list_values()
    method = rng.choice(choices.METHODS)
    peers = {name for of in choices.HYPERPARAMETERS.values() for name in of}
    own = set(choices.HYPERPARAMETERS[method])
    training = list_training_flags() & values.keys() - {"method"}
    chosen = {"method": method}
    for _ in range(rng.randint(1, 5)):
        luck = rng.random()
        if luck < 0.05:
            pool = values.keys() - training
        elif luck < 0.1:
            pool = peers - own
        elif luck < 0.4 and own:
            pool = own
        else:
            pool = training - peers
        name = rng.choice(sorted(pool))
        allowed, texts = values[name]
        in_range = allowed and rng.random() < 0.875
        chosen[name] = rng.choice(allowed if in_range else texts)
    return [f"--{name}={text}" for name, text in chosen.items()]

"""--dry_run and the flags that are refused or have no effect, as a user meets them."""

import pytest
from absl import flags

from adafilter_tf import errors
from adafilter_tf.cli import checks
from adafilter_tf.cli.flags import define_flags
from tests.test_run import GATED, assert_error, command, make_images

__all__ = ["command"]


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return make_images(tmp_path_factory.mktemp("images"))


def test_dry_run_says_what_to_expect_and_leaves_nothing(command, images, tmp_path):
    folder = tmp_path / "run"
    code, out, err = command(
        *GATED, f"--dataset=folder:{images}", f"--output_dir={folder}", "--dry_run"
    )
    assert code == 0, err
    assert not folder.exists()
    assert "--gate_from=stage3" in out.splitlines()
    assert "Images: train 4, validation 4, test 4; 2 classes" in out
    assert "2 epochs of 2, 4 in all" in out
    for part in ("parameters", "ms a step", "GiB of the host", "MiB, 3 are kept"):
        assert part in out


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--monitor=validation_loss"], ["without --early_stopping_patience"]),
        (["--max_bad_fraction=0.5"], ["without --on_bad_image=skip"]),
        (["--fold=none", "--export_formats="], ["--fold=none", "--export_formats"]),
        (
            ["--gate_policy=random", "--tuned_penalty=1"],
            ["--tuned_penalty=1.0 has no effect without --gate_policy=learned"],
        ),
        (["--cache=decoded", "--cache_frozen_features"], ["--nocache_frozen_features"]),
        (["--image_key=image"], ["--image_key=image", "--dataset=tfrecord:FILES"]),
        (["--finder_steps=20"], ["--finder_steps", "--mode=find_learning_rate"]),
        (["--mode=evaluate", "--images=a.jpg"], ["--images", "--mode=predict"]),
        (["--accumulation_steps=9"], ["--accumulation_steps=9 for 4 steps"]),
        (["--profile_steps=7"], ["--profile_steps=7; needed are the first and the"]),
        (["--mode=predict", "--dry_run"], ["--dry_run with --mode=predict"]),
        (["--mode=search"], ["needs --search: FLAG=log:LOW..HIGH"]),
        (
            ["--mode=search", "--search=lerning_rate=0..1"],
            ["--lerning_rate, an unknown flag. Did you mean --learning_rate"],
        ),
        (["--mode=search", "--search=seed=1|2"], ["--search=seed=..."]),
        (
            ["--mode=search", "--search=learning_rate=-1..1"],
            ["--learning_rate=-1.0: -1.0 is not a non-negative number"],
        ),
        (["--mode=find_learning_rate", "--learning_rate=0"], ["must be above 0"]),
    ],
)
def test_what_cannot_run_is_refused(command, images, tmp_path, arguments, parts):
    folder = tmp_path / "run"
    result = command(
        *GATED,
        f"--dataset=folder:{images}",
        f"--output_dir={folder}",
        *arguments,
    )
    assert_error(result, 2, *parts)


def test_search_over_other_files_is_refused(command, images, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    for mode in ("search", "find_learning_rate"):
        result = command(
            *GATED,
            f"--dataset=folder:{images}",
            f"--output_dir={tmp_path}",
            f"--mode={mode}",
            *(["--search=learning_rate=0.1..1"] if mode == "search" else []),
        )
        assert_error(result, 2, "which is not an empty folder")
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--method=adafilter", "--gate_from=stage3"], True),
        (["--method=adafilter"], False),
        (["--method=fine_tuning", "--tune_blocks=none"], True),
        (["--method=fine_tuning"], False),
        (["--method=bn_only"], False),
    ],
)
def test_features_are_cached_where_the_first_layers_are_frozen(arguments, expected):
    values = flags.FlagValues()
    define_flags(values)
    values(["run", "--cache_frozen_features", *arguments])
    assert checks.freezes_first_layers(values, values.method) == expected
    if expected:
        checks.check_effects(values)
    else:
        with pytest.raises(errors.UsageError, match="--gate_from .*--tune_blocks"):
            checks.check_effects(values)

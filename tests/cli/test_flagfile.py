import subprocess
import sys

import pytest
from absl import flags

from adafilter_tf import errors
from adafilter_tf.cli import flagfile
from adafilter_tf.cli.flags import define_flags


def parse(*arguments):
    values = flags.FlagValues()
    define_flags(values)
    values(["run", *arguments])
    return values


def test_flagfile_repeats_the_run(tmp_path):
    first = parse("--seed=3", "--horizontal_flip", "--gate_from=conv4", "--top_k=7")
    path = tmp_path / "flags.cfg"
    path.write_text(flagfile.to_flagfile(first))
    second = parse(f"--flagfile={path}")
    assert flagfile.to_flagfile(second) == flagfile.to_flagfile(first)
    assert (second.seed, second.horizontal_flip, second.gate_from) == (3, True, "conv4")


def test_where_things_are_is_not_part_of_a_run():
    text = flagfile.to_flagfile(
        parse("--output_dir=a", "--data_dir=b", "--mode=export")
    )
    for name in flagfile.UNRECORDED:
        assert f"--{name}=" not in text


def test_hyperparameter_of_another_method_is_refused():
    values = parse("--method=fine_tuning", "--gate_units=8")
    message = (
        "--gate_units, which --method=fine_tuning does not have; it belongs to ada"
    )
    with pytest.raises(errors.UsageError, match=message):
        flagfile.check_unused(values)


def test_hyperparameter_of_the_baseline_is_accepted():
    values = parse("--baseline=fine_tuning", "--tune_blocks=2", "--gate_units=8")
    assert flagfile.check_unused(values) is None


def test_saved_run_fills_what_was_not_given():
    saved = flagfile.to_flagfile(parse("--seed=3", "--batch_size=16"))
    values = parse("--batch_size=16", "--mode=evaluate")
    flagfile.apply_saved(saved, "run/flags.cfg", values)
    assert (values.seed, values.batch_size, values.mode) == (3, 16, "evaluate")


def test_flag_that_contradicts_the_saved_run_is_refused():
    saved = flagfile.to_flagfile(parse("--method=fine_tuning"))
    message = r"--method=adafilter, but the run .* has fine_tuning \(run/flags.cfg\)"
    with pytest.raises(errors.RunError, match=message):
        flagfile.apply_saved(saved, "run/flags.cfg", parse("--method=adafilter"))


def test_earlier_runs_did_what_the_defaults_say_but_for_two_flags():
    values = flags.FlagValues()
    define_flags(values)
    values(["run", "--max_image_pixels=9"])
    earlier = flagfile.list_earlier(values)
    assert earlier["max_image_pixels"] == "--max_image_pixels=134217728"
    assert earlier["example_order"] == "--example_order=1"
    assert earlier["renew_batch_norm_statistics"] == "--norenew_batch_norm_statistics"
    assert "gate_from" not in earlier  # None is not written
    given = flagfile.to_flagfile(values).splitlines()
    assert set(given) - set(earlier.values()) == {
        "--max_image_pixels=9",
        "--example_order=2",
        "--renew_batch_norm_statistics",
    }


def test_help_of_the_command_lists_every_flag():
    result = subprocess.run(
        [sys.executable, "-m", "adafilter_tf.run", "--help=all"],
        capture_output=True,
        text=True,
        check=False,
    )
    values = flags.FlagValues()
    define_flags(values)
    assert result.returncode == 0
    missing = [name for name in values if f"--{name}=" not in result.stdout]
    assert [name for name in missing if f"--[no]{name}\n" not in result.stdout] == []

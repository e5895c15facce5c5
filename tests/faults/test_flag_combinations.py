"""Random flags: a training says in one line what is wrong with them, or trains."""

import functools

import keras
import pytest

from tests import command_line, run_folders
from tests.faults import flag_combinations


@functools.cache
def list_commands(number):
    return [flag_combinations.draw(seed) for seed in range(number)]


def test_most_random_lines_have_values_in_range():
    """So that they try more than the parser."""
    commands = list_commands(100)
    values = flag_combinations.list_values()
    for command in commands:
        assert command[0].startswith("--method=")
    given = [
        text.removeprefix("--").split("=", 1) for line in commands for text in line
    ]
    allowed = sum(text in values[name][0] for name, text in given)
    assert 0.7 < allowed / len(given) < 1.0


@pytest.mark.slow
def test_random_flags_end_in_one_line_or_train(amount, count, tmp_path, capfd):
    """A defect of ours would be an exception that leaves `run.main`."""
    run_folders.make_images(tmp_path / "images")
    policy = keras.config.dtype_policy()
    for number, drawn in enumerate(list_commands(amount(500, 12))):
        keras.backend.clear_session()
        arguments = [
            *flag_combinations.BASE,
            f"--dataset=folder:{tmp_path / 'images'}",
            f"--output_dir={tmp_path / str(number)}",
            "--dry_run",
            *drawn,
        ]
        try:
            code, _, err = command_line.call(capfd, *arguments)
        except Exception as error:
            count.add("crashes", 1)
            raise AssertionError(f"{' '.join(drawn)}: {error}") from error
        finally:
            keras.config.set_dtype_policy(policy)
        count.add("combinations", 1)
        last = err.strip().splitlines()[-1] if code else "Error: "
        assert code in (0, 1, 2) and last.startswith("Error: "), (drawn, err)
        assert not (tmp_path / str(number)).exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    "line",
    [
        ("--method=lora", "--lora_rank=1000000"),
        ("--method=bss", "--shrunk_singular_values=2147483647"),
        ("--method=adafilter", "--gate_units=2147483647"),
        ("--method=fine_tuning", "--tune_blocks=0"),
        ("--method=fine_tuning", "--mixup_alpha=1e-30"),
    ],
)
def test_odd_line_ends_in_one_line_or_trains(capfd, tmp_path, line):
    run_folders.make_images(tmp_path / "images")
    code, out, err = command_line.call(
        capfd,
        *flag_combinations.BASE,
        f"--dataset=folder:{tmp_path / 'images'}",
        "--dry_run",
        *line,
    )
    assert code == 0 or err.strip().splitlines()[-1].startswith("Error: "), err
    assert "nan" not in out.lower()

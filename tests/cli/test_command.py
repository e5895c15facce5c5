"""The program `adafilter`: its words are flags of the command line."""

import os
import pathlib
import shutil
import subprocess
import sys
import zipfile

import pytest
from absl import flags

from adafilter_tf import errors
from adafilter_tf.cli import command
from adafilter_tf.cli import flags as run_flags
from adafilter_tf.cli.flags import run_flags as mode_flags

ROOT = pathlib.Path(__file__).parents[2]
PROGRAM = "from adafilter_tf.cli import command; command.main()"


@pytest.fixture
def take():
    """Function from a command line to the values of its flags."""

    def parse(name, *words):
        values = flags.FlagValues()
        run_flags.define_flags(values)
        values.set_gnu_getopt(True)
        rest = values(["adafilter", *map(command.find_config, words)])
        command._take_words(values, rest[1:], command.COMMANDS[name])
        return values

    return parse


def run(*arguments, cwd=None, environment=None):
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, **(environment or {})},
        check=False,
    )


def test_every_mode_has_a_command():
    assert {each.mode for each in command.COMMANDS.values()} == {*mode_flags.MODES}


def test_words_are_flags_wherever_they_stand(take):
    values = take("train", "--epochs", "3", "photos/", "--backbone=resnet50")
    assert (values.mode, values.dataset, values.epochs) == ("train", "photos/", 3)
    assert values.output_dir == "runs/photos"
    values = take("predict", "runs/x", "a, b.jpg", "c.png", "--top_k=2")
    assert (values.mode, values.output_dir) == ("predict", "runs/x")
    assert values.images == ["a, b.jpg", "c.png"]
    assert take("evaluate", "runs/x").evaluate_on is None
    values = take("compare", "runs/x", "runs/y, z", "--output_dir=out")
    assert (values.mode, values.runs) == ("compare", ["runs/x", "runs/y, z"])
    assert take("compare", "--seeds=5").runs == []
    assert take("evaluate", "runs/x", "csv:new.csv").evaluate_on == "csv:new.csv"
    assert take("predict", "--output_dir=runs/x", "--images=a.jpg").images == ["a.jpg"]
    values = take("import-weights", "efficientnetlite0", "a.jpg")
    assert (values.mode, values.backbone) == ("import_weights", "efficientnetlite0")
    assert (values.images, values.output_dir) == (["a.jpg"], None)


def test_folder_of_a_run_is_named_like_its_data(take):
    for words, expected in (
        (["photos"], "runs/photos"),
        (["photos", "--output_dir=mine"], "mine"),
        (["csv:/a/list.csv"], "runs/list"),
        (["oxford_flowers102"], "runs/oxford_flowers102"),
        ([], "runs/digits"),
    ):
        assert take("train", *words).output_dir == expected
    assert take("inspect", "photos").output_dir == "runs/photos_inspection"
    assert take("train", "photos", "--dry_run").output_dir is None


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["train", "a", "b"], ["'b'", "[DATA]"]),
        (["train", "a", "--dataset=b"], ["'a'", "--dataset"]),
        (["predict", "runs/x"], ["IMAGE is missing"]),
        (["export"], ["RUN is missing"]),
        (["import-weights"], ["BACKBONE is missing", "adafilter import-weights"]),
    ],
)
def test_wrong_words_are_named(take, words, parts):
    with pytest.raises(errors.UsageError) as caught:
        take(*words)
    assert all(part in str(caught.value) for part in parts), caught.value


def test_packaged_flagfile_has_a_name(tmp_path, monkeypatch):
    assert command.list_configs() == sorted(p.stem for p in ROOT.glob("configs/*.cfg"))
    found = command.find_config("--flagfile=flowers")
    assert pathlib.Path(found.removeprefix("--flagfile=")).is_file()
    for word in ("--flagfile=other.cfg", "flowers", "--epochs=3"):
        assert command.find_config(word) == word
    monkeypatch.chdir(tmp_path)
    pathlib.Path("flowers").write_text("")  # one's own file comes first
    assert command.find_config("--flagfile=flowers") == "--flagfile=flowers"


def test_help_and_mistakes_are_answered_at_once():
    for arguments in ([], ["--help"], ["help"]):
        done = run(*arguments)
        assert done.returncode == 0
        assert all(f"adafilter {name} " in done.stdout for name in command.COMMANDS)
    assert "--epochs=" in run("train", "--help").stdout
    for arguments, part in (
        (["trian"], "did you mean train?"),
        (["x" * 999], "commands are train"),
        (["train", "--epoch=3"], "Did you mean --epochs?"),
        (["completion", "csh"], "bash or zsh"),
    ):
        done = run(*arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert part in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["in"], ["inspect"]),
        (["train", "--gate_un"], ["--gate_units="]),
        (["train", "--dry"], ["--dry_run"]),
    ],
)
def test_bash_completes_commands_and_flags(words, expected):
    ask = (
        "compopt() { :; }; COMP_WORDS=(adafilter {}); COMP_CWORD={}; _adafilter; "
        'printf "%s\\n" "${{COMPREPLY[@]}}"'
    ).replace("{ :; }", "{{ :; }}")
    script = command.write_completion(["bash"])
    script += ask.format(" ".join(words), len(words))
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == expected


@pytest.mark.slow  # builds a wheel; skipped without the tools for it
def test_wheel_has_the_program_and_its_files(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--no-deps", "-w", tmp_path, ROOT],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode and "setuptools" in done.stderr:
        pytest.skip("setuptools cannot be fetched")
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")
        names = archive.namelist()
    assert not any(name.split("/")[0] in ("tests", "tools", "docs") for name in names)
    (entry,) = [name for name in names if name.endswith("entry_points.txt")]
    text = (tmp_path / "installed" / entry).read_text()
    assert "adafilter = adafilter_tf.cli.command:main" in text
    for part in ("configs/flowers.cfg", "py.typed", "templates/page.html.jinja"):
        assert any(name.endswith(part) for name in names)
    done = run(
        "train",
        "--flagfile=flowers",
        "--epoch=3",
        cwd=tmp_path,
        environment={"PYTHONPATH": str(tmp_path / "installed")},
    )
    assert done.stderr == (
        "Error: Received --epoch, an unknown flag. Did you mean --epochs?\n"
    )

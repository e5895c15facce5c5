"""Flagfiles, CSV files and a run's own texts that somebody got wrong."""

import importlib
import pathlib

import numpy as np
from absl import flags
from absl.testing import flagsaver

from adafilter_tf import errors
from adafilter_tf.cli import flagfile
from adafilter_tf.cli.flags import define_flags
from adafilter_tf.data import sources, splits
from adafilter_tf.data.integrity import image_record, verification
from adafilter_tf.files import atomic
from tests.faults import mutations

MODES = [path.stem for path in pathlib.Path("adafilter_tf/cli/modes").glob("[a-z]*.py")]
CONFIGS = sorted(pathlib.Path("configs").rglob("*.cfg"))


def test_malformed_flagfiles(command, amount, count, tmp_path, monkeypatch):
    """Each is taken, or refused with exit code 2 and one line."""
    rng = np.random.default_rng(0)
    for name in MODES:
        mode = importlib.import_module(f"adafilter_tf.cli.modes.{name}")
        monkeypatch.setattr(mode, "run", lambda values, started=None: None)
    path = tmp_path / "broken.cfg"
    for number in range(amount(500, 100)):
        config = CONFIGS[number % len(CONFIGS)]
        path.write_bytes(mutations.mutate_text(config.read_text("utf-8"), rng))
        try:
            code, err = command(f"--flagfile={path}", f"--output_dir={tmp_path / 'x'}")
        except Exception as error:
            count.crash(path.read_bytes(), error)
            continue
        last = err.strip().splitlines()[-1:] or [""]
        assert code == 0 or (code in (1, 2) and last[0].startswith("Error: ")), err
        count.add("taken" if code == 0 else "refused")
    assert count.outcomes["crashes"] == 0, "\n".join(count.examples)


def test_malformed_csv_files(amount, count, tmp_path):
    """Each is taken, or refused with a line that says what to do."""
    rng = np.random.default_rng(1)
    names = [f"{label}{index}.png" for label in "ab" for index in range(4)]
    for name in names:
        (tmp_path / name).write_bytes(b"never decoded here")
    text = "path,label,split\n" + "".join(
        f"{name},{name[0]},{split}\n"
        for name, split in zip(
            names, 2 * ["train", "train", "val", "test"], strict=True
        )
    )
    path = tmp_path / "broken.csv"
    for number in range(amount(500, 100)):
        lines = text if number % 2 else text.replace(",split", "").replace(",t", ",a,t")
        path.write_bytes(mutations.mutate_text(lines, rng))
        _attempt(count, path, _load_csv)
    assert count.outcomes["crashes"] == 0, "\n".join(count.examples)


def test_malformed_texts_of_a_run(amount, count, tmp_path):
    """Lists and flags in a run's folder: taken, or refused by name."""
    rng = np.random.default_rng(2)
    images = [tmp_path / f"{label}{i}.png" for label in "ab" for i in range(6)]
    for image in images:
        image.write_bytes(b"never decoded here")
    listed = tmp_path / "images.csv"
    listed.write_text(
        "path,label\n" + "".join(f"{i.name},{i.name[0]}\n" for i in images)
    )
    made = _load_csv(listed)
    readers = {
        "split.csv": splits.read_splits,
        "images.csv": lambda path: image_record.check_images(made, path),
        "skipped_images.csv": verification.read_skipped,
        "flags.cfg": _apply_flags,
    }
    splits.write_splits(made, tmp_path / "split.csv")
    image_record.write_record(made, tmp_path / "images.csv")
    bad = [verification.BadImage("c.png", "an empty file")]
    verification.write_skipped(bad, tmp_path / "skipped_images.csv")
    values = _new_flags()
    (tmp_path / "flags.cfg").write_text(flagfile.to_flagfile(values))
    whole = {name: (tmp_path / name).read_text("utf-8") for name in readers}
    for number in range(amount(400, 80)):
        name, text = list(whole.items())[number % len(whole)]
        path = tmp_path / name
        path.write_bytes(mutations.mutate_text(text, rng))
        _attempt(count, path, readers[name])
    assert count.outcomes["crashes"] == 0, "\n".join(count.examples)


def _attempt(count, path, read):
    try:
        read(path)
    except errors.RunError as error:
        assert "\n" not in str(error)
        count.add("refused")
    except Exception as error:
        count.crash(path.read_bytes(), error)
    else:
        count.add("taken")


def _load_csv(path):
    source = sources.load_source(f"csv:{path}")
    return splits.make_splits(
        source, seed=0, validation_fraction=0.2, test_fraction=0.2
    )


def _new_flags():
    values = flags.FlagValues()
    define_flags(values)
    values(["run"])
    return values


def _apply_flags(path):
    with flagsaver.flagsaver():
        flagfile.apply_saved(atomic.read_text(path), str(path), _new_flags())

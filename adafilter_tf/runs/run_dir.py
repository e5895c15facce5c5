"""A run's folder: where its files lie, whether they are intact, whose it is."""

import dataclasses
import errno
import fcntl
import io
import itertools
import os
import pathlib
from collections.abc import Mapping, Sequence

from absl import logging

from adafilter_tf import errors
from adafilter_tf.data.examples import Examples
from adafilter_tf.files import atomic, checksums

LOCK = ".lock"
# What file systems without flock answer, such as NFS and FUSE as they may be mounted.
_NO_LOCKS = (errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL)


@dataclasses.dataclass(frozen=True)
class RunDir:
    """Paths below `--output_dir`."""

    root: pathlib.Path

    @property
    def flagfile(self) -> pathlib.Path:
        """The flagfile that repeats the run."""
        return self.root / "flags.cfg"

    @property
    def splits(self) -> pathlib.Path:
        """The examples of each split: path, label, split."""
        return self.root / "split.csv"

    @property
    def labels(self) -> pathlib.Path:
        """The label map: one class name a line, the line is the index."""
        return self.root / "labels.txt"

    @property
    def skipped_images(self) -> pathlib.Path:
        """Unreadable images that were left out: path and reason."""
        return self.root / "skipped_images.csv"

    @property
    def images(self) -> pathlib.Path:
        """Size, time and hash of every image when the run began."""
        return self.root / "images.csv"

    @property
    def model(self) -> pathlib.Path:
        """The trained model."""
        return self.root / "model.keras"

    @property
    def checkpoints(self) -> pathlib.Path:
        """Checkpoints of the training."""
        return self.root / "checkpoints"

    @property
    def best_weights(self) -> pathlib.Path:
        """What early stopping knows: the validations so far and the best weights."""
        return self.root / "best_weights"

    @property
    def start_gates(self) -> pathlib.Path:
        """Gates of the validation images before training."""
        return self.root / "start_gates.npz"

    @property
    def time_plan(self) -> pathlib.Path:
        """The number of epochs that fits into --time_limit."""
        return self.root / "time_plan.json"

    @property
    def learning_rates(self) -> pathlib.Path:
        """The rates that --learning_rate=auto tried, and the chosen one."""
        return self.root / "learning_rates.json"

    @property
    def probe(self) -> pathlib.Path:
        """The linear classifier on the features before training."""
        return self.root / "probe.npz"

    @property
    def tensorboard(self) -> pathlib.Path:
        """TensorBoard logs."""
        return self.root / "tensorboard"

    @property
    def metrics(self) -> pathlib.Path:
        """What came out."""
        return self.root / "metrics.json"

    @property
    def results(self) -> pathlib.Path:
        """Losses, accuracies and rates, epoch by epoch."""
        return self.root / "results.csv"

    @property
    def results_picture(self) -> pathlib.Path:
        """The same as curves."""
        return self.root / "results.png"

    @property
    def confusion_picture(self) -> pathlib.Path:
        """True and predicted classes of the test images."""
        return self.root / "confusion_matrix.png"

    @property
    def errors_picture(self) -> pathlib.Path:
        """The most confident errors on test images."""
        return self.root / "errors.png"

    @property
    def test_predictions(self) -> pathlib.Path:
        """What the model answers for each test image."""
        return self.root / "test_predictions.csv"

    @property
    def report(self) -> pathlib.Path:
        """The page on the test images; its numbers lie beside it as JSON."""
        return self.root / "report.html"

    @property
    def card(self) -> pathlib.Path:
        """What the model is for, and how it was made and measured."""
        return self.root / "MODEL_CARD.md"

    @property
    def export(self) -> pathlib.Path:
        """SavedModels, one folder per version."""
        return self.root / "export"

    @property
    def export_reports(self) -> pathlib.Path:
        """How the files of other runtimes answer beside Keras."""
        return self.root / "export_reports.json"

    def has_started(self) -> bool:
        """Returns whether there is something that training has achieved."""
        return self.model.exists() or any(self.checkpoints.glob("step_*"))

    def check_not_begun(self, missing: pathlib.Path) -> None:
        """Checks that no training began by a decision whose file is gone.

        Args:
            missing: The file.

        Raises:
            RunError: There are checkpoints.
        """
        if any(self.checkpoints.glob("step_*")):
            raise errors.RunError(
                f"{missing} is gone, by which the training in {self.root} began; put "
                "it back, or start anew in another --output_dir."
            )

    def is_complete(self) -> bool:
        """Returns whether the training has ended and left an intact model and metrics.

        What is damaged is named by a warning; a training makes it again.
        """
        if not self.metrics.exists() or not self.model.exists():
            return False
        fault = self.find_fault(self.model.name)
        try:
            atomic.read_json(self.metrics)
        except errors.RunError as error:
            fault = str(error)
        if fault:
            logging.warning("%s: %s; it is made again.", self.root, fault)
        return not fault

    def find_fault(self, name: str) -> str | None:
        """Returns what is wrong with a file that `record` knows, None if nothing is."""
        sums = checksums.read(self.root / checksums.FILE_NAME)
        return checksums.find_fault(self.root, sums, [name])

    def is_recorded(self, name: str) -> bool:
        """Returns whether a file was recorded, which may be gone by now."""
        return name in checksums.read(self.root / checksums.FILE_NAME)

    def record(self, name: str) -> None:
        """Records the SHA-256 of a file of the run in `SHA256SUMS`."""
        checksums.record(self.root, [name])

    def write_labels(self, class_names: Sequence[str]) -> None:
        """Writes the label map."""
        atomic.write_text(self.labels, "".join(f"{name}\n" for name in class_names))

    def read_labels(self, examples: Examples) -> list[str]:
        """Returns the label map once it is found to be that of the run's split.

        Args:
            examples: Any part of the run's split.

        Raises:
            RunError: It cannot be read, or names other classes.
        """
        names = atomic.read_text(self.labels).splitlines()
        if names != list(examples.class_names):
            pairs = itertools.zip_longest(names, examples.class_names)
            line, (found, own) = next(
                (line, pair) for line, pair in enumerate(pairs, 1) if pair[0] != pair[1]
            )
            raise errors.RunError(
                f"Line {line} of {self.labels} is {found or ''!r}, and that class is "
                f"{own or ''!r} in {self.splits.name}: answers would have wrong "
                f"names. Put the run's own {self.labels.name} back, or remove it and "
                "give the training's command again."
            )
        return names

    def list_exports(self) -> list[pathlib.Path]:
        """Returns the folders of the finished exports, the newest last."""
        versions = [path for path in self.export.glob("*") if path.name.isdecimal()]
        return sorted(versions, key=lambda path: int(path.name))


def claim(
    run_dir: RunDir, flagfile_text: str, earlier: Mapping[str, str] | None = None
):
    """Makes a folder this run's, or finds that it is.

    Args:
        run_dir: The folder; may exist.
        flagfile_text: What defines this run.
        earlier: By the name of a flag, the line that says what a run did before there
            was this flag.

    Returns:
        The lock on the folder; it holds until it is closed.

    Raises:
        UsageError: The folder is a file or holds other files.
        RunError: The folder belongs to another run that has started, or another process
            works in it. Nothing in it has changed then.
    """
    root = run_dir.root
    if os.path.exists(root) and not root.is_dir():
        raise errors.UsageError(
            f"Received --output_dir={root}, which is a file; choose a folder."
        )
    if not run_dir.flagfile.exists() and root.exists():
        # What a first try that was killed on its way here left.
        ours = {LOCK, atomic.temporary_path(run_dir.flagfile).name}
        foreign = [path.name for path in root.iterdir() if path.name not in ours]
        if foreign:
            raise errors.UsageError(
                f"Received --output_dir={root}, which holds other files ({foreign[0]}) "
                "and no run; choose a new or empty folder."
            )
    if run_dir.has_started():
        _check_same(run_dir.flagfile, flagfile_text, earlier or {})
    root.mkdir(parents=True, exist_ok=True)
    lock = _lock(root)
    if not run_dir.has_started():
        # A first try that failed on its way, at a missing file for instance, does not
        # bind the second one to its settings.
        for path in (
            run_dir.splits,
            run_dir.labels,
            run_dir.skipped_images,
            run_dir.images,
            run_dir.start_gates,
            run_dir.probe,
            run_dir.time_plan,
            run_dir.learning_rates,
        ):
            path.unlink(missing_ok=True)
        atomic.write_text(run_dir.flagfile, flagfile_text)
    return lock


def _lock(root: pathlib.Path) -> io.TextIOWrapper:
    """Returns the locked file, held until it is closed.

    On a file system without locks it warns: nothing then keeps two processes apart.
    """
    lock = open(root / LOCK, "w")  # noqa: SIM115 - held as long as the run
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _NO_LOCKS:
            logging.warning(
                "The file system of --output_dir=%s has no locks (%s): see to it that "
                "no second process trains there.",
                root,
                error.strerror,
            )
            return lock
        lock.close()
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            raise errors.RunError(
                f"Another process is training in --output_dir={root}; wait for it or "
                "choose another folder."
            ) from None
        raise errors.RunError(
            f"--output_dir={root} cannot be locked ({error.strerror or error}); choose "
            "a folder on another file system."
        ) from error
    return lock


def _check_same(path: pathlib.Path, text: str, earlier: Mapping[str, str]) -> None:
    saved = atomic.read_text(path).splitlines()
    current = text.splitlines()
    named = {line.partition("=")[0].removeprefix("--") for line in saved}
    added = [
        line
        for name, line in earlier.items()
        if not named.intersection((name, f"no{name}"))
    ]
    saved += added
    before = [line for line in saved if line not in current]
    now = [line for line in current if line not in saved]
    # Whatever their order: it is that in which this version defines its flags.
    if not before and not now:
        return
    unnamed = [line for line in before if line in added]
    raise errors.RunError(
        f"--output_dir={path.parent} belongs to a run with other settings: it has "
        f"{' '.join(before) or 'none of the following'}, this run has "
        f"{' '.join(now) or 'none of these'}. Choose another --output_dir, or repeat "
        f"that run with {' '.join([f'--flagfile={path}', *unnamed])}."
    )

import pytest

from adafilter_tf.runs import run_dir
from tests import run_folders


@pytest.fixture(scope="session")
def fine_tuned(tmp_path_factory):
    """The folder of a finished run of fine-tuning, which tests only read."""
    made = run_folders.make_once(
        tmp_path_factory,
        "fine_tuned",
        lambda folder: run_folders.make_run(folder, method="fine_tuning"),
    )
    return run_dir.RunDir(made / "run")

"""--mode=serve: a finished run's export behind TensorFlow Serving's REST calls."""

import pathlib

from absl import flags

from adafilter_tf import errors
from adafilter_tf.cli import finished_run
from adafilter_tf.export import saved_model
from adafilter_tf.runs import run_dir
from adafilter_tf.serving import rest, served_model, server

DEFAULT_PORT = 8501
NAME = "adafilter"
# Each may hold a body of `rest.MAX_BODY_BYTES`.
_MAX_CONNECTIONS = 32
_CURL = """\
curl --data "{{\\"instances\\": [{{\\"image_bytes\\": \
{{\\"b64\\": \\"$(base64 --wrap=0 a.jpg)\\"}}}}]}}" \\
    {url}:predict"""


def run(values: flags.FlagValues) -> None:
    """Serves the newest export, or --export_version, until a signal."""
    server.check_installed("serve", ("starlette", "uvicorn"))
    port = DEFAULT_PORT if values.port is None else values.port
    with server.ending_on_signals(), server.bind(values.host, port) as listener:
        folder = choose_export(finished_run.open_run(values), values.export_version)
        served = served_model.ServedModel(folder, NAME)
        url = f"{server.url_of(listener)}/v1/models/{NAME}"
        print(f"Serving {folder} at {url} until Ctrl-C. Try:\n")
        print(_CURL.format(url=url), flush=True)
        app = rest.create_app(served)
        server.run(app, listener, max_connections=_MAX_CONNECTIONS)


def choose_export(folder: run_dir.RunDir, version: int | None) -> pathlib.Path:
    """Returns the folder of the export to serve.

    Args:
        folder: The run.
        version: Its number; None for the newest.

    Raises:
        RunError: The run has no such export, or it is damaged.
    """
    found = {int(path.name): path for path in folder.list_exports()}
    if not found:
        raise errors.RunError(
            f"--output_dir={folder.root} has no export: write one with `adafilter "
            f"export {folder.root}`."
        )
    version = max(found) if version is None else version
    if version not in found:
        raise errors.RunError(
            f"Received --export_version={version}; {folder.export} has "
            f"{', '.join(map(str, sorted(found)))}."
        )
    if fault := saved_model.find_fault(found[version]):
        raise errors.RunError(
            f"The export {found[version]} is damaged ({fault}): write another one with "
            f"`adafilter export {folder.root}`."
        )
    return found[version]

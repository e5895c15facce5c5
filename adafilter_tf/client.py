"""Predictions for image files from a model server, as --mode=predict gives them.

    python -m adafilter_tf.client --address=127.0.0.1:8500 --model=adafilter \
        --images=photos --predictions=predictions.csv
    python -m adafilter_tf.client --protocol=rest --images=a.jpg,b.png

The server is TensorFlow Serving, or one with its interface, over an export of
`adafilter_tf.run`. One row per image, also for those that cannot be read.
"""

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator

import adafilter_tf.cli.startup  # noqa: F401  # isort: skip - before TensorFlow

from absl import app, flags, logging

from adafilter_tf import errors, prediction
from adafilter_tf.prediction import image_files, writers
from adafilter_tf.serving.client import endpoint as endpoint_lib
from adafilter_tf.serving.client import predict as predict_lib

_INTERRUPTED = 130  # As shells give it for Ctrl-C.


def report_progress(
    rows: Iterable[prediction.Prediction],
    num_rows: int,
    *,
    interval_s: float = 10.0,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[prediction.Prediction]:
    """Yields the same rows; logs the time remaining every `interval_s` seconds."""
    start = reported = clock()
    for row_number, row in enumerate(rows, 1):
        yield row
        now = clock()
        if now - reported >= interval_s and row_number < num_rows:
            reported = now
            remaining = (now - start) / row_number * (num_rows - row_number)
            logging.info(
                "%d of %d images, %.0f s remain.", row_number, num_rows, remaining
            )


def save(rows: Iterable[prediction.Prediction], path: str) -> tuple[int, int]:
    """Writes the CSV file when it is complete; gives the numbers of rows and errors.

    Raises:
        errors.RunError: As `rows` raises it, with where the rows before it are; or the
            file cannot be written.
    """
    try:
        return writers.save_csv(rows, path)
    except errors.RunError as error:
        raise type(error)(f"{error}{_describe_rest(path)}") from error
    except KeyboardInterrupt as error:
        raise KeyboardInterrupt(_describe_rest(path)) from error
    except OSError as error:
        raise errors.RunError(
            f"--predictions={path} cannot be written: {error.strerror}. Name a file in "
            "a folder that exists and can be written to."
        ) from error


def run(values: flags.FlagValues) -> None:
    """Requests predictions for all images and writes the rows."""
    if not values.images:
        raise errors.UsageError(
            "--images is missing: files, folders or globs, separated by commas."
        )
    if values.predictions and os.path.isdir(values.predictions):
        raise errors.UsageError(
            f"Received --predictions={values.predictions}, a folder; name a CSV file."
        )
    endpoint = endpoint_lib.Endpoint(
        address=values.address
        or f"127.0.0.1:{endpoint_lib.PROTOCOLS[values.protocol]}",
        protocol=values.protocol,
        model=values.model,
        version=values.version,
        signature=values.signature,
        timeout_s=values.timeout_s,
    )
    paths = image_files.list_images(values.images)
    rows = predict_lib.predict_paths(
        paths,
        endpoint,
        batch_size=values.batch_size,
        max_message_bytes=values.max_message_bytes,
        top_k=values.top_k,
    )
    rows = report_progress(rows, len(paths))
    if values.predictions:
        num_rows, num_errors = save(rows, values.predictions)
        logging.info("%d images, %d of them unreadable.", num_rows, num_errors)
    else:
        writers.print_rows(rows, "csv", sys.stdout)


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the flags; called by the script, so that an import defines none."""
    text = (
        ("address", None, "host:port. None: 127.0.0.1 with the protocol's usual port."),
        ("model", "adafilter", "Name of the model on the server."),
        ("signature", "serving_default", "serving_default flags unreadable images, "
         "strict refuses their batch."),
        ("predictions", None, "CSV file to write; standard output if none."),
    )  # fmt: skip
    for name, default, description in text:
        flags.DEFINE_string(name, default, description, flag_values=values)
    flags.DEFINE_enum(
        "protocol",
        "grpc",
        endpoint_lib.PROTOCOLS,
        "Of the server.",
        flag_values=values,
    )
    flags.DEFINE_list("images", [], "Files, folders and globs.", flag_values=values)
    numbers = (
        ("version", None, 0, None, "Of the model; none for the newest."),
        ("batch_size", 16, 1, None, "The most images in a request."),
        ("max_message_bytes", 2**25, 2**12, 2**30, "The most bytes in a request; a "
         "file takes 4/3 of its size by REST."),
        ("top_k", 3, 1, None, "Classes named per image; fewer if the server names "
         "fewer."),
    )  # fmt: skip
    for name, number, smallest, largest, description in numbers:
        flags.DEFINE_integer(
            name,
            number,
            description,
            lower_bound=smallest,
            upper_bound=largest,
            flag_values=values,
        )
    flags.DEFINE_float(
        "timeout_s", 30.0, "Of a request.", lower_bound=0.001, flag_values=values
    )


def main(argv: list[str]) -> None:
    """Runs the tool; a deliberate error is one line on stderr and an exit code."""
    del argv
    logging.set_verbosity(logging.INFO)
    try:
        run(flags.FLAGS)
    except errors.RunError as error:
        print(f"client: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt as error:
        print(f"client: Interrupted.{error}", file=sys.stderr)
        sys.exit(_INTERRUPTED)


def _describe_rest(path):
    """Describes what `save` left of an incomplete file; removes it if empty."""
    unfinished = writers.temporary_path(path)
    if not os.path.exists(unfinished):
        return ""
    if os.path.getsize(unfinished):
        return f" The rows before are in {unfinished}."
    os.remove(unfinished)
    return ""


def _parse(argv):
    """Parses the flags; a wrong one ends with exit code 2 and one line."""
    try:
        rest = flags.FLAGS(argv)
        if len(rest) > 1:
            raise errors.UsageError(
                f"Received {rest[1]!r}, an unexpected argument; flags are --name=value."
            )
    except (flags.Error, errors.UsageError, OSError) as error:
        message = " ".join(str(error).split())
        print(f"client: {message} See --help.", file=sys.stderr)
        sys.exit(errors.UsageError.exit_code)
    return rest


if __name__ == "__main__":
    define_flags()
    app.run(main, flags_parser=_parse)

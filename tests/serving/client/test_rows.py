import numpy as np
import pytest

from adafilter_tf import errors
from adafilter_tf.serving.client import rows as rows_lib

PNG = b"\x89PNG\r\n\x1a\n"


def write_files(folder, sizes):
    """Files with the signature of a PNG, of the sizes by their names."""
    for name, size in sizes.items():
        (folder / name).write_bytes(PNG.ljust(size, b"x")[:size])
    return [str(folder / name) for name in sizes]


def read_names(paths, **options):
    batches = rows_lib.read_batches(paths, wire_size=lambda n: n + 10, **options)
    return [
        [(path[-1], len(c) if isinstance(c, bytes) else c) for path, c in batch]
        for batch in batches
    ]


def test_batches_are_bounded_in_images(tmp_path):
    paths = write_files(tmp_path, dict.fromkeys("abcde", 20))

    assert read_names(paths, batch_size=2, max_bytes=999) == [
        [("a", 20), ("b", 20)],
        [("c", 20), ("d", 20)],
        [("e", 20)],
    ]


def test_batches_are_bounded_in_bytes(tmp_path):
    # In a message: 30, 30, 60, 10 more than they have on the disk.
    paths = write_files(tmp_path, {"a": 20, "b": 20, "c": 50})

    assert read_names(paths, batch_size=9, max_bytes=60) == [
        [("a", 20), ("b", 20)],
        [("c", 50)],
    ]
    too_large = "too large for a request of 59 bytes (--max_message_bytes)"
    assert read_names(paths, batch_size=9, max_bytes=59) == [
        [("a", 20)],
        [("b", 20), ("c", too_large)],
    ]


def test_files_that_cannot_be_sent_ride_along(tmp_path):
    paths = write_files(tmp_path, {"a": 0, "b": 0, "c": 20, "d": 0, "e": 20})
    paths.insert(1, str(tmp_path / "x"))
    (tmp_path / "b").write_bytes(b"<svg/>")
    empty = "an empty file; only JPEG and PNG are supported"
    text = "an HTML or SVG text; only JPEG and PNG are supported"
    missing = "No such file or directory"

    assert read_names(paths, batch_size=1, max_bytes=99) == [
        [("a", empty), ("x", missing), ("b", text), ("c", 20), ("d", empty)],
        [("e", 20)],
    ]


def test_valid_images_need_finite_probabilities():
    outputs = {
        "top_k_classes": np.array([[b"red"]], object),
        "top_k_scores": np.array([[np.nan]]),
    }
    with pytest.raises(errors.RunError) as raised:
        rows_lib.make_rows([("a.png", PNG)], outputs, 3)
    assert str(raised.value) == (
        "The server gives probabilities that are not finite for a.png; allowed are "
        "finite numbers. The model that it serves is damaged: export it again."
    )

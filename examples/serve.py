"""Loads an exported SavedModel and classifies image files, without adafilter_tf.

    python examples/serve.py runs/digits/export/1 a.png b.jpg

The SavedModel holds decoding, resizing, normalization and the label names, so a server
needs TensorFlow alone. `--flagfile=configs/digits.cfg` leaves an export to try it with.
"""

import pathlib
import sys

import tensorflow as tf


def classify(export_dir: str, paths: list[str]) -> list[dict]:
    """Returns a row for each image file, in the order of `paths`.

    Args:
        export_dir: A version of an export, such as `runs/mine/export/1`.
        paths: JPEG or PNG files. A file that cannot be decoded does not affect the
            others.

    Returns:
        Rows of `path`, `valid`, `class` and `probability`.
    """
    model = tf.saved_model.load(export_dir)
    predict = model.signatures["serving_default"]
    files = [pathlib.Path(path).read_bytes() for path in paths]
    outputs = predict(image_bytes=tf.constant(files))
    return [
        {
            "path": path,
            "valid": bool(outputs["valid"][row]),
            "class": outputs["top_k_classes"][row, 0].numpy().decode(),
            "probability": float(outputs["top_k_scores"][row, 0]),
        }
        for row, path in enumerate(paths)
    ]


def main(arguments: list[str]) -> list[dict]:
    """Prints and returns the rows of the files in `arguments[1:]`."""
    export_dir, *paths = arguments
    rows = classify(export_dir, paths)
    for row in rows:
        found = f"{row['class']} ({row['probability']:.1%})"
        print(f"{row['path']}: {found if row['valid'] else 'not a JPEG or PNG file'}")
    return rows


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(sys.argv[1:])

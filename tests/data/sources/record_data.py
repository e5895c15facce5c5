"""Files of records for the tests."""

import json

import pyarrow
import pyarrow.parquet
import tensorflow as tf

HUGGING_FACE_IMAGE = pyarrow.struct(
    [("bytes", pyarrow.binary()), ("path", pyarrow.string())]
)


def write_tfrecord(path, examples, compression=""):
    """Writes dictionaries from feature to bytes, text or number."""
    options = tf.io.TFRecordOptions(compression_type=compression)
    with tf.io.TFRecordWriter(str(path), options) as writer:
        for example in examples:
            features = {name: _feature(value) for name, value in example.items()}
            message = tf.train.Example(features=tf.train.Features(feature=features))
            writer.write(message.SerializeToString())


def write_parquet(path, columns, *, class_names=None, label="label"):
    """Writes columns as Hugging Face's `datasets` does, names in the metadata."""
    table = pyarrow.table(columns)
    if class_names is not None:
        features = {label: {"names": class_names, "_type": "ClassLabel"}}
        content = json.dumps({"info": {"features": features}})
        table = table.replace_schema_metadata({"huggingface": content})
    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(table, path)


def _feature(value):
    if isinstance(value, float):
        return tf.train.Feature(float_list=tf.train.FloatList(value=[value]))
    if isinstance(value, int):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
    value = value.encode() if isinstance(value, str) else value
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))

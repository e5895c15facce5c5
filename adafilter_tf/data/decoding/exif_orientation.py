"""The EXIF orientation of an image: read from its bytes and undone, inside a graph.

A camera stores what its sensor saw and notes in the tag Orientation how to hold it.
TensorFlow's decoders ignore the tag. It is read here by plain graph code without
autograph, so that training, evaluation, prediction and an exported model do the same.
The conventions are Pillow's (`ImageOps.exif_transpose`) for the EXIF of a JPEG file and
of the chunk eXIf before a PNG file's pixels; an orientation that only XMP holds is not
read.

Source: Exif 2.3 (CIPA DC-008), 4.5.4, 4.6.2 and 4.6.4.
"""

import tensorflow as tf

_EXIF = b"Exif\0\0"
_ORIENTATION_TAG = 0x0112
_SHORT, _LONG = 3, 4
_ENTRY_BYTES = 12
# Exif wants its segment to be the first; programs put a few others before it.
_SEARCHED_BYTES = 2**18
_MAY_HAVE_EXIF = r"(?s)\C*(Exif\x00\x00|eXIf)\C*"
# A file of thousands of empty segments must not cost more than an honest one.
_MAX_SEGMENTS = 64

# Of orientations 1 to 8: are rows, are columns reversed (once the sides are swapped)?
_FLIPS = [
    [False, False],
    [False, True],
    [True, True],
    [True, False],
    [False, False],
    [False, True],
    [True, True],
    [True, False],
]
_APP1, _START_OF_SCAN, _END_OF_IMAGE, _FILL = 0xFFE1, 0xFFDA, 0xFFD9, 0xFFFF


def read_orientation(encoded: tf.Tensor) -> tf.Tensor:
    """Returns the EXIF orientation of an image file, 1 where there is none.

    No bytes are an error, whatever they are.

    Args:
        encoded: Scalar string, the bytes of a JPEG or PNG file.

    Returns:
        int32 scalar in 1..8.
    """
    # Walking through the segments costs as much as decoding a small image, a regular
    # expression a hundredth of it.
    beginning = tf.strings.substr(encoded, 0, _SEARCHED_BYTES)
    return tf.cond(
        tf.strings.regex_full_match(beginning, _MAY_HAVE_EXIF),
        lambda: _read_exif(encoded),
        lambda: tf.constant(1),
    )


def swaps_sides(orientation: tf.Tensor) -> tf.Tensor:
    """Returns whether height and width change their places, bool scalar."""
    return orientation >= 5


def orient_size(size: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Returns [height, width] of the upright image from those of the stored one."""
    return tf.where(swaps_sides(orientation), _swap(size), size)


def to_stored_box(
    box: tf.Tensor, upright_size: tf.Tensor, orientation: tf.Tensor
) -> tf.Tensor:
    """Where the pixels of a box of the upright image are stored.

    Args:
        box: int32 [4]: top, left, height, width.
        upright_size: int32 [2]: height, width.
        orientation: int32 scalar in 1..8.

    Returns:
        int32 [4]: top, left, height, width among the stored pixels.
    """
    begin, size = box[:2], box[2:]
    begin = tf.where(_flips(orientation), upright_size - begin - size, begin)
    swap = swaps_sides(orientation)
    return tf.concat(
        [tf.where(swap, _swap(begin), begin), tf.where(swap, _swap(size), size)], 0
    )


def make_upright(image: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Turns and mirrors stored pixels [H, W, C] into those that are meant.

    Args:
        image: Of any type; not copied where the orientation is 1.
        orientation: int32 scalar in 1..8.
    """

    def turn():
        swapped = tf.constant([1, 0, 2])
        order = tf.where(swaps_sides(orientation), swapped, tf.range(3))
        reversed_axes = tf.concat([_flips(orientation), [False]], 0)
        # The operation behind tf.reverse that takes its axes from a tensor.
        return tf.raw_ops.Reverse(tensor=tf.transpose(image, order), dims=reversed_axes)

    return tf.cond(orientation > 1, turn, lambda: image)


def _swap(pair: tf.Tensor) -> tf.Tensor:
    # Not pair[::-1]: TensorFlow's graph optimiser gives up at a negative stride here.
    return tf.gather(pair, [1, 0])


@tf.function(
    input_signature=[tf.TensorSpec([], tf.string)],
    autograph=False,
    experimental_attributes={"_noinline": True},
)
def _read_exif(encoded: tf.Tensor) -> tf.Tensor:
    start, size = tf.cond(
        tf.io.is_jpeg(encoded),
        lambda: _find_in_jpeg(encoded),
        lambda: _find_in_png(encoded),
    )
    return tf.cond(
        size >= 8 + 2 + _ENTRY_BYTES,
        lambda: _parse_tiff(tf.strings.substr(encoded, start, size)),
        lambda: tf.constant(1),
    )


def _flips(orientation: tf.Tensor) -> tf.Tensor:
    """Whether rows and columns are reversed after the sides are swapped, bool [2]."""
    return tf.gather(tf.constant(_FLIPS), orientation - 1)


def _find_in_jpeg(encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Start and number of bytes of the TIFF structure in a JPEG; 0 bytes for none."""
    head = 4 + len(_EXIF)

    def step(position):
        header = tf.strings.substr(encoded, position, head)
        marker, size = tf.unstack(_big_endian(header, 0, tf.uint16, 2))
        is_exif = (marker == _APP1) & (tf.strings.substr(header, 4, 6) == _EXIF)
        ends = (marker < 0xFF00) | (marker == _START_OF_SCAN) | (size < 2)
        ends |= marker == _END_OF_IMAGE
        is_fill = marker == _FILL
        return (
            tf.where(is_fill, position + 1, position + 2 + size),
            tf.where(is_exif, size - 2 - len(_EXIF), 0),
            ~is_fill & (ends | is_exif),
            position + head,
        )

    return _walk(encoded, first=2, head=head, step=step)


def _find_in_png(encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The same of a PNG, or of what is no image at all."""

    def step(position):
        header = tf.strings.substr(encoded, position, 8)
        size = _big_endian(header, 0, tf.int32, 1)[0]
        kind = tf.strings.substr(header, 4, 4)
        is_exif = kind == b"eXIf"
        # The pixels: what comes after them is not looked at. A size of 2 ** 31 or more,
        # which is negative here, or beyond the file ends the walk too.
        ends = (kind == b"IDAT") | (size < 0) | (size > tf.strings.length(encoded))
        size = tf.where(ends, 0, size)
        return position + 12 + size, tf.where(is_exif, size, 0), ends | is_exif, (
            position + 8
        )  # fmt: skip

    return _walk(encoded, first=8, head=8, step=step)


def _walk(encoded, *, first, head, step):
    """Goes from segment to segment until `step` says that it is done."""
    length = tf.strings.length(encoded)

    def unfinished(position, size, done, start):
        del size, start
        return ~done & (position <= length - head)

    _, size, _, start = tf.while_loop(
        unfinished,
        lambda position, *_: step(position),
        (tf.constant(first), tf.constant(0), tf.constant(False), tf.constant(0)),
        maximum_iterations=_MAX_SEGMENTS,
        parallel_iterations=1,
    )
    return start, tf.minimum(size, length - start)


def _parse_tiff(tiff: tf.Tensor) -> tf.Tensor:
    """The orientation in a TIFF structure of 22 bytes or more, first directory."""
    magic = tf.strings.substr(tiff, 0, 4)
    little = magic == b"II*\0"
    offset = _number(_bytes(tiff, 4, 4), little)
    last = tf.cast(tf.strings.length(tiff), tf.int64) - 2 - _ENTRY_BYTES
    valid = (little | (magic == b"MM\0*")) & (offset <= last)

    def read_directory():
        begin = tf.cast(offset, tf.int32)
        count = tf.cast(_number(_bytes(tiff, begin, 2), little), tf.int32)
        entries = _bytes(tiff, begin + 2, _ENTRY_BYTES * count)
        whole = tf.size(entries) // _ENTRY_BYTES
        entries = tf.reshape(entries[: whole * _ENTRY_BYTES], [-1, _ENTRY_BYTES])
        tag, kind, number, short, long = (
            _number(entries[:, begin:end], little)
            for begin, end in ((0, 2), (2, 4), (4, 8), (8, 10), (8, 12))
        )
        value = tf.where(kind == _SHORT, short, long)
        fits = (tag == _ORIENTATION_TAG) & (number == 1)
        fits &= ((kind == _SHORT) | (kind == _LONG)) & (value >= 1) & (value <= 8)
        # One tag occurs once; where it does not, the first that makes sense is taken.
        found = tf.concat([tf.boolean_mask(value, fits), [1]], 0)
        return tf.cast(found[0], tf.int32)

    return tf.cond(valid, read_directory, lambda: tf.constant(1))


def _big_endian(text, position, dtype, count):
    chosen = tf.strings.substr(text, position, dtype.size * count)
    numbers = tf.io.decode_raw(chosen, dtype, little_endian=False)
    return tf.ensure_shape(tf.cast(numbers, tf.int32), [count])


def _bytes(text, position, count) -> tf.Tensor:
    """int64 [count], or fewer at the end of the string."""
    chosen = tf.strings.substr(text, position, count)
    return tf.cast(tf.io.decode_raw(chosen, tf.uint8), tf.int64)


def _number(digits: tf.Tensor, little: tf.Tensor) -> tf.Tensor:
    """Unsigned integers from their bytes, int64 [..., 1 to 4] to [...]."""
    count = digits.shape[-1] or tf.shape(digits)[-1]
    digits = tf.where(little, digits, tf.reverse(digits, [-1]))
    weights = tf.cast(256 ** tf.range(tf.cast(count, tf.int64)), tf.int64)
    return tf.reduce_sum(digits * weights, -1)

"""WebP, GIF and BMP files as PNG files, in a graph that a server can run.

A server decodes what strangers send, so the header is read here before any decoder sees
the file: its pixels are counted, and what breaks TensorFlow's decoders is refused.
TensorFlow 2.21 corrupts its memory with animated WebP files, decodes every image of a
GIF although the first is wanted, and reads a BMP's palette indices as grey.
"""

import tensorflow as tf

from adafilter_tf.data.decoding import pixel_limit

_MAX_BLOCKS = 2**16  # of up to 255 bytes each: 16 MB for the first image of a GIF
_HEADER = 64
_ANIMATION = 2  # flag of a WebP file


def to_png(encoded: tf.Tensor) -> tf.Tensor:
    """The bytes of a JPEG or PNG file, or another file's first image as PNG.

    Args:
        encoded: Scalar string; JPEG and PNG files stay as they are.

    Returns:
        Scalar string; "", which no decoder takes, for any other file and for one with
        more pixels than a server allows.
    """
    return tf.cond(
        pixel_limit.is_jpeg_or_png(encoded),
        lambda: encoded,
        lambda: _convert(encoded),
    )


def _convert(encoded: tf.Tensor) -> tf.Tensor:
    start = tf.strings.join([tf.strings.substr(encoded, 0, _HEADER), b"\0" * _HEADER])
    header = _pad(start)
    gif = tf.strings.regex_full_match(tf.strings.substr(start, 0, 6), "GIF8[79]a")
    webp = (tf.strings.substr(start, 0, 4) == b"RIFF") & (
        tf.strings.substr(start, 8, 4) == b"WEBP"
    )
    bmp = tf.strings.substr(start, 0, 2) == b"BM"
    encoded = tf.cond(gif, lambda: _cut_gif(encoded), lambda: encoded)
    num_pixels = tf.case(
        [
            (gif, lambda: _count_gif(encoded)),
            (webp, lambda: _count_webp(start, header)),
            (bmp, lambda: _count_bmp(header)),
        ],
        default=lambda: tf.constant(0, tf.int64),
    )
    allowed = num_pixels <= pixel_limit.limit_pixels(tf.strings.length(encoded))
    return tf.cond(
        allowed & (num_pixels > 0),
        lambda: tf.io.encode_png(_decode(encoded), compression=1),
        lambda: tf.constant(b""),
    )


def _decode(encoded: tf.Tensor) -> tf.Tensor:
    """uint8 [H, W, 3 or 4]."""
    image = tf.io.decode_image(encoded, expand_animations=False)
    return tf.ensure_shape(image, [None, None, None])


def _pad(encoded: tf.Tensor) -> tf.Tensor:
    """The bytes as int32, followed by zeros."""
    padded = tf.strings.join([encoded, b"\0" * _HEADER])
    return tf.cast(tf.io.decode_raw(padded, tf.uint8), tf.int32)


def _number(content: tf.Tensor, position, num_bytes: int = 2) -> tf.Tensor:
    """An unsigned number, the lowest byte first, int64 scalar."""
    found = tf.cast(content[position : position + num_bytes], tf.int64)
    values = tf.constant([256**place for place in range(num_bytes)], tf.int64)
    return tf.reduce_sum(found * values)


def _count_webp(start: tf.Tensor, header: tf.Tensor) -> tf.Tensor:
    """Width times height of a still image; 0 for any other file."""
    kind = tf.strings.substr(start, 12, 4)
    bits = _number(header, 21, 4)
    still = tf.equal(tf.bitwise.bitwise_and(header[20], _ANIMATION), 0)
    fourteen = tf.constant(2**14 - 1, tf.int64)
    return tf.case(
        [
            (
                kind == b"VP8 ",
                lambda: (
                    tf.bitwise.bitwise_and(_number(header, 26), fourteen)
                    * tf.bitwise.bitwise_and(_number(header, 28), fourteen)
                ),
            ),
            (
                kind == b"VP8L",
                lambda: (
                    (tf.bitwise.bitwise_and(bits, fourteen) + 1)
                    * (tf.bitwise.bitwise_and(bits // 2**14, fourteen) + 1)
                ),
            ),
            (
                (kind == b"VP8X") & still,
                lambda: (_number(header, 24, 3) + 1) * (_number(header, 27, 3) + 1),
            ),
        ],
        default=lambda: tf.constant(0, tf.int64),
    )


def _count_bmp(header: tf.Tensor) -> tf.Tensor:
    """Width times height of a file of 24 bits, not compressed; 0 for any other."""
    width, height = _number(header, 18, 4), _number(header, 22, 4)
    # A negative height means rows from the top.
    height = tf.where(height >= 2**31, 2**32 - height, height)
    plain = (_number(header, 14, 4) >= 40) & (_number(header, 30, 4) == 0)
    plain &= (_number(header, 28) == 24) & (width < 2**31)
    return tf.where(plain, width * height, 0)


def _count_gif(cut: tf.Tensor) -> tf.Tensor:
    """Pixels of the screen, or of the image if that is larger, of a cut GIF file."""
    content = _pad(cut)
    position = _first_block(content)
    _, _, area = _walk_gif(content, position, tf.strings.length(cut))
    return tf.maximum(area, _number(content, 6) * _number(content, 8)) * tf.cast(
        area > 0, tf.int64
    )


def _cut_gif(encoded: tf.Tensor) -> tf.Tensor:
    """A GIF file up to the end of its first image; "" if it has none."""
    content = _pad(encoded)
    length = tf.strings.length(encoded)
    end, found, _ = _walk_gif(content, _first_block(content), length)
    return tf.cond(
        found,
        lambda: tf.strings.join([tf.strings.substr(encoded, 0, end), b";"]),
        lambda: tf.constant(b""),
    )


def _first_block(content: tf.Tensor) -> tf.Tensor:
    """Behind the header, the screen and the colours."""
    return 13 + _size_of_colours(content[10])


def _size_of_colours(flags: tf.Tensor) -> tf.Tensor:
    return tf.where(flags >= 128, 3 * 2 ** (flags % 8 + 1), 0)


def _walk_gif(
    content: tf.Tensor, start: tf.Tensor, length: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Walks over the blocks of a GIF file to the end of its first image.

    Returns:
        Where that is (int32), whether there is one, and width times height (int64).
    """
    blocks, extension, image, ended, broken = range(5)

    def step(position, state, area):
        byte = content[position]
        is_image, is_extension = byte == 0x2C, byte == 0x21
        at_end = byte == 0
        size = 11 + _size_of_colours(content[position + 9])
        after = tf.where(is_image, position + size, position + 2)
        next_state = tf.where(
            is_image, image, tf.where(is_extension, extension, broken)
        )
        found = _number(content, position + 5) * _number(content, position + 7)
        inside = state != blocks
        left = tf.where(state == image, ended, blocks)
        return (
            tf.where(inside, position + 1 + byte, after),
            tf.where(inside, tf.where(at_end, left, state), next_state),
            tf.where(~inside & is_image, found, area),
        )

    def goes_on(position, state, _):
        return (state < ended) & (position < length)

    position, state, area = tf.while_loop(
        goes_on,
        step,
        [start, tf.constant(blocks), tf.constant(0, tf.int64)],
        maximum_iterations=_MAX_BLOCKS,
    )
    return position, state == ended, area

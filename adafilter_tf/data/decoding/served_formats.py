"""WebP, GIF and BMP files as PNG files, in a graph that a server can run.

A server decodes what strangers send, so the header is read here before any decoder sees
the file: its pixels are counted, and what breaks TensorFlow's decoders is refused.
TensorFlow 2.21 corrupts its memory with animated WebP files, decodes every image of a
GIF although the first is wanted and shows black where it is transparent, and reads a
BMP's palette indices as grey.
"""

import tensorflow as tf

from adafilter_tf.data.decoding import pixel_limit, preprocessing

_MAX_BLOCKS = 2**16  # of up to 255 bytes each: 16 MB for the first image of a GIF
_HEADER = 64
_ANIMATION = 2  # flag of a WebP file
# Of a GIF file: what begins an image, an extension and the one about transparency.
_IMAGE, _EXTENSION, _CONTROL = 0x2C, 0x21, 0xF9
_BYTES = tuple(bytes([value]) for value in range(256))


def to_png(
    encoded: tf.Tensor,
    background: tuple[int, int, int] = preprocessing.WHITE,
) -> tf.Tensor:
    """The bytes of a JPEG or PNG file, or another file's first image as PNG.

    Args:
        encoded: Scalar string; JPEG and PNG files stay as they are.
        background: What shows behind the transparent colour of a GIF file; a WebP file
            becomes a PNG file with alpha.

    Returns:
        Scalar string; "", which no decoder takes, for any other file and for one with
        more pixels than a server allows.
    """
    return tf.cond(
        pixel_limit.is_jpeg_or_png(encoded),
        lambda: encoded,
        lambda: _convert(encoded, background),
    )


def _convert(encoded: tf.Tensor, background: tuple[int, int, int]) -> tf.Tensor:
    start = tf.strings.join([tf.strings.substr(encoded, 0, _HEADER), b"\0" * _HEADER])
    header = _pad(start)
    gif = tf.strings.regex_full_match(tf.strings.substr(start, 0, 6), "GIF8[79]a")
    webp = (tf.strings.substr(start, 0, 4) == b"RIFF") & (
        tf.strings.substr(start, 8, 4) == b"WEBP"
    )
    bmp = tf.strings.substr(start, 0, 2) == b"BM"
    encoded = tf.cond(gif, lambda: _cut_gif(encoded, background), lambda: encoded)
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
    """Pixels of a cut GIF file; 0 for none."""
    content = _pad(cut)
    return _number(content, 6) * _number(content, 8)


def _cut_gif(encoded: tf.Tensor, background: tuple[int, int, int]) -> tf.Tensor:
    """A GIF file up to the end of its first image, in which nothing is transparent.

    "" if there is no first image, or none that fills the screen: readers disagree about
    what is beside it.
    """
    content = _pad(encoded)
    found = _walk_gif(content, _first_block(content), tf.strings.length(encoded))
    end, state, image, control = found
    screen = content[6:10]
    fills = tf.reduce_all(content[image + 1 : image + 5] == 0) & tf.reduce_all(
        content[image + 5 : image + 9] == screen
    )
    return tf.cond(
        (state == _ENDED) & fills,
        lambda: _make_opaque(
            tf.strings.join([tf.strings.substr(encoded, 0, end), b";"]),
            content,
            image,
            control,
            background,
        ),
        lambda: tf.constant(b""),
    )


def _make_opaque(
    cut: tf.Tensor,
    content: tf.Tensor,
    image: tf.Tensor,
    control: tf.Tensor,
    background: tuple[int, int, int],
) -> tf.Tensor:
    """Gives the transparent colour of a GIF file the background's values.

    Args:
        cut: The file.
        content: Its bytes.
        image: Where its image begins.
        control: Where the extension about transparency begins; 0 without one.
        background: Red, green, blue.
    """
    flags = content[control + 3]
    # Beside the image's own colours, or those of the file.
    colours = tf.where(content[image + 9] >= 128, image + 10, 13)
    colour = colours + 3 * content[control + 6]
    unset = tf.gather(tf.constant(_BYTES), flags - flags % 2)
    changed = _replace(cut, control + 3, unset)
    changed = _replace(changed, colour, tf.constant(bytes(background)))
    size = _size_of_colours(
        tf.where(content[image + 9] >= 128, content[image + 9], content[10])
    )
    transparent = (control > 0) & (flags % 2 == 1)
    return tf.where(transparent & (3 * content[control + 6] < size), changed, cut)


def _replace(encoded: tf.Tensor, position: tf.Tensor, new: tf.Tensor) -> tf.Tensor:
    length = tf.strings.length(encoded)
    after = tf.minimum(position + tf.strings.length(new), length)
    parts = (
        tf.strings.substr(encoded, 0, tf.minimum(position, length)),
        new,
        tf.strings.substr(encoded, after, length - after),
    )
    return tf.strings.join(parts)


def _first_block(content: tf.Tensor) -> tf.Tensor:
    """Behind the header, the screen and the colours."""
    return 13 + _size_of_colours(content[10])


def _size_of_colours(flags: tf.Tensor) -> tf.Tensor:
    return tf.where(flags >= 128, 3 * 2 ** (flags % 8 + 1), 0)


# Where a walk over a GIF file is: between two blocks, in an extension, in the first
# image, at its end, or at what is no block.
_BETWEEN, _IN_EXTENSION, _IN_IMAGE, _ENDED, _BROKEN = range(5)


def _walk_gif(
    content: tf.Tensor, start: tf.Tensor, length: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """Walks over the blocks of a GIF file to the end of its first image.

    Returns:
        Where that is and the state there, where the image begins, and where the
        extension about its transparency does (0 without one); int32 scalars.
    """

    def step(position, state, image, control):
        byte = content[position]
        between = state == _BETWEEN
        is_image, is_extension = byte == _IMAGE, byte == _EXTENSION
        is_control = is_extension & (content[position + 1] == _CONTROL)
        size = 11 + _size_of_colours(content[position + 9])
        after = tf.where(is_image, position + size, position + 2)
        next_state = tf.where(
            is_image, _IN_IMAGE, tf.where(is_extension, _IN_EXTENSION, _BROKEN)
        )
        left = tf.where(state == _IN_IMAGE, _ENDED, _BETWEEN)
        return (
            tf.where(between, after, position + 1 + byte),
            tf.where(between, next_state, tf.where(byte == 0, left, state)),
            tf.where(between & is_image, position, image),
            tf.where(between & is_control, position, control),
        )

    def goes_on(position, state, image, control):
        return (state < _ENDED) & (position < length)

    begin = (start, tf.constant(_BETWEEN), tf.constant(0), tf.constant(0))
    return tf.while_loop(goes_on, step, begin, maximum_iterations=_MAX_BLOCKS)

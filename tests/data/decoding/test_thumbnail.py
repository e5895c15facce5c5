import numpy as np
from PIL import Image

from adafilter_tf.data.decoding import thumbnail


def test_longer_side_is_limited_and_small_images_stay(tmp_path):
    Image.new("RGB", (200, 50), (10, 20, 30)).save(tmp_path / "wide.png")
    Image.new("L", (5, 3), 77).save(tmp_path / "small.png")
    wide = thumbnail.read_thumbnail(str(tmp_path / "wide.png"), 100)
    assert wide.shape == (25, 100, 3) and np.all(wide == [10, 20, 30])
    small = thumbnail.read_thumbnail(str(tmp_path / "small.png"), 100)
    assert small.shape == (3, 5, 3) and np.all(small == 77)


def test_png_with_a_large_text_chunk_is_read(tmp_path):
    """Pillow refuses it: its text is larger than 1 MB when decompressed."""
    from PIL import PngImagePlugin

    text = PngImagePlugin.PngInfo()
    text.add_text("comment", "x" * (2 << 20), zip=True)
    Image.new("RGB", (4, 4), "red").save(tmp_path / "a.png", pnginfo=text)
    pixels = thumbnail.read_thumbnail(str(tmp_path / "a.png"), 8)
    assert np.all(pixels == [255, 0, 0])


def test_unreadable_file_is_grey(tmp_path):
    (tmp_path / "text.png").write_text("no image")
    for name in ("text.png", "missing.png"):
        assert np.ptp(thumbnail.read_thumbnail(str(tmp_path / name), 8)) == 0

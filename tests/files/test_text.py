import pytest

from adafilter_tf.files import text as text_lib


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (59, "59 s"),
        (150, "2 min"),
        (3599, "1 h 0 min"),
        (4320, "1 h 12 min"),
    ],
)
def test_duration(seconds, text):
    assert text_lib.format_duration(seconds) == text

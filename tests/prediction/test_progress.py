import io

from adafilter_tf.prediction import progress


class Screen(io.StringIO):
    def isatty(self):
        return True


def run(stream, seconds_a_row, total):
    """What is written over `total` rows that take so long each."""
    now = 0.0

    def rows():
        nonlocal now
        for index in range(total):
            now += seconds_a_row
            yield index

    found = progress.report_progress(rows(), total, stream, clock=lambda: now)
    assert list(found) == list(range(total))
    return stream.getvalue()


def test_log_has_a_line_every_ten_seconds_and_one_of_the_whole():
    assert run(io.StringIO(), 2.0, 12).splitlines() == [
        "6 of 12 images, 0.5 images/s, 12 s remain",
        "11 of 12 images, 0.5 images/s, 2 s remain",
        "12 images in 24 s, 0.5 images/s",
    ]


def test_screen_has_one_line_that_is_written_anew():
    text = run(Screen(), 0.5, 3)
    assert text.count("\n") == 1 and text.endswith("\n")
    assert [part.strip() for part in text.split("\r")] == [
        "",
        "2 of 3 images, 2.0 images/s, 0 s remain",
        "3 images in 2 s, 2.0 images/s",
    ]


def test_loading_before_the_first_row_foretells_nothing():
    now = 0.0

    def rows():
        nonlocal now
        now += 100.0
        yield 0
        for index in range(1, 4):
            now += 10.0
            yield index

    stream = io.StringIO()
    list(progress.report_progress(rows(), 4, stream, clock=lambda: now))
    assert stream.getvalue().splitlines() == [
        "2 of 4 images, 0.1 images/s, 20 s remain",
        "3 of 4 images, 0.1 images/s, 10 s remain",
        "4 images in 2 min, 0.0 images/s",
    ]

import pytest

from adafilter_tf import errors
from adafilter_tf.evaluation.explanation import comparison

CLASSES = ("cat", "dog")


def make_answers(name, rows, *, digests=None, class_names=CLASSES):
    """Answers of a run: `rows` are path, label and predicted class."""
    paths, labels, predicted = zip(*rows, strict=True)
    probabilities = [0.9] * len(rows)
    return comparison.RunAnswers(
        name, class_names, paths, labels, predicted, probabilities, digests or {}
    )


def test_images_are_matched_by_content_wherever_they_lie():
    first = make_answers(
        "a",
        [("1", "cat", "cat"), ("2", "dog", "cat"), ("3", "dog", "dog")],
        digests={"1": "x", "2": "y", "3": "z"},
    )
    second = make_answers(
        "b",
        [("new/3", "dog", "cat"), ("new/2", "dog", "dog"), ("3", "cat", "dog")],
        digests={"new/3": "z", "new/2": "y", "3": "other"},
    )
    one, other = comparison.match_images([first, second])
    assert (one.paths, other.paths) == (["2", "3"], ["new/2", "new/3"])
    assert (one.predicted, other.predicted) == (["cat", "dog"], ["dog", "cat"])


def test_images_are_matched_by_path_where_a_content_is_not_known():
    rows = [("1", "cat", "cat"), ("2", "dog", "cat")]
    first = make_answers("a", rows, digests={"1": "x", "2": "y"})
    second = make_answers("b", rows[::-1], digests={"1": "y"})
    assert comparison.match_images([first, second])[1].paths == ["1", "2"]


def test_copies_are_images_of_their_own_and_other_labels_other_images():
    digests = dict.fromkeys("123", "x")
    first = make_answers(
        "a", [("1", "cat", "cat"), ("2", "cat", "dog"), ("3", "dog", "dog")],
        digests=digests,
    )  # fmt: skip
    second = make_answers(
        "b", [("3", "cat", "cat"), ("1", "cat", "cat"), ("2", "cat", "cat")],
        digests=digests,
    )  # fmt: skip
    one, other = comparison.match_images([first, second])
    assert (one.paths, other.paths) == (["1", "2"], ["3", "1"])


def test_answers_are_compared_image_by_image():
    labels = ["cat"] * 6
    first = ["cat", "cat", "cat", "dog", "dog", "dog"]
    second = ["cat", "dog", "dog", "cat", "dog", "dog"]
    paths = list("123456")
    one = make_answers("a", list(zip(paths, labels, first, strict=True)))
    other = make_answers("b", list(zip(paths, labels, second, strict=True)))
    found = comparison.compare_answers(one, other)
    assert found["difference"] == pytest.approx(-1 / 6)
    assert (found["other_alone"], found["first_alone"]) == (1, 2)
    assert found["low"] < -1 / 6 < found["high"]
    assert comparison.group_disagreements([one, other]) == {("a",): [1, 2], ("b",): [3]}


def test_images_that_no_run_gets_right_are_the_last_group():
    rows = [("1", "cat"), ("2", "cat"), ("3", "cat")]
    names = ("cat", "dog", "eel")
    runs = [
        make_answers(
            name,
            [(*row, answer) for row, answer in zip(rows, answers, strict=True)],
            class_names=names,
        )
        for name, answers in (
            ("a", ("dog", "dog", "cat")),
            ("b", ("eel", "eel", "dog")),
        )
    ]
    assert list(comparison.group_disagreements(runs).items()) == [
        (("a",), [2]),
        ((), [0, 1]),
    ]


def test_other_classes_are_refused_by_name_and_another_order_is_not():
    rows = [("1", "cat", "cat")]
    first = make_answers("a", rows)
    comparison.check_classes(
        [first, make_answers("b", rows, class_names=CLASSES[::-1])]
    )
    fewer = make_answers("b", rows, class_names=("cat",))
    for runs in ([first, fewer], [fewer, first]):
        with pytest.raises(errors.RunError, match="b has no class 'dog', which a has"):
            comparison.check_classes(runs)

import pytest

from adafilter_tf.evaluation.explanation import verdict


def difference(value, low, high, accuracy=0.9):
    return {"difference": value, "low": low, "high": high, "accuracy": accuracy}


def make_report(shuffled, majority, image_dependent=0.25):
    return {
        "run": {
            "method": "adafilter",
            "unit": "filter",
            "images_from": "the validation images of digits",
            "baselines": [{"method": "fine_tuning", "accuracy": 0.9}],
        },
        "metrics": {"accuracy": 0.95, "examples": 1000},
        "classes": [
            {"name": "cat", "recall": 0.9, "images": 500},
            {"name": "dog", "recall": 0.75, "images": 8},
            {"name": "eel", "recall": None, "images": 0},
        ],
        "confusions": [{"label": "dog", "predicted": "cat", "images": 1}],
        "gates": {
            "tuned_fraction": 0.581,
            "image_dependent_fraction": image_dependent,
            "effect": {
                "shuffled": shuffled,
                "majority": majority,
                "all_tuned": difference(0, 0, 0, 0.93),
            },
        },
    }


def test_summary_has_the_figures_in_their_order():
    report = make_report(difference(0.02, 0.01, 0.03), difference(0.03, 0.02, 0.04))
    accuracy, effect, fixed, gates, weakest = verdict.summarize(report)
    assert "95.0 %" in accuracy and "950 of 1,000 of the validation" in accuracy
    assert "fine_tuning on the same images: 90.0 %." in accuracy
    assert "+2.0 points" in effect and "95 % interval +1.0 to +3.0" in effect
    assert "is worse (90.0 %)" in fixed and "93.0 %" in fixed
    assert "58 % of all gates" in gates and "25 % of the filters" in gates
    assert "dog: 75 % of its 8 images" in weakest
    assert "dog taken for cat (1 of 8)" in weakest


@pytest.mark.parametrize(
    ("shuffled", "words"),
    [
        # What is shown as 0.0 is not called a difference.
        ((0.01, 0.0004, 0.02), "0.0 to +2.0); the difference is not significant"),
        ((-0.01, -0.02, 0.01), "−1.0 points"),
        ((-0.02, -0.03, -0.01), "−3.0 to −1.0); the images are classified better"),
    ],
)
def test_only_a_significant_difference_is_called_one(shuffled, words):
    report = make_report(difference(*shuffled), difference(0, -0.1, 0.1))
    sentences = verdict.summarize(report)
    assert words in sentences[1]
    assert "is not measurably different (90.0 %)" in sentences[2]


def test_gates_that_all_images_share_are_named():
    report = make_report(difference(0, 0, 0), difference(0, 0, 0), image_dependent=0)
    sentence = verdict.summarize(report)[1]
    assert "All images have the same gates (58.1 % of the filters tuned)" in sentence


def test_method_without_gates_and_without_mistakes():
    report = make_report(difference(0, 0, 0), difference(0, 0, 0))
    report |= {"gates": None, "confusions": []}
    mistakes, no_gates = verdict.summarize(report)[1:]
    assert "No image" in mistakes and "adafilter has no gates" in no_gates

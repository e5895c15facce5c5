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


def test_summary_says_all_in_plain_words():
    report = make_report(difference(0.02, 0.01, 0.03), difference(0.03, 0.02, 0.04))
    assert verdict.summarize(report) == [
        "95.0 % of the images are classified right (950 of 1,000 of the validation "
        "images of digits). fine_tuning on the same images: 90.0 %.",
        "The choice is worth +2.0 points over shuffled gates (95 % interval +1.0 to "
        "+3.0): it matters which image's gates are used.",
        "One network for all images, with what most of them choose, is worse (90.0 %); "
        "with every filter tuned it has 93.0 %.",
        "58 % of all choices are tuned, and 25 % of the filters are not chosen alike "
        "by all images.",
        "The hardest class is dog: 75 % of its 8 images are found. The most frequent "
        "mistake: dog taken for cat (1 of 8).",
    ]


@pytest.mark.parametrize(
    ("shuffled", "words"),
    [
        # What is shown as 0.0 is not called a difference.
        ((0.01, 0.0004, 0.02), "0.0 to +2.0): on these images it makes no measurable"),
        ((-0.01, -0.02, 0.01), "worth −1.0 points over shuffled gates"),
        ((-0.02, -0.03, -0.01), "−3.0 to −1.0): the images do better with the gates"),
    ],
)
def test_worth_of_the_choice_is_no_more_than_what_was_measured(shuffled, words):
    report = make_report(difference(*shuffled), difference(0, -0.1, 0.1))
    sentences = verdict.summarize(report)
    assert words in sentences[1]
    assert "is not measurably different (90.0 %)" in sentences[2]


def test_gates_that_all_images_share_are_named():
    report = make_report(difference(0, 0, 0), difference(0, 0, 0), image_dependent=0)
    assert verdict.summarize(report)[1] == (
        "All images have the same gates (58.1 % of the filters tuned): nothing is "
        "chosen image by image."
    )


def test_method_without_gates_and_without_mistakes():
    report = make_report(difference(0, 0, 0), difference(0, 0, 0))
    report |= {"gates": None, "confusions": []}
    assert verdict.summarize(report)[1:] == [
        "No image is mistaken.",
        "adafilter has no gates: every image passes the same filters. So this page has "
        "no part about choices.",
    ]

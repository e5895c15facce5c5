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
            {"name": "fox", "recall": 1.0, "images": 12},
            {"name": "eel", "recall": None, "images": 0},
        ],
        "confusions": [{"label": "dog", "predicted": "cat", "images": 2}],
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
    accuracy, baseline, classes, effect, fixed, gates = verdict.summarize(report)
    assert "95.0 %" in accuracy and "950 of 1,000 of the validation" in accuracy
    # Wilson's interval: (950 + 1.92 ± 1.96 sqrt(47.5 + 0.96)) / 1003.84.
    assert "95 % interval 93.5 to 96.2 %)" in accuracy
    assert baseline == "fine_tuning on the same images: 90.0 %."
    assert "+2.0 points" in effect and "95 % interval +1.0 to +3.0" in effect
    assert "is worse (90.0 %)" in fixed and "93.0 %" in fixed
    assert "58 % of all gates" in gates and "25 % of the filters" in gates
    assert "No class is recognized significantly less often" in classes
    assert (
        "lowest: dog (6 of 8). The most frequent confusion: dog classified" in classes
    )
    assert "as cat (2 of 8)." in classes


def test_baseline_with_its_answers_has_the_paired_difference():
    report = make_report(difference(0, 0, 0), difference(0, 0, 0))
    report["run"]["baselines"] = [
        {"method": "bss", **difference(0.05, 0.01, 0.09)},
        {"method": "lora", **difference(-0.01, -0.03, 0.01)},
    ]
    better, unclear = verdict.summarize(report)[1:3]
    assert better == (
        "bss on the same images: 90.0 %; adafilter minus bss: +5.0 points (95 % "
        "interval +1.0 to +9.0), significant."
    )
    assert unclear.endswith("(95 % interval −3.0 to +1.0), not significant.")


@pytest.mark.parametrize(
    ("right", "words"),
    [
        # Fisher's exact test against 462 of 512, one-sided: p = 0.0005 for 3 of 8,
        # 0.0053 for 4 and 0.039 for 5; the level over three classes is 0.0083.
        (
            3,
            "significantly less often than the other classes: dog (3 of 8).",
        ),
        (
            4,
            "significantly less often than the other classes: dog (4 of 8).",
        ),
        (5, "No class is recognized significantly less often than the others"),
    ],
)
def test_class_is_named_where_chance_does_not_explain_it(right, words):
    report = make_report(difference(0, 0, 0), difference(0, 0, 0))
    report["classes"][1]["recall"] = right / 8
    assert words in verdict.summarize(report)[2]


def test_confusions_that_occur_once_are_not_ranked():
    report = make_report(difference(0, 0, 0), difference(0, 0, 0))
    report["confusions"][0]["images"] = 1
    assert "No two classes are confused more than once." in verdict.summarize(report)[2]


def test_gates_that_were_not_replaced_are_told_without_an_effect():
    report = make_report(difference(0, 0, 0), difference(0, 0, 0))
    report["gates"]["effect"] = None
    sentences = verdict.summarize(report)
    assert len(sentences) == 4
    assert "58 % of all gates are tuned" in sentences[3]


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
    assert words in sentences[3]
    assert "is not measurably different (90.0 %)" in sentences[4]


def test_gates_that_all_images_share_are_named():
    report = make_report(difference(0, 0, 0), difference(0, 0, 0), image_dependent=0)
    sentence = verdict.summarize(report)[3]
    assert "All images have the same gates (58.1 % of the filters tuned)" in sentence


def test_method_without_gates_and_without_mistakes():
    report = make_report(difference(0, 0, 0), difference(0, 0, 0))
    report |= {"gates": None, "confusions": []}
    mistakes, no_gates = verdict.summarize(report)[2:]
    assert "No image" in mistakes and "adafilter has no gates" in no_gates

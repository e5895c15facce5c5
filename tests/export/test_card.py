import keras
import tensorflow as tf

from adafilter_tf.export import card

METRICS = {
    "method": "adafilter",
    "backbone": "resnet50",
    "dataset": "folder:toys",
    "seed": 3,
    "num_classes": 2,
    "steps": 120,
    "train_seconds": 61.7,
    "trainable_parameters": 1_234,
    "parameters": 56_789,
    "validation_accuracy": 0.9,
    "validation_mean_per_class_accuracy": 0.875,
    "validation_loss": 0.25,
    "validation_examples": 40,
    "test_accuracy": 0.85,
    "test_mean_per_class_accuracy": 0.8,
    "test_loss": 0.5,
    "test_examples": 1000,
}
GATES = {"tuned_fraction": 0.25, "image_dependent_fraction": 0.5}
OPTIONS = {
    "num_images": {"train": 100, "validation": 40, "test": 1000},
    "class_names": ["cat", "dog"],
    "flags": "--epochs=3\n--seed=3\n",
}


def test_card_says_data_figures_flags_and_versions():
    text = card.format_card({**METRICS, **GATES}, **OPTIONS)
    for part in (
        "# resnet50, fine-tuned by adafilter",
        "`--dataset=folder:toys`, split with seed 3.",
        "| train | 100 |\n| validation | 40 |\n| test | 1,000 |",
        "Classes: cat, dog.",
        "| Accuracy | 90.00% | 85.00% |",
        "| Mean per-class accuracy | 87.50% | 80.00% |",
        "| Cross-entropy, nats | 0.2500 | 0.5000 |",
        "25.0% of the gates are tuned,\n50.0% of the filters",
        "120 steps, 62 seconds, 1,234 of 56,789",
        "```\n--epochs=3\n--seed=3\n```",
        f"TensorFlow {tf.__version__}, Keras {keras.__version__}",
    ):
        assert part in text


def test_card_says_what_the_model_is_for_and_how_it_is_used():
    accuracies = {"cat": 0.9, "d|g": 0.5}
    text = card.format_card(
        {**METRICS, "test_accuracy_per_class": accuracies}, **OPTIONS
    )
    for part in (
        "## Intended use",
        "of one of its 2 classes",
        "## Licences",
        "| d\\|g | 50.0% |\n| cat | 90.0% |",
        'adafilter_tf.load_run("RUN")',
        'tf.saved_model.load("RUN/export/1")',
    ):
        assert part in text


def test_card_of_a_model_without_gates_does_not_mention_them():
    assert "Gates" not in card.format_card(METRICS, **OPTIONS)


FOLD = {
    "fold": "calibrated",
    "calibration_images": 100,
    "calibrated_changed_predictions": 1,
    "validation_images": 40,
    "changed_predictions": 1,
    "greatest_difference": 0.0123,
    "filters": 1152,
    "dependent_fraction": 0.25,
    "multiply_adds": 1_500,
    "cost_ratio": 1.2345,
    "kept": ("stem_bn",),
}


def test_card_says_what_folding_did():
    text = card.format_card({**METRICS, **GATES}, **OPTIONS, fold=FOLD)
    for part in (
        "folded for inference: calibrated.",
        "| Predictions that changed | 1 of 40 validation images |",
        "| Greatest change of a probability | 1.2e-02 |",
        "| Gates that depend on the image | 25.0% of 1,152 |",
        "| Training images that decided which | 100 |",
        "| Times those of the plain network | 1.234 |",
        "Not folded: `stem_bn`.",
    ):
        assert part in text
    assert "was not used" not in text


def test_card_says_that_a_calibration_did_not_hold():
    fold = {**FOLD, "fold": "exact", "greatest_difference": None}
    text = card.format_card(METRICS, **OPTIONS, fold=fold)
    assert "would have changed 1 predictions and was not used" in text
    assert "| Greatest change of a probability | none |" in text


def test_card_without_folding_does_not_mention_it():
    assert "Folding" not in card.format_card(METRICS, **OPTIONS)

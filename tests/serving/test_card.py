import keras
import tensorflow as tf

from adafilter_tf.serving import card

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
        "| Mean accuracy of the classes | 87.50% | 80.00% |",
        "| Cross-entropy, nats | 0.2500 | 0.5000 |",
        "25.0% of the choices are tuned filters,\n50.0% of the filters",
        "120 steps, 62 seconds, 1,234 of 56,789",
        "```\n--epochs=3\n--seed=3\n```",
        f"TensorFlow {tf.__version__}, Keras {keras.__version__}",
    ):
        assert part in text


def test_card_of_a_model_without_gates_does_not_mention_them():
    assert "Gates" not in card.format_card(METRICS, **OPTIONS)

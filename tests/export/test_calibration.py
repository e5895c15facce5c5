import pytest

from adafilter_tf.data.decoding.preprocessing import ImageSpec
from adafilter_tf.data.examples import Examples, Splits
from adafilter_tf.export import calibration
from adafilter_tf.models import gate_io
from adafilter_tf.models.folding import constant_gates
from tests.conftest import tiny_resnet
from tests.models.folding import fold_networks

SPEC = ImageSpec(image_size=8, channels=3, crop_fraction=1.0)


def pixel_model(**options):
    """Reads pixels 0..255 without saturated probabilities."""
    backbone = tiny_resnet()
    stem = backbone.get_layer("stem_conv")
    stem.kernel.assign(stem.kernel / 128)
    return fold_networks.build(backbone, **options)


def split(paths, *, train, validation):
    parts = [paths[:train], paths[train : train + validation], ()]
    return Splits(
        *(Examples(tuple(of), (0,) * len(of), ("a", "b", "c")) for of in parts)
    )


def fold(model, examples, fold="calibrated", tolerance=0.001, min_images=1):
    options = calibration.FoldOptions(fold, tolerance, min_images)
    return calibration.fold_model(model, examples, options, SPEC)


def turn(model, monkeypatch):
    """Makes the calibration say the opposite of what the images choose."""
    calibrate = constant_gates.calibrate

    def turned(model, batches):
        return {name: 1 - of for name, of in calibrate(model, batches).items()}

    monkeypatch.setattr(constant_gates, "calibrate", turned)


def test_calibrated_fold_is_tried_on_validation_images(image_files):
    model = pixel_model()
    folded, report = fold(model, split(image_files[0], train=5, validation=2))
    assert report.fold == "calibrated"
    assert (report.calibration_images, report.validation_images) == (5, 2)
    assert report.filters == 44
    assert report.dependent_fraction == folded.dependent_fraction < 1
    assert report.cost_ratio == report.multiply_adds / report.plain_multiply_adds
    assert 1 < report.cost_ratio < 2.5


def test_a_calibration_that_does_not_hold_is_not_used(image_files, monkeypatch):
    model = pixel_model()
    turn(model, monkeypatch)
    examples = split(image_files[0], train=3, validation=4)
    folded, report = fold(model, examples)
    if not report.calibrated_changed_predictions:
        pytest.fail("the turned gates change no prediction: choose other weights")
    assert report.fold == "exact"
    assert report.changed_predictions == 0
    assert report.greatest_difference < 1e-5
    assert folded.dependent_fraction == 1
    assert "calibrated would have changed" in calibration.describe(report)
    _, forced = fold(model, examples, tolerance=1.0)
    assert forced.fold == "calibrated"
    assert forced.changed_predictions == report.calibrated_changed_predictions
    assert forced.greatest_difference > 1e-3


def test_too_few_images_calibrate_nothing(image_files):
    examples = split(image_files[0], train=3, validation=4)
    folded, report = fold(pixel_model(), examples, min_images=4)
    assert (report.fold, report.calibration_images) == ("exact", 0)
    assert report.calibrated_changed_predictions is None
    assert folded.dependent_fraction == 1


def test_without_validation_images_the_fold_is_exact(image_files):
    examples = split(image_files[0], train=5, validation=0)
    folded, report = fold(pixel_model(), examples)
    assert report.fold == "exact"
    assert report.greatest_difference is None
    assert "validation" not in calibration.describe(report)


def test_a_network_without_gates_costs_what_it_did(image_files):
    model = fold_networks.build(tiny_resnet(), "fine_tuning")
    folded, report = fold(model, split(image_files[0], train=5, validation=2))
    assert report.fold == "exact"
    assert report.cost_ratio == 1
    assert report.filters == 0
    assert gate_io.list_gates(folded.model) == {}
    line = "folded (exact); 1.00 times the plain network's MACs; 0 of 2"
    assert calibration.describe(report).startswith(line)

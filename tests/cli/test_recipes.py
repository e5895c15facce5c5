import numpy as np
import pytest
from absl import flags as absl_flags
from PIL import Image

from adafilter_tf import errors
from adafilter_tf.cli import flagfile, flags, recipes, settings, trial
from adafilter_tf.data import examples
from adafilter_tf.data.decoding import image_area


def task(num_examples=1000, side=300):
    return recipes.Task(num_examples, side * side, 10, 224)


# Steps, warm-up and MixUp of bit_hyperrule.py, google-research/big_transfer.
@pytest.mark.parametrize(
    ("num_examples", "steps", "warmup", "mixup"),
    [
        (1000, 500, 100, 0.0),
        (19_999, 500, 100, 0.0),
        (20_000, 10_000, 500, 0.1),
        (499_999, 10_000, 500, 0.1),
        (500_000, 20_000, 500, 0.1),
    ],
)
def test_hyperrule_has_the_lengths_of_its_source(num_examples, steps, warmup, mixup):
    chosen = recipes.bit_hyperrule(task(num_examples))
    assert chosen["epochs"] * chosen["steps_per_epoch"] == steps
    assert chosen["warmup_fraction"] * steps == warmup
    assert chosen["mixup_alpha"] == mixup
    assert (chosen["learning_rate"], chosen["batch_size"]) == (0.003, 512)


@pytest.mark.parametrize(
    ("side", "image_size", "area"), [(95, 128, 0.64), (96, 480, 0.8789)]
)
def test_hyperrule_has_the_resolutions_of_its_source(side, image_size, area):
    chosen = recipes.bit_hyperrule(task(side=side))
    assert chosen["image_size"] == image_size
    assert chosen["random_resized_crop_min_area"] == area


def test_vtab_takes_2500_steps_whatever_the_task():
    for chosen in (recipes.vtab(task(5)), recipes.vtab(task(10**6))):
        assert chosen["epochs"] * chosen["steps_per_epoch"] == 2500
        assert (chosen["learning_rate"], chosen["batch_size"]) == (0.01, 512)


def values_of(*arguments):
    values = absl_flags.FlagValues()
    flags.define_flags(values)
    values(["run", *arguments])
    settings.resolve_defaults(values)
    return values


@pytest.mark.parametrize("name", recipes.RECIPES)
def test_recipe_sets_flags_that_exist_to_values_that_they_allow(name):
    chosen = recipes.RECIPES[name](task())
    values = values_of()
    for flag, value in chosen.items():
        values[flag].value = value
    again = values_of(*flagfile.to_flagfile(values).splitlines())
    assert {flag: again[flag].value for flag in chosen} == chosen


@pytest.fixture
def training(image_files):
    paths, _ = image_files
    return examples.Examples(tuple(paths), tuple([0, 1] * 3 + [0]), ("a", "b"))


def test_given_flags_stand_and_all_are_said_and_saved(training):
    values = values_of(
        "--recipe=bit_hyperrule", "--backbone=resnet14", "--learning_rate=0.5"
    )
    said = settings.apply_recipe(values, training)
    assert (values.learning_rate, values.head_learning_rate) == (0.5, 0.003)
    assert values.image_size == 128  # The images have 8 x 8 pixels.
    assert said.startswith(
        "Recipe bit_hyperrule for 7 images of about 8 x 8 pixels, 2 classes: optimizer="
    )
    assert "learning_rate=0.5" in said and said.endswith("given: learning_rate")

    again = values_of(*flagfile.to_flagfile(values).splitlines())
    settings.apply_recipe(again, training)
    assert flagfile.to_flagfile(again) == flagfile.to_flagfile(values)


def test_usual_area_is_the_median_of_readable_files(tmp_path):
    paths = []
    for index, side in enumerate((4, 6, 50)):
        paths.append(str(tmp_path / f"{index}.png"))
        Image.fromarray(np.zeros((side, 5), np.uint8)).save(paths[-1])
    paths.append(str(tmp_path / "bad.png"))
    (tmp_path / "bad.png").write_bytes(b"no image")
    assert image_area.usual_area(examples.Examples(tuple(paths), (0,) * 4, "a")) == 30


def test_comparison_refuses_a_recipe():
    with pytest.raises(errors.UsageError, match="recipe=vtab in a comparison"):
        trial.check_flags(["--recipe=vtab", "--backbone=resnet14"])

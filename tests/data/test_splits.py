"""Stratified splits and their file list."""

import re

import numpy as np
import pytest

from adafilter_tf import errors
from adafilter_tf.data import splits
from adafilter_tf.data.examples import Examples, Splits


def _examples(counts, prefix="/images"):
    names = tuple(f"class{label}" for label in range(len(counts)))
    pairs = [
        (f"{prefix}/{names[label]}/{i:03d}.png", label)
        for label, count in enumerate(counts)
        for i in range(count)
    ]
    return Examples(tuple(p for p, _ in pairs), tuple(x for _, x in pairs), names)


def _make(source, seed=1, validation=0.1, test=0.2, **options):
    return splits.make_splits(
        source, seed=seed, validation_fraction=validation, test_fraction=test, **options
    )


def _counts(made):
    return [part.count_per_class().tolist() for _, part in made.items()]


def test_shares_of_every_class_are_rounded_and_at_least_one():
    made = _make({"all": _examples([100, 30, 3])})
    assert _counts(made) == [[70, 21, 1], [10, 3, 1], [20, 6, 1]]


@pytest.mark.parametrize(("images", "taken"), [(14, 1), (15, 2), (17, 2), (25, 3)])
def test_share_is_rounded_to_the_nearest_number_and_halves_up(images, taken):
    """1.4, 1.5, 1.7 and 2.5 images."""
    made = _make({"all": _examples([images])}, validation=0.1, test=0.1)
    assert _counts(made) == [[images - 2 * taken], [taken], [taken]]


@pytest.mark.parametrize("test_seed", [None, 7])
def test_each_class_has_a_draw_of_its_own(test_seed):
    """Images of one number in all classes may be of one scene."""
    made = _make({"all": _examples([40, 40])}, test_seed=test_seed)
    for _, part in made.items():
        first, second = (
            [path[-7:] for path in part.paths if f"/class{label}/" in path]
            for label in (0, 1)
        )
        assert first != second


def test_every_image_is_in_exactly_one_split():
    examples = _examples([17, 23])
    made = _make({"all": examples})
    paths = [path for _, part in made.items() for path in part.paths]
    assert sorted(paths) == sorted(examples.paths)
    for _, part in made.items():
        for path, label in zip(part.paths, part.labels, strict=True):
            assert f"/class{label}/" in path


def test_result_depends_on_files_and_seed_not_on_their_order():
    examples = _examples([17, 23])
    shuffled = examples.take(np.random.default_rng(0).permutation(len(examples)))
    made = _make({"all": examples})
    assert _make({"all": shuffled}) == made
    assert _make({"all": examples}, seed=2).test != made.test


def test_test_seed_fixes_the_test_images_and_the_seed_the_others():
    source = {"all": _examples([40, 60])}
    first, second = (_make(source, seed=seed, test_seed=7) for seed in (1, 2))
    assert first.test == second.test
    assert _make(source, seed=1, test_seed=8).test != first.test
    assert set(first.validation.paths) != set(second.validation.paths)
    for made in (first, second):
        paths = [path for _, part in made.items() for path in part.paths]
        assert sorted(paths) == sorted(source["all"].paths)


def test_split_of_a_class_does_not_depend_on_other_classes():
    first = _make({"all": _examples([17, 23])})
    second = _make({"all": _examples([17, 9])})

    def of_class_0(made):
        return [path for path in made.test.paths if "class0" in path]

    assert of_class_0(first) == of_class_0(second)


def test_known_seed_gives_a_known_split():
    made = _make({"all": _examples([4, 4])}, seed=7, validation=0.25, test=0.25)
    first = [np.random.default_rng([7, label]).permutation(4)[0] for label in range(2)]
    expected = [f"/images/class{label}/{i:03d}.png" for label, i in enumerate(first)]
    assert list(made.test.paths) == expected


def test_ready_made_splits_are_kept():
    source = {
        "train": _examples([5, 5], "/train"),
        "validation": _examples([2, 3], "/val"),
        "test": _examples([4, 1], "/test"),
    }
    made = _make(source)
    assert made == Splits(source["train"], source["validation"], source["test"])


def test_validation_is_taken_from_train_never_from_test():
    source = {
        "train": _examples([10, 10], "/train"),
        "test": _examples([9, 9], "/test"),
    }
    made = _make(source, validation=0.2)
    assert made.test == source["test"]
    assert _counts(made)[:2] == [[8, 8], [2, 2]]
    assert all(path.startswith("/train/") for path in made.validation.paths)


def test_missing_test_is_taken_from_train_and_validation_kept():
    source = {"train": _examples([10, 10], "/t"), "validation": _examples([1, 1], "/v")}
    made = _make(source)
    assert made.validation == source["validation"]
    assert _counts(made) == [[8, 8], [1, 1], [2, 2]]


def test_zero_validation_fraction_gives_an_empty_validation():
    made = _make({"all": _examples([10, 2])}, validation=0.0)
    assert _counts(made) == [[8, 1], [0, 0], [2, 1]]
    assert made.validation.class_names == ("class0", "class1")


def test_few_shot_limits_train_only_and_is_nested():
    source = {"all": _examples([20, 40])}
    full, five, two = (
        _make(source, examples_per_class=count) for count in (None, 5, 2)
    )
    assert _counts(five) == [[5, 5], [2, 4], [4, 8]]
    assert (five.validation, five.test) == (full.validation, full.test)
    assert set(two.train.paths) < set(five.train.paths) < set(full.train.paths)


def test_declared_class_without_images_is_allowed():
    assert _counts(_make({"all": _examples([10, 0, 10])}))[0] == [7, 0, 7]


@pytest.mark.parametrize(
    "counts,options,message",
    [
        (
            [10, 2],
            {},
            "Class 'class1' has 2 images, too few for 3 splits: add images or "
            "remove the class.",
        ),
        (
            [10, 5],
            {"examples_per_class": 4},
            "Class 'class1' has 3 training images, fewer than examples_per_class=4: "
            "lower it to 3 or add images.",
        ),
    ],
)
def test_too_few_images_are_explained(counts, options, message):
    with pytest.raises(errors.RunError, match=re.escape(message)):
        _make({"all": _examples(counts)}, **options)


@pytest.mark.parametrize(
    "options,message",
    [
        ({"validation": 0.5, "test": 0.5}, "validation_fraction=0.5 and test_fraction"),
        ({"validation": -0.1}, "validation_fraction=-0.1"),
        ({"test": 0.0}, "test_fraction=0 but the data set has no test split"),
        ({"examples_per_class": 0}, "examples_per_class=0: it is at least 1"),
    ],
)
def test_impossible_options_are_usage_errors(options, message):
    with pytest.raises(errors.UsageError, match=re.escape(message)):
        _make({"all": _examples([10, 10])}, **options)


def test_empty_ready_made_split_is_refused():
    source = {"train": _examples([5, 5]), "test": _examples([0, 0])}
    with pytest.raises(errors.RunError, match="The test split has no image"):
        _make(source)


def test_image_in_two_splits_is_refused():
    source = {"train": _examples([5, 5]), "test": _examples([1, 1])}
    message = "/images/class0/000.png is listed twice, in train and in test"
    with pytest.raises(errors.RunError, match=message):
        _make(source, validation=0.0)


def test_written_splits_are_read_back_exactly(tmp_path):
    names = ("zebra", 'odd, "name"', "never seen", "ärger\nline", "b")
    odd = "/x/a,b\udcff.png"  # a file name that is not UTF-8
    made = Splits(
        Examples((odd, "/x/2.png", "/x/1.png"), (3, 0, 1), names),
        Examples((), (), names),
        Examples(("/x/3.png",), (0,), names),
    )
    splits.write_splits(made, tmp_path / "splits.csv")
    assert splits.read_splits(tmp_path / "splits.csv") == made
    assert [p.name for p in tmp_path.iterdir()] == ["splits.csv"]


def test_list_of_splits_is_plain_csv(tmp_path):
    names = ("cat", "dog")
    made = Splits(
        Examples(("/x/1.png",), (0,), names),
        Examples((), (), names),
        Examples(("/x/2.png",), (0,), names),
    )
    splits.write_splits(made, tmp_path / "splits.csv")
    assert (tmp_path / "splits.csv").read_text() == (
        "path,label,split,class_index\n"
        "/x/1.png,cat,train,0\n"
        "/x/2.png,cat,test,0\n"
        ",dog,,1\n"
    )


@pytest.mark.parametrize(
    "text",
    [
        "a,b\n1,2\n",
        "path,label,split,class_index\n/x,cat,train,one\n",
        "path\n/x\n",
        "path,label,split,class_index\n/x,cat,dev,0\n",
        "path,label,split,class_index\n/x,cat,train,5\n",
    ],
)
def test_foreign_list_of_splits_is_refused(tmp_path, text):
    (tmp_path / "splits.csv").write_text(text)
    with pytest.raises(errors.RunError, match="splits.csv is not a list of splits"):
        splits.read_splits(tmp_path / "splits.csv")


def test_missing_list_of_splits_is_named(tmp_path):
    message = "none.csv cannot be read .No such file or directory."
    with pytest.raises(errors.RunError, match=message):
        splits.read_splits(tmp_path / "none.csv")


def _write(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return tuple(str(folder / name) for name in names)


def _source(train, test):
    names = ("a", "b")
    return {
        "train": Examples(train, (0, 1) * (len(train) // 2), names),
        "test": Examples(test, (0, 1)[: len(test)], names),
    }


def test_one_file_in_two_splits_is_refused_under_any_spelling(tmp_path):
    train = _write(tmp_path, "train/a.png", "train/b.png")
    (tmp_path / "test").symlink_to(tmp_path / "train")
    (tmp_path / "link.png").symlink_to(train[0])
    for test in (
        str(tmp_path / "test/a.png"),
        str(tmp_path / "train/../train/a.png"),
        str(tmp_path / "link.png"),
    ):
        with pytest.raises(errors.RunError, match="are one file, in train and in test"):
            _make(_source(train, (test,)), validation=0)


def test_links_to_nothing_are_not_one_file(tmp_path):
    """They are unreadable images, about which --on_bad_image decides."""
    train = list(_write(tmp_path, "a.png", "b.png", "c.png"))
    for name in ("lost.png", "gone.png"):
        (tmp_path / name).symlink_to(tmp_path / "nowhere.png")
    train.append(str(tmp_path / "lost.png"))
    splits = _make(_source(tuple(train), (str(tmp_path / "gone.png"),)), validation=0)
    assert splits.train.paths == tuple(train)


def test_one_file_with_two_labels_is_called_that(tmp_path):
    first, second = _write(tmp_path, "a.png", "b.png")
    with pytest.raises(errors.RunError, match="is listed twice, with two labels, 'a'"):
        _make(_source((first, first), (second,)), validation=0)


def test_links_may_repeat_an_image_of_one_split_and_class(tmp_path):
    first, second = _write(tmp_path, "a.png", "b.png")
    (tmp_path / "again.png").symlink_to(first)
    again = str(tmp_path / "again.png")
    train = Examples((first, second, again), (0, 1, 0), ("a", "b"))
    test = Examples((str(tmp_path / "c.png"),), (0,), ("a", "b"))
    made = _make({"train": train, "test": test}, validation=0)
    assert len(made.train) == 3

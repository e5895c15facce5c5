import os
import shutil

import pytest

from adafilter_tf import errors
from adafilter_tf.data.examples import Examples, Splits
from adafilter_tf.data.integrity import image_record, scan


@pytest.fixture
def made(make_folder):
    root = make_folder("a/0.png", "a/1.png", "b/2 é.png")
    record(splits(root), root)
    return root


def splits(root, labels=(0, 0, 1), names=("a", "b")):
    paths = tuple(str(root / name) for name in ("a/0.png", "a/1.png", "b/2 é.png"))
    parts = (Examples((p,), (x,), names) for p, x in zip(paths, labels, strict=True))
    return Splits(*parts)


def record(examples, root):
    image_record.write_record(examples, root / "images.csv")


def check(root):
    return image_record.check_images(splits(root), root / "images.csv")


def test_same_images_pass(made):
    assert check(made) is None


def test_image_that_was_only_copied_passes(made):
    path = made / "a/1.png"
    shutil.copy(path, made / "copy")
    os.replace(made / "copy", path)
    os.utime(path, ns=(1, 1))
    assert check(made) is None


def test_image_of_another_content_is_named(made):
    path = made / "b/2 é.png"
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(errors.RunError, match=f"1 of 3 .* first {path} .its content"):
        check(made)


def test_image_that_is_gone_is_named(made):
    path = made / "a/0.png"
    path.unlink()
    message = f"1 of 3 images are not .* first {path} .No such file or directory"
    with pytest.raises(errors.RunError, match=message):
        check(made)


def test_image_beside_the_record_is_named(made):
    lines = (made / "images.csv").read_text().splitlines(keepends=True)
    (made / "images.csv").write_text("".join(lines[:-1]))
    with pytest.raises(errors.RunError, match="2 é.png .not in the record"):
        check(made)


@pytest.mark.parametrize("text", ["path,sha256\nx,y\n", "\0", '"'])
def test_damaged_record_is_named(made, text):
    record = made / "images.csv"
    record.write_text(text)
    with pytest.raises(errors.RunError, match="is not a record of images|not in the"):
        check(made)


def test_run_of_an_earlier_version_is_not_refused(made, caplog):
    (made / "images.csv").unlink()
    check(made)
    assert "images have changed since the run began is not known" in caplog.text


def test_image_that_vanishes_before_it_is_recorded_is_named(made):
    (made / "a/0.png").unlink()
    with pytest.raises(errors.RunError, match="a/0.png cannot be read .No such file"):
        record(splits(made), made)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": (1, 0, 1)}, r"0.png was 'a' in train and is now 'b' in train"),
        ({"names": ("a", "c")}, r"2 é.png was 'b' in test and is now 'c' in test"),
    ],
)
def test_other_label_is_named(made, change, message):
    with pytest.raises(
        errors.RunError, match=f"--dataset=x .*1 differences.*{message}"
    ):
        image_record.check_lists(splits(made, **change), splits(made), dataset="x")


def test_new_and_lost_images_are_named_unless_they_were_left_out(made):
    whole = splits(made)
    path = whole.test.paths[0]
    without = Splits(whole.train, whole.validation, Examples((), (), ("a", "b")))
    for now, begun, word in ((whole, without, "new"), (without, whole, "gone")):
        with pytest.raises(errors.RunError, match=f"{path} is {word}"):
            image_record.check_lists(now, begun, dataset="x")
    image_record.check_lists(whole, without, dataset="x", left_out=[path])


def test_what_a_scan_has_hashed_is_not_read_again(made, tmp_path, monkeypatch):
    cache, expected = tmp_path / "manifest.csv", (made / "images.csv").read_text()
    paths = [path for _, of in splits(made).items() for path in of.paths]
    scan.scan_images(paths, cache=cache)
    monkeypatch.setattr(image_record, "_sha256", None)
    image_record.write_record(splits(made), made / "again.csv", cache=cache)
    assert (made / "again.csv").read_text() == expected


def test_class_in_another_unicode_form_is_the_same(made):
    names = ("a", "pa\u0302te"), ("a", "p\u00e2te")
    begun, now = (splits(made, names=of) for of in names)
    assert image_record.check_lists(now, begun, dataset="folder:x") is None

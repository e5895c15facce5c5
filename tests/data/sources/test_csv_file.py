"""Images listed in a CSV file."""

import re

import pytest

from adafilter_tf import errors
from adafilter_tf.data import sources
from adafilter_tf.data.examples import Examples


@pytest.fixture
def load(make_folder):
    folder = make_folder("images/1.png", "images/2.png", "3.png")

    def load_text(text):
        (folder / "list.csv").write_bytes(text.encode())
        return sources.load_source(f"csv:{folder / 'list.csv'}")

    return load_text


def test_labels_are_names_and_paths_relative_to_the_file(load, tmp_path):
    source = load("path,label\nimages/2.png,dog\n3.png,cat\n")
    paths = (str(tmp_path / "images/2.png"), str(tmp_path / "3.png"))
    assert source == {"all": Examples(paths, (1, 0), ("cat", "dog"))}


def test_byte_order_mark_other_columns_and_absolute_paths(load, tmp_path):
    source = load(
        f"\ufefflabel,note,path\r\nx,hm,{tmp_path}/3.png\r\ny,,images/1.png\r\n"
    )
    assert source["all"].paths[0] == str(tmp_path / "3.png")
    assert source["all"].labels == (0, 1)


def test_split_column_gives_ready_made_splits(load, tmp_path):
    source = load(
        "path,label,split\nimages/1.png,a,train\nimages/2.png,b,Train\n3.png,b,val\n"
    )
    assert set(source) == {"train", "validation"}
    assert source["validation"] == Examples(
        (str(tmp_path / "3.png"),), (1,), ("a", "b")
    )


@pytest.mark.parametrize(
    "text,message",
    [
        ("file,label\n3.png,a\n", "lacks the column path (its header: file,label)"),
        ("", "lacks the column path and label (its header: empty)"),
        ("path,label\n", "lists no image; add one line path,label for each"),
        ("path,label\n3.png,a\nimages/1.png\n", "line 3: 1 cells under"),
        ("path,label\n3.png,a\nimages/1.png,\n", "line 3: the label is empty"),
        (
            "path,label,split\n3.png,a,holdout\n",
            "line 2: split 'holdout' is unknown; allowed are train, training, val,",
        ),
        (
            "path,label\n3.png,a\nnone.png,b\nnil.png,b\n",
            "2 of 3 images that",
        ),
        (
            "path,label\n3.png,a\nimages/1.png,a\n",
            "has 1 class with training images (a)",
        ),
        (
            "path,label,split\n3.png,a,test\nimages/1.png,b,test\n",
            "has the splits test but no train split",
        ),
    ],
)
def test_unfit_file_is_explained(load, text, message):
    with pytest.raises(errors.RunError, match=re.escape(message)):
        load(text)


def test_first_missing_image_is_named(load, tmp_path):
    message = re.escape(f"do not exist, first {tmp_path}/none.png (line 2); paths")
    with pytest.raises(errors.RunError, match=message):
        load("path,label\nnone.png,b\nnil.png,b\n")


def test_file_that_is_not_text_is_explained(load, tmp_path):
    message = "3.png cannot be read as a CSV file in UTF-8"
    with pytest.raises(errors.RunError, match=message):
        sources.load_source(f"csv:{tmp_path / '3.png'}")


def test_missing_file_is_a_usage_error(tmp_path):
    with pytest.raises(errors.UsageError, match="no such file; give a CSV file with"):
        sources.load_source(f"csv:{tmp_path / 'none.csv'}")


@pytest.mark.parametrize(
    "text,parts",
    [
        ("path,label\n3.png,apple, red\n", ("line 2", "3 cells", "header of 2")),
        ("path,label\n3.png,a,test\n", ("line 2", "3 cells", "path,label")),
        ("path,label,label\n3.png,a,b\n", ("2 columns 'label'",)),
        ("path,label,set\n3.png,a,train\nimages/1.png,b,test\n", ("'set'", "'split'")),
        ('path,label\n3.png,"a"b\n', ("line 2", "cannot be read as a CSV file")),
        (
            'path,label,note\n3.png,a,"5 inch\nimages/1.png,b,x\nimages/2.png,b,12"\n',
            ("line 2", "after line 3", "quote"),
        ),
        ("path;label\n3.png;a\n", ("path;label", "commas between")),
    ],
)
def test_list_that_would_be_misread_is_refused_by_line(load, text, parts):
    with pytest.raises(errors.UsageError) as caught:
        load(text)
    assert all(part in str(caught.value) for part in parts), caught.value


def test_blanks_in_the_header_and_separators_of_windows(load, tmp_path):
    source = load("path , label\nimages\\1.png,a\n3.png,b\n")
    assert source["all"].paths == (
        str(tmp_path / "images/1.png"),
        str(tmp_path / "3.png"),
    )


def test_several_lines_in_a_cell_that_list_no_image_are_a_text(load):
    source = load('path,label,note\n3.png,a,"one,\ntwo"\nimages/1.png,b,\n')
    assert source["all"].labels == (0, 1)


def test_columns_that_are_not_used_are_named(load, caplog):
    load("path,label,colour\n3.png,a,red\nimages/1.png,b,test\n")
    assert "'colour'" in caplog.text


def test_alike_class_names_are_asked_about(load, caplog):
    source = load("path,label\n3.png,1\nimages/1.png,1.0\nimages/2.png,Zero\n")
    assert source["all"].class_names == ("1", "1.0", "Zero")
    assert "'1' and '1.0' one class" in caplog.text


def test_unicode_forms_of_a_label_are_one_class(load):
    source = load("path,label\n3.png,pa\u0302te\nimages/1.png,p\u00e2te\n3.png,b\n")
    assert source["all"].class_names == ("b", "p\u00e2te")
    assert source["all"].labels == (1, 1, 0)

import os

import pytest

from adafilter_tf.files import atomic


def test_failed_write_leaves_the_old_file_alone(tmp_path):
    path = tmp_path / "table.csv"
    atomic.write_csv(path, ["a"], [[1]])

    def rows():
        yield [2]
        raise ValueError

    with pytest.raises(ValueError):
        atomic.write_csv(path, ["a"], rows())
    assert path.read_text() == "a\n1\n"
    assert os.listdir(tmp_path) == ["table.csv"]


def test_content_and_name_are_on_the_disk_in_this_order(tmp_path, monkeypatch):
    """Synced file, renamed, synced folder: else a power cut leaves an empty file."""
    done = []
    fsync, replace = os.fsync, os.replace

    def note_fsync(descriptor):
        done.append(("fsync", os.readlink(f"/proc/self/fd/{descriptor}")))
        fsync(descriptor)

    def note_replace(old, new):
        done.append(("replace", os.fspath(new)))
        replace(old, new)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "replace", note_replace)
    path = tmp_path / "file.txt"
    atomic.write_text(path, "x")
    temporary = str(atomic.temporary_path(path))
    assert done == [
        ("fsync", temporary), ("replace", str(path)), ("fsync", str(tmp_path)),
    ]  # fmt: skip


def test_tree_is_synced_file_by_file_before_its_name(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(
        os, "fsync", lambda fd: synced.append(os.readlink(f"/proc/self/fd/{fd}"))
    )
    tree = tmp_path / "made"
    (tree / "sub").mkdir(parents=True)
    (tree / "sub/a").write_text("a")
    atomic.publish(tree, tmp_path / "named")
    expected = [tree / "sub/a", tree, tree / "sub", tmp_path]
    assert synced == [str(path) for path in expected]
    assert (tmp_path / "named/sub/a").read_text() == "a"


def test_failed_folder_is_removed(tmp_path):
    with pytest.raises(KeyboardInterrupt), atomic.replacing(tmp_path / "f") as made:
        made.mkdir()
        (made / "part").write_text("x")
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == []


def test_two_writers_of_a_shared_file_do_not_meet(tmp_path):
    path = tmp_path / "f"
    with atomic.replacing(path, shared=True) as first:
        first.write_text("first")
        with atomic.replacing(path, shared=True) as second:
            second.write_text("second")
        assert path.read_text() == "second"
    assert path.read_text() == "first"
    assert os.listdir(tmp_path) == ["f"]

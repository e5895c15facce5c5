import hashlib
import stat
import zipfile

import pytest

from adafilter_tf import errors
from tests.tools import published_archives
from tools.paper import archives

write = published_archives.write


def read_all(path, pattern=".*"):
    return {name: read() for name, read in archives.members(path, pattern)}


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz"])
def test_files_that_match_are_read(tmp_path, name):
    path = write(tmp_path / name, {"x/1.jpg": b"one", "./x/2.jpg": b"2", "y": b"no"})
    assert read_all(path, r"x/\d\.jpg") == {"x/1.jpg": b"one", "x/2.jpg": b"2"}
    assert archives.names(path, "y") == ["y"]


@pytest.mark.parametrize("ending", ["zip", "tar", "tar.gz"])
@pytest.mark.parametrize(
    "name", ["../evil.jpg", "x/../../evil.jpg", "/etc/evil.jpg", "..\\evil", "C:\\evil"]
)
def test_archive_that_leaves_its_folder_is_refused_whole(tmp_path, ending, name):
    path = write(tmp_path / f"a.{ending}", {name: b"evil", "x/1.jpg": b"one"})
    # Even where only another file is wanted.
    with pytest.raises(errors.RunError, match="which leaves its folder"):
        read_all(path, "x/1.jpg")


def test_link_and_device_are_refused_where_a_file_is_expected(tmp_path):
    link = write(tmp_path / "link.tar", {}, links=[("x/1.jpg", "/etc/passwd")])
    device = published_archives.device(tmp_path / "device.tar", "x/1.jpg")
    in_zip = tmp_path / "link.zip"
    with zipfile.ZipFile(in_zip, "w") as archive:
        info = zipfile.ZipInfo("x/1.jpg")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    for path in (link, device, in_zip):
        with pytest.raises(errors.RunError, match="x/1.jpg is a link, a folder or a d"):
            read_all(path)


def test_sizes_are_limited(tmp_path, monkeypatch):
    path = write(tmp_path / "a.zip", {"1": b"12345", "2": b"12345"})
    monkeypatch.setattr(archives, "MAX_FILE_BYTES", 4)
    with pytest.raises(errors.RunError, match="1 has 5 bytes; at most 4 are allowed"):
        read_all(path)
    monkeypatch.setattr(archives, "MAX_FILE_BYTES", 5)
    monkeypatch.setattr(archives, "MAX_TOTAL_BYTES", 9)
    with pytest.raises(errors.RunError, match="more than 1000000 files or 9 bytes"):
        read_all(path)


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz"])
def test_damaged_archive_is_one_line(tmp_path, name):
    path = write(tmp_path / name, {f"{i}": bytes(range(256)) * 40 for i in range(9)})
    path.write_bytes(path.read_bytes()[:-20300])
    with pytest.raises(errors.RunError, match="download it again"):
        read_all(path)


def test_flipped_byte_in_a_zip_is_found(tmp_path):
    path = write(tmp_path / "a.zip", {"x": b"content"})
    path.write_bytes(path.read_bytes().replace(b"content", b"c0ntent", 1))
    with pytest.raises(errors.RunError, match="damaged or incomplete .*CRC"):
        read_all(path)


def test_digests_are_those_of_the_content(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    assert archives.digests(path) == {
        "sha256": hashlib.sha256(b"abc").hexdigest(),
        "md5": "900150983cd24fb0d6963f7d28e17f72",
    }

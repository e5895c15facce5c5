import subprocess

import pytest

from adafilter_tf.files import checksums


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/b").write_bytes(b"")
    return tmp_path


def test_sums_are_those_of_the_standard_program(folder):
    checksums.record(folder, ["a"])
    checksums.record(folder, ["sub/b"])
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert checksums.read(folder / "SHA256SUMS")["a"] == known  # FIPS 180-2, B.1
    check = ["sha256sum", "--check", "--strict", "SHA256SUMS"]
    assert subprocess.run(check, cwd=folder, check=False).returncode == 0


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (lambda path: path.unlink(), "a is missing"),
        (lambda path: path.write_bytes(b""), "a is empty"),
        (lambda path: path.write_bytes(b"ab\0"), "a differs from its SHA-256"),
    ],
)
def test_damage_is_found(folder, damage, fault):
    (folder / "SHA256SUMS").write_text(checksums.describe_tree(folder))
    sums = checksums.read(folder / "SHA256SUMS")
    assert checksums.find_fault(folder, sums) is None
    damage(folder / "a")
    assert checksums.find_fault(folder, sums) == fault


def test_damaged_lines_are_left_out(folder):
    checksums.record(folder, ["a", "sub/b"])
    path = folder / "SHA256SUMS"
    path.write_bytes(b"\xff\0" + path.read_bytes())
    assert list(checksums.read(path)) == ["sub/b"]

import re

import pytest

from adafilter_tf import errors
from adafilter_tf.files import packages
from tests.files import package_files

_MEMBERS = {"a/one.png": b"1", "a/two.txt": b"22", "b/one.png": b"333"}


@pytest.mark.parametrize(
    ("file_name", "write"),
    [
        ("tiny.whl", package_files.wheel),
        ("tiny.tgz", package_files.tar),
        ("tiny.deb", package_files.deb),
    ],
)
def test_read_gives_the_members_that_match(tmp_path, file_name, write):
    (tmp_path / file_name).write_bytes(write(_MEMBERS))

    found = dict(packages.read(tmp_path / file_name, "*.png"))

    assert found == {"a/one.png": b"1", "b/one.png": b"333"}


def test_links_are_no_members(tmp_path):
    content = package_files.deb(_MEMBERS, links=[("c/one.png", "../a/one.png")])
    (tmp_path / "tiny.deb").write_bytes(content)

    assert "c/one.png" not in dict(packages.read(tmp_path / "tiny.deb", "*"))


def test_another_checksum_is_refused(tmp_path):
    (tmp_path / "tiny.tgz").write_bytes(b"not what was recorded")
    package = package_files.package(b"recorded", "tiny.tgz")

    # printf 'not what was recorded' | sha256sum, and of 'recorded'
    with pytest.raises(errors.RunError) as error:
        packages.fetch(package, str(tmp_path), "unused")

    assert re.search(
        "tiny.tgz has the SHA-256 [0-9a-f]{64}; tiny 1.0", str(error.value)
    )
    assert package.sha256 in str(error.value)
    assert "fetch it with `npm pack --silent tiny@1.0`" in str(error.value)


def test_missing_file_names_the_command_that_writes_it(tmp_path):
    package = package_files.package(b"", "tiny_1.0.deb", "apt-get")

    with pytest.raises(errors.RunError) as error:
        packages.fetch(package, str(tmp_path), "unused")

    for part in (
        f"{tmp_path}/tiny_1.0.deb",
        "`apt-get download --quiet tiny=1.0`",
        "--package_dir",
    ):
        assert part in str(error.value)


def test_missing_program_names_the_file_to_put_into_a_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    package = package_files.package(b"", "tiny-1.0.tgz")

    with pytest.raises(errors.RunError) as error:
        packages.fetch(package, None, str(tmp_path))

    for part in ("npm", "Put tiny-1.0.tgz of tiny 1.0", "--package_dir"):
        assert part in str(error.value)


@pytest.fixture
def fake_npm(tmp_path, monkeypatch):
    """Puts a program npm on the path; returns the function that gives its script."""

    def install(script):
        program = tmp_path / "npm"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    return install


def test_package_manager_writes_into_the_cache_once(tmp_path, fake_npm):
    fake_npm("echo called >> calls; printf content > tiny-1.0.tgz")
    package = package_files.package(b"content", "tiny-1.0.tgz")

    for _ in range(2):
        path = packages.fetch(package, None, str(tmp_path / "cache"))

    assert path.read_bytes() == b"content"
    assert (tmp_path / "cache" / "calls").read_text() == "called\n"


def test_failed_fetch_gives_the_program_s_last_line(tmp_path, fake_npm):
    fake_npm("echo no such version >&2; exit 1")

    with pytest.raises(errors.RunError, match="failed: no such version. Put tiny-1.0"):
        packages.fetch(
            package_files.package(b"", "tiny-1.0.tgz"), None, str(tmp_path / "cache")
        )

"""Against a pip-audit that answers what it is told to."""

import json

import pytest

from tools import audit

FOUND = {
    "name": "keras",
    "version": "3.11.0",
    "vulns": [{"id": "PYSEC-1", "fix_versions": ["3.11.3"]}],
}
FINE = {"name": "numpy", "version": "2.4.6", "vulns": []}
UNKNOWN = {"name": "scipy", "skip_reason": "Dependency not found on PyPI"}


@pytest.fixture
def answer(tmp_path, monkeypatch):
    """Function (code of a program) that puts it in the place of pip-audit."""

    def write(code):
        (tmp_path / "pip_audit.py").write_text(code)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        return audit.audit("requirements.txt", timeout=300)

    return write


@pytest.mark.parametrize(
    ("packages", "expected"),
    [
        ([FINE], (["1 packages audited, 0 vulnerable."], 0)),
        (
            [FOUND, FINE, UNKNOWN],
            (
                [
                    "keras 3.11.0: PYSEC-1, fixed in 3.11.3",
                    "Not looked up: scipy.",
                    "2 packages audited, 1 vulnerable.",
                ],
                1,
            ),
        ),
        (
            [UNKNOWN],
            (
                [
                    "Audit skipped: none of the 1 packages can be looked up from here.",
                ],
                0,
            ),
        ),
    ],
)
def test_answer_is_told_in_lines(answer, packages, expected):
    content = json.dumps({"dependencies": packages, "fixes": []})
    assert answer(f"print({content!r})\nraise SystemExit(1)") == expected


def test_no_answer_is_a_skip_by_name(answer):
    lines, code = answer("import sys; print('x'); sys.exit('ConnectionError: no host')")
    assert code == 0
    assert lines == ["Audit skipped: pip-audit has no data: ConnectionError: no host"]

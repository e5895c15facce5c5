"""The table of tests/defects.py fits the code; the tests that it names find them."""

import pytest

from tests import defects


def test_every_defect_can_be_applied(tmp_path):
    assert len(defects.DEFECTS) >= 60
    for defect in defects.DEFECTS:
        source = defects.ROOT / "adafilter_tf" / defect.path
        copy = tmp_path / "adafilter_tf" / defect.path
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(source.read_text("utf-8"), "utf-8")
        former = defects.apply(defect, tmp_path)
        assert former != copy.read_text("utf-8")
        assert defects.list_tests(defect, defects.ROOT)


def test_text_that_is_gone_is_an_error(tmp_path):
    (tmp_path / "adafilter_tf").mkdir()
    (tmp_path / "adafilter_tf/a.py").write_text("x = 1\n")
    for old in ("y", "= 1\n=", ""):
        with pytest.raises(SystemExit, match="not once.*tests/defects.py"):
            defects.apply(defects.Defect("a.py", old, "z", ""), tmp_path)

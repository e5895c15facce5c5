"""CSV files of names that hold anything."""

import csv
import io

from adafilter_tf.files import atomic, csv_rows


def test_every_control_character_is_read_back(tmp_path):
    names = [f"a{chr(code)}b" for code in [*range(32), 0x7F, 0x85, 0x2028]]
    rows = [[name, "x,y", 'say "hi"'] for name in names]
    atomic.write_csv(tmp_path / "a.csv", ("path", "label", "note"), rows)
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as stream:
        assert list(csv.reader(stream, strict=True))[1:] == rows


def test_plain_rows_are_those_of_pythons_writer():
    rows = [["a", 1, None], ["b c", 2.5, ""], [""]]
    ours, pythons = io.StringIO(), io.StringIO()
    csv_rows.RowWriter(ours).writerows(rows)
    csv.writer(pythons, lineterminator="\n").writerows(rows)
    assert ours.getvalue() == pythons.getvalue()

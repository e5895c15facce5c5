import csv
import io
import json
import math
import os
import weakref

import pytest

from adafilter_tf import errors, prediction
from adafilter_tf.prediction import writers

ROWS = [
    prediction.Prediction("a,b.jpg", ("red", "blue"), (0.75, 0.25)),
    prediction.Prediction("c.jpg", ("", ""), (math.nan, math.nan), "an empty file"),
]


def test_csv_by_hand():
    file = io.StringIO()
    assert writers.write_csv(iter(ROWS), file) == (2, 1)
    assert file.getvalue() == (
        "path,class,probability,class_2,probability_2,error\n"
        '"a,b.jpg",red,0.75,blue,0.25,\n'
        "c.jpg,,,,,an empty file\n"
    )


def test_saved_csv_is_read_back(tmp_path):
    # A file name of bytes that are not UTF-8, as Linux allows.
    odd = os.fsdecode(b"caf\xe9.jpg")
    rows = [prediction.Prediction(odd, ("é",), (1.0,))]
    assert writers.save_csv(rows, str(tmp_path / "p.csv")) == (1, 0)
    assert (tmp_path / "p.csv").read_bytes() == (
        b"path,class,probability,error\ncaf\xe9.jpg,\xc3\xa9,1,\n"
    )
    with open(tmp_path / "p.csv", errors="surrogateescape", encoding="utf-8") as file:
        assert next(csv.DictReader(file))["path"] == odd


def test_interrupted_csv_keeps_the_one_before(tmp_path):
    def interrupted():
        yield ROWS[0]
        raise KeyboardInterrupt

    writers.save_csv(ROWS, str(tmp_path / "p.csv"))
    before = (tmp_path / "p.csv").read_text()
    with pytest.raises(KeyboardInterrupt):
        writers.save_csv(interrupted(), str(tmp_path / "p.csv"))
    assert (tmp_path / "p.csv").read_text() == before


def test_json_lines_by_hand():
    file = io.StringIO()
    assert writers.write_json_lines(iter(ROWS), file) == (2, 1)
    assert [json.loads(line) for line in file.getvalue().splitlines()] == [
        {
            "path": "a,b.jpg",
            "classes": ["red", "blue"],
            "probabilities": [0.75, 0.25],
            "error": None,
        },
        {
            "path": "c.jpg",
            "classes": [],
            "probabilities": [],
            "error": "an empty file",
        },
    ]


def test_parquet_is_read_back(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    odd = prediction.Prediction(os.fsdecode(b"caf\xe9.jpg"), ("red",), (1.0,))
    path = str(tmp_path / "p.parquet")
    counts = writers.save([*ROWS, odd], path, "parquet", overwrite=False)
    assert counts == (3, 1)
    assert parquet.read_table(path).to_pylist() == [
        {
            "path": "a,b.jpg",
            "classes": ["red", "blue"],
            "probabilities": [0.75, 0.25],
            "error": None,
        },
        {"path": "c.jpg", "classes": [], "probabilities": [], "error": "an empty file"},
        {"path": "caf\\xe9.jpg", "classes": ["red"], "probabilities": [1.0],
         "error": None},
    ]  # fmt: skip


@pytest.mark.parametrize("file_format", writers.FORMATS)
def test_rows_are_let_go_when_they_are_written(tmp_path, file_format, monkeypatch):
    if file_format == "parquet":
        pytest.importorskip("pyarrow")
    monkeypatch.setattr(writers, "_ROW_GROUP", 10)
    alive, most = weakref.WeakSet(), 0

    def make_rows():
        nonlocal most
        for index in range(500):
            row = prediction.Prediction(f"{index}.jpg", ("red",), (1.0,))
            alive.add(row)
            yield row
            most = max(most, len(alive))

    path = str(tmp_path / "rows")
    counts = writers.save(make_rows(), path, file_format, overwrite=False)
    assert counts == (500, 0)
    # Parquet keeps columns, not rows, until a row group is full.
    assert most <= 2


def test_file_that_is_there_is_replaced_only_when_asked(tmp_path):
    path = str(tmp_path / "p.csv")
    writers.save(ROWS[:1], path, "csv", overwrite=False)
    before = open(path).read()
    message = f"--predictions={path} exists .*--overwrite"
    with pytest.raises(errors.UsageError, match=message):
        writers.check_target(path, overwrite=False)
    with pytest.raises(errors.UsageError, match=f"The new rows are in {path}.tmp"):
        writers.save(ROWS, path, "csv", overwrite=False)
    assert open(path).read() == before
    writers.check_target(path, overwrite=True)
    writers.save(ROWS, path, "csv", overwrite=True)
    assert len(open(path).readlines()) == 3


def test_interrupted_parquet_holds_the_rows_so_far(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")

    def interrupted():
        yield ROWS[0]
        raise KeyboardInterrupt

    path = str(tmp_path / "p.parquet")
    with pytest.raises(KeyboardInterrupt):
        writers.save(interrupted(), path, "parquet", overwrite=False)
    assert not os.path.exists(path)
    table = parquet.read_table(writers.temporary_path(path))
    assert table.column("path").to_pylist() == ["a,b.jpg"]


@pytest.mark.parametrize(
    ("path", "given", "chosen"),
    [
        ("a.csv", None, "csv"),
        ("a.JSONL", None, "jsonl"),
        ("a.ndjson", None, "jsonl"),
        ("a.txt", "csv", "csv"),
        ("a.csv", "jsonl", "jsonl"),
        (None, None, "csv"),
        (None, "jsonl", "jsonl"),
    ],
)
def test_format_is_that_of_the_ending_or_the_flag(path, given, chosen):
    assert writers.choose_format(path, given) == chosen


@pytest.mark.parametrize(
    ("path", "given", "message"),
    [
        ("a.txt", None, "--predictions=a.txt, .*allowed are .csv"),
        (None, "parquet", "Parquet cannot be written to standard output; name a file"),
    ],
)
def test_format_that_cannot_be_is_refused(path, given, message):
    with pytest.raises(errors.UsageError, match=message):
        writers.choose_format(path, given)


def test_missing_pyarrow_is_named_with_its_remedy(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(
        errors.UsageError, match=r"pip install .adafilter_tf\[parquet\]"
    ):
        writers.choose_format("a.parquet", None)


@pytest.mark.parametrize("name", ["", "none/p.csv"])
def test_target_that_cannot_be_written_is_named(tmp_path, name):
    with pytest.raises(errors.UsageError, match="Received --predictions="):
        writers.check_target(str(tmp_path / name), overwrite=True)


def test_formulas_are_protected_and_all_texts_read_back(tmp_path):
    controls = "".join(map(chr, range(1, 32)))
    names = ["=1+1", "+2", "-3", "@x", "\tx", "\rx", "'n", "''", "daisy", controls, ""]
    rows = [prediction.Prediction(f"{n}/=.jpg", (n,), (1.0,)) for n in names]
    rows += [prediction.Prediction("a\rb", ("",), (math.nan,), "-reason")]
    writers.save_csv(rows, str(tmp_path / "p.csv"))
    with open(tmp_path / "p.csv", encoding="utf-8", newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
        assert not any(cell.startswith(tuple("=+-@\t\r")) for cell in cells)
        file.seek(0)
        read = writers.read_csv(file)
    assert [(r["path"], r["class"]) for r in read[:-1]] == [
        (row.path, row.classes[0]) for row in rows[:-1]
    ]
    assert (read[-1]["path"], read[-1]["error"]) == ("a\rb", "-reason")

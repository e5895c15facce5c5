"""The pages and notebooks: they build, and their code runs."""

import importlib.util
import json
import os
import pathlib
import re
import subprocess
import sys

import pytest

from adafilter_tf.methods import METHODS
from adafilter_tf.runs import run_dir
from tests import docs_links

ROOT = pathlib.Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
README = (ROOT / "README.md").read_text("utf-8")
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.mark.slow
def test_pages_build_without_a_warning(tmp_path):
    for package in ("mkdocs", "mkdocstrings", "material"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    result = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    layers = (tmp_path / "api/layers/index.html").read_text(encoding="utf-8")
    assert 'id="adafilter_tf.layers.GatedConv2D"' in layers
    assert "frozen and the tuned filters" in layers


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_page_has_no_dead_link(page):
    assert docs_links.find_dead_links(page, ROOT) == []


def test_dead_links_are_found(tmp_path):
    page = tmp_path / "page.md"
    other = tmp_path / "other.md"
    other.write_text("# One: two\n\n## `--flag`\n\n## One two\n")
    page.write_text(
        "[a](other.md) [b](other.md#one-two) [c](other.md#-flag) [d](none.md) "
        "[e](other.md#three) [f](#gone) [g](../away.md) ![h](none.png) "
        "[i](https://example.org/x) [j](other.md#one-two_1) [k](other.md#-flag-)\n"
        "```\n[l](code.md)\n```\n"
    )
    dead = ["none.md", "other.md#three", "#gone", "../away.md", "none.png"]
    assert docs_links.find_dead_links(page, tmp_path) == [*dead, "other.md#-flag-"]


def test_notebooks_link_to_pages_that_exist():
    for notebook in NOTEBOOKS:
        cells = json.loads(notebook.read_text("utf-8"))["cells"]
        text = "\n".join(
            "".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"
        )
        for link in docs_links.list_links(text):
            assert (notebook.parent / link.partition("#")[0]).exists(), link


def test_readme_fits_on_a_few_screens():
    assert len(README.splitlines()) <= 120


def test_readme_lists_what_a_run_leaves():
    folder = run_dir.RunDir(pathlib.Path("run"))
    paths = [
        getattr(folder, name)
        for name, value in vars(run_dir.RunDir).items()
        if isinstance(value, property)
    ]
    runs = (ROOT / "docs/runs.md").read_text("utf-8")
    assert len(paths) > 10
    for page in (README, runs):
        assert [path.name for path in paths if f"`{path.name}" not in page] == []


def test_readme_and_methods_page_have_every_method():
    page = (ROOT / "docs/methods.md").read_text("utf-8")
    assert [name for name in METHODS if f"- `{name}`" not in README] == []
    assert [name for name in METHODS if f"| `{name}`" not in page] == []


def test_table_of_the_readme_is_that_of_the_results():
    results = (ROOT / "docs/results.md").read_text("utf-8")
    rows = re.findall(
        r"\| ([\d.]+) \| ([^|]*) \| ([^|]*)\|$", README, flags=re.MULTILINE
    )
    assert len(rows) == 5
    for error, over_seeds, over_tasks in rows:
        cells = f"| {error} | {over_seeds.strip()} | {over_tasks.strip()} |"
        assert re.sub(r"\s+", " ", cells) in re.sub(r"\s+", " ", results), cells


def test_every_page_is_in_the_navigation():
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").split("nav:")[1]
    listed = [line.split()[-1] for line in navigation.splitlines() if line]
    pages = [str(path.relative_to(ROOT / "docs")) for path in ROOT.glob("docs/**/*.md")]
    assert [page for page in pages if page not in listed] == []


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path, tmp_path, monkeypatch):
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    # The kernel and the commands of its cells are this interpreter's.
    folder = str(pathlib.Path(sys.executable).parent)
    monkeypatch.setenv("PATH", os.pathsep.join([folder, os.environ["PATH"]]))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    notebook = nbformat.read(path, as_version=4)
    client = nbclient.NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        resources={"metadata": {"path": str(tmp_path)}},
    )
    client.execute()
    text = "".join(
        output.get("text", "")
        for cell in notebook.cells
        for output in cell.get("outputs", [])
    )
    assert "Error" not in text and "Traceback" not in text, text


def test_there_are_notebooks():
    assert [path.stem for path in NOTEBOOKS] == ["the_method", "your_own_images"]


def test_architecture_page_names_rooms_and_modules_that_exist():
    page = (ROOT / "docs/architecture.md").read_text("utf-8")
    package = ROOT / "adafilter_tf"
    places = [package, ROOT]
    for path in re.findall(r"`([\w/]+/\w+\.py)`", page):
        assert any((place / path).exists() for place in places), path
    table = page.split("## The rooms")[1].split("\n## ")[0]
    rooms = re.findall(r"^\| `([\w/]+)` \|.*\| ([^|]*) \|$", table, flags=re.MULTILINE)
    assert len(rooms) > 20
    for room, modules in rooms:
        for module in re.findall(r"`(\w+)/?`", modules):
            path = package / room / module
            assert path.is_dir() or path.with_suffix(".py").exists(), path
    tops = {path.name for path in package.iterdir() if (path / "__init__.py").exists()}
    assert tops <= {room for room, _ in rooms}

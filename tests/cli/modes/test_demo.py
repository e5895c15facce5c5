"""--mode=demo: what its page says, and the page in a real browser."""

import importlib.util
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile

import pytest
from absl import flags

from adafilter_tf.cli import flagfile
from adafilter_tf.cli.modes import demo
from adafilter_tf.serving import answer_page
from tests import command_line, run_folders

ROOT = pathlib.Path(__file__).parents[3]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
EXECUTABLE = next(filter(None, map(shutil.which, BROWSERS)), None)
has_gradio = importlib.util.find_spec("gradio") is not None


def make_demo(folder, *arguments) -> demo.Demo:
    values: flags.FlagValues = flagfile.parse(
        ["--mode=demo", f"--output_dir={folder.root}", *arguments]
    )
    return demo.Demo(values)


def predict(capfd, folder, path):
    """The classes and probabilities that --mode=predict prints of an image."""
    code, out, err = command_line.call(
        capfd, "--mode=predict", f"--output_dir={folder.root}", f"--images={path}"
    )
    assert code == 0, err
    _, *cells, error = out.splitlines()[1].split(",")
    assert error == ""
    return {name: float(of) for name, of in zip(cells[::2], cells[1::2], strict=True)}


def read_probabilities(page):
    found = re.findall(r'<li title="(\w+): ([\d.e-]+)">', page)
    return {name: float(probability) for name, probability in found}


@pytest.fixture(scope="module")
def gated(tmp_path_factory):
    """A run of AdaFilter on images that may be moved."""
    return run_folders.make_run(tmp_path_factory.mktemp("gated"), "--gate_from=stage3")


def test_page_has_the_probabilities_of_predict(gated, capfd):
    run = make_demo(gated)
    assert run.facts.name == "run"
    assert run.facts.notes == []
    assert run.facts.settings["Method"] == "adafilter"
    path = gated.root.parent / "images/test/green/1.png"
    page = run.answer([str(path)])
    expected = predict(capfd, gated, path)
    assert len(expected) == 3
    # Six digits are printed.
    assert read_probabilities(page) == pytest.approx(expected, rel=1e-5)
    assert page.count("a training picture of") == 6
    assert "What the gates chose" in page


@pytest.mark.slow  # two models
def test_moved_training_pictures_are_counted_on_the_page(gated, tmp_path):
    images = gated.root.parent / "images"
    path = shutil.copy(images / "test/red/0.png", tmp_path)
    shutil.move(images / "train/red", tmp_path / "moved")
    try:
        some = make_demo(gated, "--top_k=2")
        shutil.move(images, tmp_path / "images")
        none = make_demo(gated)
    finally:
        shutil.move(tmp_path / "images", images)
        shutil.move(tmp_path / "moved", images / "train/red")
    assert some.facts.notes == [
        "4 of 12 training pictures are not where they were, or cannot be read; the "
        "nearest ones are found among the others."
    ]
    page = some.answer([path])
    assert "a training picture of red" not in page
    assert "a training picture of blue" in page
    assert len(read_probabilities(page)) == 2
    assert none.facts.notes == [
        "12 of 12 training pictures are not where they were, or cannot be read; no "
        "nearest ones are shown."
    ]
    assert len(read_probabilities(none.answer([path]))) == 3
    assert "Nearest training pictures" not in none.answer([path])


def test_method_without_gates_and_too_many_pictures(fine_tuned):
    run = make_demo(fine_tuned)
    path = fine_tuned.root.parent / "images/test/blue/0.png"
    page = run.answer([str(path)] * (answer_page.MAX_PICTURES + 2))
    assert page.count("<article") == answer_page.MAX_PICTURES
    assert "2 more were left out." in page
    assert "What the gates chose" not in page
    assert run.answer([]) == ""


@pytest.mark.skipif(has_gradio, reason="Gradio is installed")
def test_missing_gradio_is_one_line(capfd, fine_tuned):
    result = command_line.call(capfd, "--mode=demo", f"--output_dir={fine_tuned.root}")
    command_line.assert_error(result, 1, "--mode=demo needs gradio: pip install")


@pytest.fixture
def opened(gated):
    """The command in a process of its own, and the URL that it prints."""
    process = subprocess.Popen(
        [sys.executable, "-m", "adafilter_tf.run", "--mode=demo", "--port=0"]
        + [f"--output_dir={gated.root}"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    line = process.stdout.readline()
    found = re.search(r"http://127.0.0.1:\d+", line)
    assert found, line + process.stderr.read()
    yield process, found[0]
    process.kill()
    process.communicate()


def drop_files(view, paths):
    """Drops files on the page as a person does: by the browser's own drag events."""
    box = view.locator("#pictures").bounding_box()
    place = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    files = {"items": [], "files": [str(path) for path in paths]}
    session = view.context.new_cdp_session(view)
    for kind in ("dragEnter", "dragOver", "drop"):
        data = {**files, "dragOperationsMask": 1}
        session.send("Input.dispatchDragEvent", {"type": kind, "data": data, **place})


@pytest.mark.slow
@pytest.mark.skipif(not has_gradio, reason="needs gradio (pip install -e .[demo])")
@pytest.mark.skipif(
    EXECUTABLE is None, reason="needs Chromium (apt-get install chromium)"
)
def test_dropped_pictures_are_answered_in_a_browser(gated, opened, capfd, tmp_path):
    sync_api = pytest.importorskip(
        "playwright.sync_api", reason="needs playwright (requirements-dev.txt)"
    )
    process, address = opened
    odd = tmp_path / "<b>broken {{7*7}}.jpg"
    odd.write_text("no image")
    picture = gated.root.parent / "images/test/green/1.png"
    expected = predict(capfd, gated, picture)
    uploads = set(pathlib.Path(tempfile.gettempdir()).glob("adafilter-demo-*"))
    assert uploads
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=EXECUTABLE, args=["--no-sandbox"]
        )
        for width in (1280, 390):
            view = browser.new_page(viewport={"width": width, "height": 900})
            requests, failures = [], []
            view.on("request", lambda request, of=requests: of.append(request.url))
            view.on("pageerror", lambda error, of=failures: of.append(str(error)))
            view.goto(address)
            view.wait_for_selector("#pictures")
            drop_files(view, [picture, odd])
            view.wait_for_selector("#answers article:nth-of-type(2)")
            assert read_probabilities(
                view.locator("#answers").inner_html()
            ) == pytest.approx(expected, rel=1e-5)
            assert view.locator("#answers h2").inner_text() == max(
                expected, key=expected.get
            )
            broken = view.locator("#answers [role=alert]").inner_text()
            assert broken.startswith("This file could not be read: ")
            widths = view.evaluate(
                "[...document.querySelectorAll('#answers img')]"
                ".map(image => image.naturalWidth)"
            )
            assert len(widths) == 7 and all(widths)
            assert view.evaluate("document.documentElement.scrollWidth") == width
            assert failures == []
            # Nothing is asked of another machine.
            foreign = [u for u in requests if not u.startswith((address, "data:"))]
            assert [u for u in foreign if not u.startswith("blob:")] == []
            view.close()
        browser.close()
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0 and "Traceback" not in err
    assert not uploads & set(
        pathlib.Path(tempfile.gettempdir()).glob("adafilter-demo-*")
    )

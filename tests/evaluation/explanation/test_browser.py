"""The page in a real browser: Chromium, driven by Playwright."""

import shutil

import pytest

from adafilter_tf.evaluation.explanation import page
from tests.evaluation.explanation import reports

sync_api = pytest.importorskip(
    "playwright.sync_api", reason="needs playwright (requirements-dev.txt)"
)
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
EXECUTABLE = next(filter(None, map(shutil.which, BROWSERS)), None)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        EXECUTABLE is None, reason="needs Chromium (apt-get install chromium)"
    ),
]


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        # Chromium's own sandbox cannot be had in a container.
        browser = playwright.chromium.launch(
            executable_path=EXECUTABLE, args=["--no-sandbox"]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    reported = {
        "gated": reports.make_report(folder, ("cat", "a long name of a class", "eel")),
        "plain": reports.make_report(folder, ("cat", "dog"), per_class=20, gated=False),
        "many": reports.make_report(
            folder, [f"class-{index:02}" * 4 for index in range(30)], per_class=2
        ),
    }
    for name, report in reported.items():
        report["run"]["settings"]["run"] = "/a/very/long/path" * 20
        text = page.render_page(report, f"{name}.json")
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("name", ["gated", "plain", "many"])
def test_page_in_a_browser(browser, pages, name, width, scheme):
    view = browser.new_page(
        viewport={"width": width, "height": 900}, color_scheme=scheme
    )
    complaints, requests = [], []
    view.on("console", lambda message: complaints.append(message.text))
    view.on("pageerror", lambda error: complaints.append(str(error)))
    view.on("request", lambda request: requests.append(request.url))
    view.goto((pages / f"{name}.html").as_uri())

    assert complaints == []
    assert [url for url in requests if not url.startswith("data:")] == [
        (pages / f"{name}.html").as_uri()
    ]
    widths = view.evaluate("[...document.images].map(image => image.naturalWidth)")
    assert len(widths) >= 2 and all(widths)
    sections = view.locator("section")
    assert sections.count() == (5 if name == "plain" else 10)
    for index in range(sections.count()):
        assert sections.nth(index).is_visible()
        assert sections.nth(index).bounding_box()["height"] > 40
    for link in view.locator("nav a").all():
        assert view.locator(link.get_attribute("href")).count() == 1
    # What is too wide scrolls inside its own box.
    assert view.evaluate("document.documentElement.scrollWidth") == width
    background = view.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (
        background == {"light": "rgb(255, 255, 255)", "dark": "rgb(18, 22, 28)"}[scheme]
    )
    view.close()

import base64
import html.parser
import re

import numpy as np
import tensorflow as tf

from adafilter_tf.evaluation.explanation import page, thumbnails
from tests.evaluation.explanation import reports

SECTIONS = {"worth", "layers", "classes-by-layer", "extremes", "neighbours",
            "projection"}  # fmt: skip


class Reader(html.parser.HTMLParser):
    """Collects the tags of a page and the text of its tables."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.ids = [], set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.ids.add(dict(attributes).get("id"))


def render(report):
    return page.render_page(report, "explain.json")


def test_page_needs_nothing_from_elsewhere(tmp_path):
    text = render(reports.make_report(tmp_path, ("cat", "dog")))
    tags = Reader(text).tags
    assert not {"script", "iframe", "object", "base", "form"} & {tag for tag, _ in tags}
    sources = [value for _, given in tags for name, value in given.items()
               if name in ("src", "href", "srcset", "data", "action")]  # fmt: skip
    assert all(source.startswith(("data:", "#")) for source in sources)
    assert not re.search(r"url\(|@import|https?:", text)
    assert "default-src 'none'" in text


def test_names_of_classes_and_files_are_escaped(tmp_path):
    evil = '<img src="x" onerror=alert(1)>&"'
    report = reports.make_report(tmp_path, (evil, "dog"))
    report["run"]["images_from"] = "<b id='mark'>"
    report["run"]["settings"]["run"] = "</dl><script>alert(2)</script>"
    reader = Reader(render(report))
    assert not [
        1 for tag, given in reader.tags if "onerror" in given or tag == "script"
    ]
    assert "mark" not in reader.ids
    assert evil in [given.get("alt") for _, given in reader.tags]


def test_sections_about_gates_are_there_with_gates_alone(tmp_path):
    with_gates = Reader(render(reports.make_report(tmp_path, ("cat", "dog"))))
    assert with_gates.ids >= SECTIONS | {"classes", "confusion", "errors"}
    report = reports.make_report(tmp_path, ("cat", "dog"), gated=False)
    without = Reader(render(report))
    assert not SECTIONS & without.ids
    assert without.ids >= {"no-gates", "classes", "confusion", "errors"}


def test_many_classes_are_cut_to_the_ones_with_mistakes(tmp_path):
    names = [f"class {index:03}" for index in range(40)]
    report = reports.make_report(tmp_path, names, per_class=2)
    report["confusion"] = np.diag(np.full(40, 2)).tolist()
    report["confusion"][37] = [0] * 36 + [2] + [0] * 3
    text = render(report)
    assert "Shown are the 24 classes that are confused most; 16 more are in" in text
    confusion = text[text.index('id="confusion"') :]
    assert "class 036" in confusion and "class 037" in confusion
    assert "class 030" not in confusion[: confusion.index("Most frequent")]


def test_accuracy_and_errors_come_before_gates(tmp_path):
    text = render(reports.make_report(tmp_path, ("cat", "dog")))
    parts = ("verdict", "confusion", "errors", "classes", "worth", "layers")
    places = [text.index(f'id="{part}"') for part in parts]
    assert places == sorted(places)


def test_page_shows_no_folder_of_this_machine(tmp_path):
    report = reports.make_report(tmp_path, ("cat", "dog"))
    text = render(report)
    assert str(tmp_path) not in text
    assert f'title="{tmp_path.name}/' in text


def test_gates_of_a_sample_point_at_their_images(tmp_path):
    report = reports.make_report(tmp_path, ("cat", "dog"))
    points = report["gates"]["projection"]["points"]
    report["gates"]["images"] = [5, 2]
    report["gates"]["projection"]["points"] = points[:2]
    text = render(report)
    assert "On 2 of the images, sampled at random." in text
    circles = re.findall(r"<circle.*?>", text)
    assert len(circles) == 2
    titles = re.findall(r"<title>[^<]*: (\d+).png</title>", text)
    assert titles == ["5", "2"]


def test_gates_that_were_not_replaced_have_no_interventions(tmp_path):
    report = reports.make_report(tmp_path, ("cat", "dog"))
    report["gates"] |= {"effect": None, "own_accuracy": None}
    text = render(report)
    assert "is not measured here" in text and "gates 1" not in text
    assert Reader(text).ids >= SECTIONS


def test_images_that_all_choose_alike_have_no_neighbours(tmp_path):
    report = reports.make_report(tmp_path, ("cat", "dog"))
    report["gates"] |= {"neighbours": None, "agreement": None, "projection": None}
    reader = Reader(render(report))
    assert not {"neighbours", "projection"} & reader.ids
    assert "extremes" in reader.ids


def read_thumbnail(path):
    kind, _, text = thumbnails.create_thumbnail(str(path)).partition(";base64,")
    return kind, tf.io.decode_image(base64.b64decode(text)).numpy()


def test_thumbnails_are_small_and_look_as_the_image(tmp_path):
    ramp = np.linspace(0, 255, 300).astype(np.uint8)
    pixels = np.broadcast_to(ramp[None, :, None], (150, 300, 3))
    (tmp_path / "ramp.jpg").write_bytes(tf.io.encode_jpeg(pixels).numpy())
    kind, small = read_thumbnail(tmp_path / "ramp.jpg")
    assert (kind, small.shape) == ("data:image/jpeg", (48, 96, 3))
    expected = np.linspace(1.5, 253.5, 96)
    np.testing.assert_allclose(small[:, :, 1].mean(axis=0), expected, atol=4)

    grey = np.arange(64, dtype=np.uint8).reshape(8, 8, 1)
    (tmp_path / "grey.png").write_bytes(tf.io.encode_png(grey).numpy())
    kind, small = read_thumbnail(tmp_path / "grey.png")
    assert kind == "data:image/png"
    np.testing.assert_array_equal(small, grey.repeat(3, axis=2))

"""The HTML of the page: what it says, whatever classes and files are named."""

import html.parser

import pytest
from PIL import Image

from adafilter_tf import prediction
from adafilter_tf.serving import answer_page
from adafilter_tf.serving.picture_answers import Answer, Neighbour

ODD = '<img src=x onerror="alert(1)"> {{7*7}} ${8*8} `&amp; \\ 花'
FACTS = answer_page.RunFacts(name=f"run {ODD}", settings={"Method": "adafilter"})


class Reader(html.parser.HTMLParser):
    """The elements of a page, with their attributes, and its text."""

    def __init__(self, page):
        super().__init__()
        self.elements, self.text = [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += [data.strip()] if data.strip() else []


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "{{a}}<b>.png"
    Image.new("RGB", (20, 10), "red").save(path)
    return str(path)


def answer(path, **options):
    row = prediction.Prediction(path, (ODD, "dog"), (0.8125, 0.1875))
    return Answer(row, (Neighbour(path, ODD, 0.934),), **options)


def test_names_are_text_whatever_they_hold(picture):
    page = answer_page.render_answers([answer(picture)], FACTS)
    # These begin an expression of the component that shows the page.
    assert not set("{}$`\\") & set(page)
    read = Reader(page)
    assert [of for tag, of in read.elements if "onerror" in of] == []
    assert read.text.count(ODD) == 3  # heading, first class, neighbour
    assert {of["src"][:10] for tag, of in read.elements if tag == "img"} == {
        "data:image"
    }
    head = answer_page.render_head(FACTS)
    assert not set("{}$`\\") & set(head)
    assert Reader(head).text == [
        f"run {ODD}".replace("\\", "\\"),
        "Method",
        "adafilter",
    ]


def test_probabilities_are_bars_and_numbers(picture):
    read = Reader(answer_page.render_answers([answer(picture)], FACTS))
    assert [of["style"] for tag, of in read.elements if tag == "i"] == [
        "width: 81.25%",
        "width: 18.75%",
    ]
    assert {"81.2 %", "18.8 %", "similarity 0.93", "{{a}}<b>.png"} <= {*read.text}
    titles = [of.get("title") for tag, of in read.elements if tag == "li"]
    assert titles[:2] == [f"{ODD}: 0.8125", "dog: 0.1875"]


def test_gates_are_a_bar_per_layer_and_left_out_without(picture):
    gates = {"tuned": {"conv1": 0.25, "conv2": 1.0}, "tuned_fraction": 0.5}
    read = Reader(answer_page.render_answers([answer(picture, **gates)], FACTS))
    bars = [of["style"] for tag, of in read.elements if tag == "i"][2:]
    assert bars == ["height: 25.00%", "height: 100.00%"]
    assert read.text[-4:] == ["conv1", "25.0 %", "conv2", "100.0 %"]
    assert any(text.startswith("50.0 % of all filters are") for text in read.text)
    plain = Reader(answer_page.render_answers([answer(picture)], FACTS))
    assert "What the gates chose" in read.text
    assert "What the gates chose" not in plain.text


def test_broken_file_is_a_message_and_leaves_the_others(picture):
    broken = Answer(prediction.Prediction("/tmp/<i>.png", (), (), "a <text>"))
    read = Reader(answer_page.render_answers([broken, answer(picture)], FACTS, 3))
    assert [tag for tag, _ in read.elements].count("article") == 2
    at = read.text.index("This file could not be read:")
    assert read.text[at - 1 : at + 2] == [
        "<i>.png",
        "This file could not be read:",
        "a <text>.",
    ]
    assert read.text[-1] == (
        "16 pictures are answered at a time; 3 more were left out."
    )
    assert Reader(answer_page.render_answers([], FACTS)).elements == []


def test_notes_and_style_sheet_are_read():
    facts = answer_page.RunFacts("run", {}, notes=["Moved."])
    assert Reader(answer_page.render_head(facts)).text == ["run", "Moved."]
    assert ".answer" in answer_page.read_css()
    assert "url(" not in answer_page.read_css()

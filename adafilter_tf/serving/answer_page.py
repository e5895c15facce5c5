"""The HTML of the page to try a run on: its head, and an answer to each picture."""

import dataclasses
import functools
import os
from collections.abc import Mapping, Sequence
from importlib import resources

import jinja2

from adafilter_tf.data.examples import show_path
from adafilter_tf.evaluation.explanation import thumbnails
from adafilter_tf.serving.picture_answers import Answer

MAX_PICTURES = 16
_PICTURE_SIDE = 320
# Gradio's component reads its HTML as a template of two languages, of which these are
# the signs; a class may be named so.
_TEMPLATE_SIGNS = str.maketrans({sign: f"&#{ord(sign)};" for sign in "{}$`\\"})


@dataclasses.dataclass(frozen=True)
class RunFacts:
    """Facts about the run, for the head of the page.

    Attributes:
        name: Of the run.
        settings: Name to value, such as method and backbone.
        unit: What a gate chooses: "filter" or "block".
        notes: Sentences, such as on training pictures that are gone.
    """

    name: str
    settings: Mapping[str, str]
    unit: str = "filter"
    notes: Sequence[str] = ()


def render_head(facts: RunFacts) -> str:
    """Returns the HTML above the field for pictures."""
    return _render("head.html.jinja", facts=facts)


def render_answers(
    answers: Sequence[Answer], facts: RunFacts, left_out: int = 0
) -> str:
    """Returns the HTML of the answers to pictures.

    Args:
        answers: In the order of the pictures, whose files are read once more.
        facts: About the run.
        left_out: How many pictures beyond `MAX_PICTURES` got no answer.
    """
    return _render(
        "answers.html.jinja",
        answers=answers,
        facts=facts,
        left_out=left_out,
        most=MAX_PICTURES,
    )


def read_css() -> str:
    """Returns the style sheet of both."""
    folder = resources.files("adafilter_tf.serving") / "templates"
    return (folder / "demo.css").read_text("utf-8")


def _render(name: str, **values) -> str:
    text = _environment().get_template(name).render(**values)
    return text.translate(_TEMPLATE_SIGNS)


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("adafilter_tf.serving"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update(
        percent=lambda share: f"{100 * share:.1f} %",
        path=show_path,
        file_name=lambda path: show_path(os.path.basename(path)),
    )
    environment.globals.update(
        picture=lambda path: thumbnails.create_thumbnail(path, _PICTURE_SIDE),
        thumbnail=thumbnails.create_thumbnail,
        zip=zip,
    )
    return environment

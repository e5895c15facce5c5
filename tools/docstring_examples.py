"""Extension of mkdocstrings: docstrings' `Example:` sections are shown as code.

Google's style, which the parser follows, knows the section as `Examples:` alone; under
another heading `>>>` would be a quotation and a list in brackets a link.
"""

import re

import griffe

_HEADING = re.compile(r"^( *)Example:$", re.MULTILINE)


class ExampleSections(griffe.Extension):
    """Renames the section before docstrings are parsed."""

    def on_object(self, *, obj: griffe.Object, **kwargs) -> None:
        """Rewrites the docstring of a module, class, function or attribute."""
        if obj.docstring is not None:
            obj.docstring.value = _HEADING.sub(r"\1Examples:", obj.docstring.value)

"""Links of Markdown pages, and where they lead; used by tests/test_docs.py."""

import pathlib
import re
import unicodedata

_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)
_OUTSIDE = ("http://", "https://", "mailto:")


def list_links(text: str) -> list[str]:
    """The targets of links and images outside code, without those of other hosts."""
    links = _LINK.findall(_FENCE.sub("", text))
    return [link for link in links if not link.startswith(_OUTSIDE)]


def list_anchors(text: str) -> set[str]:
    """The anchors that MkDocs gives a page's headings."""
    anchors: set[str] = set()
    for heading in _HEADING.findall(_FENCE.sub("", text)):
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
        ascii_text = unicodedata.normalize("NFKD", plain).encode("ascii", "ignore")
        words = re.sub(r"[^\w\s-]", "", ascii_text.decode()).strip().lower()
        slug = anchor = re.sub(r"[-\s]+", "-", words)
        number = 0
        while anchor in anchors:
            number += 1
            anchor = f"{slug}_{number}"
        anchors.add(anchor)
    return anchors


def find_dead_links(page: pathlib.Path, root: pathlib.Path) -> list[str]:
    """The links of a page to files, folders or headings that do not exist."""
    dead = []
    for link in list_links(page.read_text("utf-8")):
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or not target.is_relative_to(root):
            dead.append(link)
        elif anchor and anchor not in list_anchors(target.read_text("utf-8")):
            dead.append(link)
    return dead

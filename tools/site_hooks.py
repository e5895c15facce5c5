"""Hooks of MkDocs: pages may link to files of the repository, which join the site.

A page links to a flagfile or a source as GitHub shows it, such as `../configs/x.cfg`.
On the site the file is below `repository/`, as text that a browser shows. The pages at
the repository's root that `PAGES` names are pages of the site too.
"""

import os
import pathlib
import re

from mkdocs.structure.files import File

ROOT = pathlib.Path(__file__).parents[1]
FOLDER = "repository"
PAGES = {
    name: f"{name.lower()}"
    for name in ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
}
_LINK = re.compile(r"(?<=\]\()([^)\s#]+)(?=[)#])")


def find_repository_files(text: str, page: str) -> dict[str, str]:
    """Returns the links of a page that leave `docs/`, and the files they name.

    Args:
        text: The page's Markdown.
        page: Its path below `docs/`.

    Returns:
        Link as written -> path below the repository's root.
    """
    folder = ROOT / "docs" / pathlib.PurePosixPath(page).parent
    found = {}
    for link in _LINK.findall(text):
        path = pathlib.Path(os.path.normpath(folder / link))
        outside = path.is_relative_to(ROOT) and not path.is_relative_to(ROOT / "docs")
        if ":" not in link and outside and path.is_file():
            found[link] = path.relative_to(ROOT).as_posix()
    return found


def adapt_root_page(text: str) -> str:
    """Returns a page of the repository's root with links as from `docs/`."""
    text = text.replace("](docs/", "](")
    return re.sub(
        r"\]\((\w+\.md)", lambda match: f"]({PAGES.get(match[1], match[1])}", text
    )


def on_files(files, config):
    """Adds the files of the repository that pages link to, and its root's pages."""
    added = {}
    for page in files.documentation_pages():
        for path in find_repository_files(page.content_string, page.src_uri).values():
            if path not in PAGES:
                added[f"{FOLDER}/{path}.txt"] = str(ROOT / path)
    for uri, path in added.items():
        files.append(File.generated(config, uri, abs_src_path=path))
    for path, uri in PAGES.items():
        text = adapt_root_page((ROOT / path).read_text("utf-8"))
        files.append(File.generated(config, uri, content=text))
    return files


def on_page_markdown(markdown, page, config, files):
    """Points the links at the added files."""
    source = page.file.src_uri
    up = "../" * (len(pathlib.PurePosixPath(source).parts) - 1)
    if source in PAGES.values():
        return markdown
    for link, path in find_repository_files(markdown, source).items():
        target = PAGES.get(path, f"{FOLDER}/{path}.txt")
        markdown = markdown.replace(f"]({link}", f"]({up}{target}")
    return markdown

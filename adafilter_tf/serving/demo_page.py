"""The page to try a run on: a field for pictures, and the answers below it, by Gradio.

Nothing leaves the machine: no telemetry, no shared link, no fonts or scripts of others.
"""

import os
import pathlib
from collections.abc import Callable, Sequence

MAX_FILE_BYTES = 32 * 2**20
# Uploaded files older than this are removed, the others when the program ends.
_KEPT_S = 600
_CHECKED_EVERY_S = 60


def create_app(
    head: str,
    answer: Callable[[Sequence[str]], str],
    *,
    title: str,
    css: str,
    upload_dir: pathlib.Path,
):
    """Returns the application by the ASGI protocol.

    Args:
        head: HTML above the field for pictures.
        answer: From the paths of uploaded files to HTML; called for one user at a time.
        title: Of the browser's window.
        css: Style sheet of the HTML.
        upload_dir: Where uploaded files are kept, for ten minutes.
    """
    # Read when Gradio is imported or a page is made.
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    os.environ["GRADIO_TEMP_DIR"] = str(upload_dir)
    import fastapi
    import gradio

    with gradio.Blocks(
        title=title,
        analytics_enabled=False,
        delete_cache=(_CHECKED_EVERY_S, _KEPT_S),
    ) as page:
        gradio.HTML(head)
        pictures = gradio.File(
            label="Pictures",
            file_count="multiple",
            type="filepath",
            elem_id="pictures",
        )
        answers = gradio.HTML(elem_id="answers")
        pictures.change(
            lambda paths: answer(paths or ()),
            pictures,
            answers,
            api_visibility="private",
            concurrency_limit=1,
        )
    # FastAPI's own pages of documentation load scripts from elsewhere.
    app = fastapi.FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    fonts = ("system-ui", "sans-serif")
    return gradio.mount_gradio_app(
        app,
        page,
        "/",
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        max_file_size=MAX_FILE_BYTES,
        ssr_mode=False,
        mcp_server=False,
        pwa=False,
        theme=gradio.themes.Default(font=fonts, font_mono=("monospace",)),
        css=css,
    )

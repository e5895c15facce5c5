"""Draws the map of docs/architecture.md from the imports of the package.

    python -m tools.draw_architecture > docs/images/architecture.svg

An arrow means "imports". Arrows that follow from others are left out: `runs` imports
`data`, but the map shows it through `training`. `errors` is open to every room.
"""

import ast
import graphlib
import pathlib
from xml.sax import saxutils

PACKAGE = pathlib.Path(__file__).parents[1] / "adafilter_tf"
WIDTH, ROW, BOX_WIDTH, BOX_HEIGHT, TOP = 960, 96, 172, 56, 16
# What a room may import decides its colour: Keras alone, TensorFlow, or flags.
COLOURS = {
    "flags": ("#4f5d75", "reads flags"),
    "tensorflow": ("#b3541e", "TensorFlow"),
    "keras": ("#1d7a64", "Keras only: runs on TensorFlow, JAX and PyTorch"),
}
# Room: centre of its box (x, row), colour, what it is for.
ROOMS = {
    "client": (106, 0, "flags", "asks a model server"),
    "run": (390, 0, "flags", "the command"),
    "api": (570, 0, "flags", "runs from Python"),
    "cli": (480, 1, "flags", "flags, modes, recipes"),
    "experiments": (106, 2, "tensorflow", "compare, search"),
    "serving": (300, 2, "tensorflow", "REST and a page"),
    "runs": (600, 2, "tensorflow", "a training, its directory"),
    "methods": (872, 2, "keras", "fine-tuning methods"),
    "prediction": (225, 3, "tensorflow", "rows for image files"),
    "export": (588, 3, "tensorflow", "SavedModel, ONNX"),
    "training": (768, 3, "tensorflow", "fit, checkpoints"),
    "evaluation": (655, 4, "tensorflow", "metrics, gates, explain"),
    "data": (300, 5, "tensorflow", "sources, splits, pixels"),
    "distribution": (490, 5, "tensorflow", "devices, workers"),
    "models": (680, 5, "keras", "gating, backbones"),
    "optim": (870, 5, "keras", "optimizers, losses"),
    "files": (395, 6, "keras", "atomic writes, checks"),
    "layers": (680, 6, "keras", "the paper's equations"),
}
OPEN_TO_ALL = "errors"


def read_imports() -> dict[str, set[str]]:
    """Returns the rooms that each room imports.

    Raises:
        ValueError: A room of the package has no place on the map, or the reverse.
    """
    imports: dict[str, set[str]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        room = path.relative_to(PACKAGE).with_suffix("").parts[0]
        if not room.startswith("_") and room != OPEN_TO_ALL:
            imports.setdefault(room, set()).update(_imported_rooms(path))
    if imports.keys() != ROOMS.keys():
        raise ValueError(
            "The rooms of the package and of tools/draw_architecture.py differ in "
            f"{sorted(imports.keys() ^ ROOMS.keys())}; bring ROOMS in line."
        )
    return {room: (found & ROOMS.keys()) - {room} for room, found in imports.items()}


def _imported_rooms(path: pathlib.Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    parts = [name.split(".") for name in names]
    return {p[1] for p in parts if p[0] == PACKAGE.name and len(p) > 1}


def reduce_imports(imports: dict[str, set[str]]) -> dict[str, set[str]]:
    """Returns the imports that do not follow from others (transitive reduction)."""
    reachable: dict[str, set[str]] = {}
    for room in graphlib.TopologicalSorter(imports).static_order():
        beyond = (reachable[other] | {other} for other in imports[room])
        reachable[room] = set().union(*beyond)
    return {
        room: {
            other
            for other in found
            if not any(other in reachable[third] for third in found)
        }
        for room, found in imports.items()
    }


def draw(imports: dict[str, set[str]]) -> str:
    """Returns the map as SVG."""
    height = TOP + 6 * ROW + BOX_HEIGHT + 52
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        'font-family="system-ui, -apple-system, Segoe UI, Roboto, Helvetica, Arial, '
        'sans-serif" role="img">',
        "<title>The rooms of adafilter_tf and their imports</title>",
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path d="M0 0 8 4 0 8z" fill="#7a8699"/>'
        "</marker></defs>",
        f'<rect width="{WIDTH}" height="{height}" rx="12" fill="#fbfcfe"/>',
    ]
    for room, found in sorted(reduce_imports(imports).items()):
        parts += [_draw_arrow(room, other) for other in sorted(found)]
    parts += [_draw_room(room) for room in ROOMS]
    x = 20
    for colour, text in COLOURS.values():
        y = height - 22
        parts.append(
            f'<rect x="{x}" y="{y - 11}" width="14" height="14" rx="3" '
            f'fill="{colour}"/>'
            f'<text x="{x + 21}" y="{y + 1}" font-size="14" fill="#33415c">'
            f"{text}</text>"
        )
        x += 60 + 7 * len(text)
    return "\n".join([*parts, "</svg>", ""])


def _top(room: str) -> int:
    return TOP + ROOMS[room][1] * ROW


def _draw_arrow(room: str, other: str) -> str:
    """An arrow down, or along the left margin where boxes are in the way."""
    x, y = ROOMS[room][0], _top(room) + BOX_HEIGHT
    end_x, end_y = ROOMS[other][0], _top(other) - 3
    if room == "experiments":
        end_x, end_y = end_x - BOX_WIDTH // 2 - 3, end_y + 3 + BOX_HEIGHT // 2
        curve = f"M{x} {y}C{x} {end_y} {x + 40} {end_y} {end_x} {end_y}"
    else:
        # Fan out at the start and at the end, so that arrows can be told apart.
        x, end_x = x + (end_x - x) // 7, end_x - (end_x - x) // 9
        # Long ones turn late, below the boxes that lie between.
        height = end_y - y
        turn, arrive = (0.75, 0.88) if height > ROW else (0.5, 0.5)
        turn, arrive = y + round(turn * height), y + round(arrive * height)
        curve = f"M{x} {y}C{x} {turn} {end_x} {arrive} {end_x} {end_y}"
    return (
        f'<path d="{curve}" fill="none" stroke="#7a8699" stroke-width="1.6" '
        'marker-end="url(#arrow)"/>'
    )


def _draw_room(room: str) -> str:
    x, _, kind, text = ROOMS[room]
    y = _top(room)
    return (
        f'<rect x="{x - BOX_WIDTH // 2}" y="{y}" width="{BOX_WIDTH}" '
        f'height="{BOX_HEIGHT}" rx="8" fill="{COLOURS[kind][0]}"/>'
        f'<text x="{x}" y="{y + 24}" font-size="17" font-weight="600" fill="#fff" '
        f'text-anchor="middle">{room}</text>'
        f'<text x="{x}" y="{y + 43}" font-size="13" fill="#fff" text-anchor="middle">'
        f"{saxutils.escape(text)}</text>"
    )


def main() -> None:
    """Prints the map."""
    print(draw(read_imports()), end="")


if __name__ == "__main__":
    main()

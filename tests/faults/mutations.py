"""Damage to files: of bytes, as disks, networks and people do it, and of lines."""

import numpy as np

_TEXTS = (
    "\ufeff",
    "\0",
    "é",
    "\udcff",
    '"',
    "'",
    ",",
    "\r\n",
    "\n\n",
    "--",
    "-",
    "=",
    "#",
    " ",
    "\t",
    "x" * 5000,
    "9" * 400,
    "-1",
    "nan",
    "1e999",
    "0",
    "../" * 20,
    "/dev/null",
    "~nobody/x",
    "--flagfile=",
    "--undefok=",
    "epochs 3",
    "$(touch x)",
)


def mutate_bytes(content: bytes, rng: np.random.Generator) -> bytes:
    """Returns the content with one kind of damage."""
    data = bytearray(content)
    size = len(data)
    start, end = sorted(int(x) for x in rng.integers(0, size + 1, 2))
    short = min(end, start + int(rng.integers(1, 17)))
    kind = int(rng.integers(8))
    if kind == 0:  # one bit
        data[min(start, size - 1)] ^= 1 << int(rng.integers(8))
    elif kind == 1:  # some bytes
        data[start:short] = rng.bytes(short - start)
    elif kind == 2:  # cut off
        del data[start:]
    elif kind == 3:  # a hole
        data[start:short] = bytes(short - start)
    elif kind == 4:  # bytes are missing
        del data[start:short]
    elif kind == 5:  # bytes too many
        data[start:start] = rng.bytes(int(rng.integers(1, 17)))
    elif kind == 6:  # a part twice
        data[start:start] = data[start:end]
    else:  # the beginning, where sizes and kinds are told
        data[int(rng.integers(min(64, size)))] = int(rng.integers(256))
    return bytes(data)


def mutate_text(text: str, rng: np.random.Generator) -> bytes:
    """Returns a text of lines, damaged as a person or an editor would, or as bytes."""
    for _ in range(int(rng.integers(1, 4))):
        lines = text.split("\n")
        place = int(rng.integers(len(lines)))
        line = lines[place]
        column = int(rng.integers(len(line) + 1))
        insert = str(rng.choice(_TEXTS))
        kind = int(rng.integers(7))
        if kind == 0:
            lines[place] = line[:column] + insert + line[column:]
        elif kind == 1:
            lines[place] = line[:column]
        elif kind == 2:
            lines.insert(place, insert)
        elif kind == 3:
            lines.insert(place, line)
        elif kind == 4:
            lines[place] = line.partition("=")[0] + "=" + insert
        elif kind == 5:
            del lines[place]
        else:
            lines[place] = line.replace(line[column : column + 3], insert)
        text = "\n".join(lines)
    content = text.encode("utf-8", "surrogateescape")
    return mutate_bytes(content, rng) if content and rng.random() < 0.2 else content

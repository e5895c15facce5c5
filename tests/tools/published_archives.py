"""Tiny archives in the layouts of the published ones."""

import io
import tarfile

from tests.files import package_files

PNG = package_files.random_png


def jpeg(seed):
    from PIL import Image

    buffer = io.BytesIO()
    Image.open(io.BytesIO(PNG(seed))).save(buffer, "jpeg")
    return buffer.getvalue()


def write(path, members, links=()):
    """Writes a zip, tar or tar.gz file, by the ending of its name."""
    if path.suffix == ".zip":
        content = package_files.wheel(members)
    else:
        compression = "gz" if path.suffix == ".gz" else ""
        content = package_files.tar(members, links, compression)
    path.write_bytes(content)
    return path


def aircraft(folder):
    """Two variants, one of them with a slash; 2, 1 and 1 images a variant."""
    data = "fgvc-aircraft-2013b/data/"
    members, lists = {}, {"train": "", "val": "", "test": ""}
    splits = ("train", "train", "val", "test")
    for number, variant in enumerate(("707-320", "F/A-18"), 1):
        for index, split in enumerate(splits):
            name = f"{number}00{index:04d}"
            members[f"{data}images/{name}.jpg"] = jpeg(len(members))
            lists[split] += f"{name} {variant}\n"
    # The lists come after the images, and some files are not used.
    for split, text in lists.items():
        members[f"{data}images_variant_{split}.txt"] = text.encode()
    members[f"{data}images/9999999.jpg"] = jpeg(99)
    members["fgvc-aircraft-2013b/README.md"] = b"text"
    return [write(folder / "fgvc-aircraft-2013b.tar.gz", members)]


def caltech256(folder, per_class=82):
    root = "256_ObjectCategories/"
    members = {
        f"{root}{label:03d}.{name}/{label:03d}_{index:04d}.jpg": jpeg(label)
        for label, name in ((1, "ak47"), (257, "clutter"))
        for index in range(1, per_class + 1)
    }
    members[f"{root}198.spider/RENAME2"] = b"text"
    members[f"{root}056.dog/greg/vision309/056_0001.jpg"] = b"no image"
    return [write(folder / "tiny.tar", members)]


def indoor67(folder):
    train = ["bar/a.jpg", "bar/b.jpg", "pool inside/c.jpg"]
    test = ["bar/d.jpg", "pool inside/e.jpg"]
    gif = b"GIF89a\1\0\1\0\x80\0\0\xff\0\0\0\0\0,\0\0\0\0\1\0\1\0\0\2\2D\1\0;"
    members = {f"Images/{name}": jpeg(i) for i, name in enumerate([*train, *test])}
    members["Images/bar/b.jpg"] = gif  # some files are not what their names say
    members["Images/bar/unused.jpg"] = jpeg(9)
    (folder / "TrainImages.txt").write_text("\n".join(train))
    (folder / "TestImages.txt").write_text("\n".join(test) + "\n")
    lists = [folder / "TestImages.txt", folder / "TrainImages.txt"]
    return [write(folder / "indoorCVPR_09.tar", members), *lists]


def omniglot(folder):
    """One character in each part, drawn by 20 people."""
    return [
        write(
            folder / f"images_{part}.zip",
            {
                f"images_{part}/{alphabet}/character01/{number}_{drawer:02d}.png": PNG(
                    drawer
                )
                for drawer in range(1, 21)
            },
        )
        for part, alphabet, number in (
            ("background", "Greek", "0394"),
            ("evaluation", "Oriya", "1234"),
        )
    ]


def ucf101(folder, content=lambda name: name.encode()):
    """Two classes: groups 1 and 7 (test), 8 and 25 (training), two clips each."""
    members, train, test = {}, "", ""
    for number, label in enumerate(("HandstandPushups", "YoYo"), 1):
        spelt = label.replace("Handstand", "HandStand")
        for group in (1, 7, 8, 25):
            for clip in (1, 2):
                end = f"_g{group:02d}_c{clip:02d}.avi"
                members[f"UCF101/v_{label}{end}"] = content(f"{label}{end}")
                line = f"{label}/v_{spelt}{end}"
                test += f"{line}\r\n" if group < 8 else ""
                train += f"{line} {number}\r\n" if group >= 8 else ""
    lists = {
        "ucfTrainTestlist/trainlist01.txt": train.encode(),
        "ucfTrainTestlist/testlist01.txt": test.encode(),
        "ucfTrainTestlist/trainlist02.txt": b"other",
        "ucfTrainTestlist/classInd.txt": b"1 HandstandPushups\n2 YoYo\n",
    }
    return [write(folder / "videos.zip", members), write(folder / "lists.zip", lists)]


def device(path, name):
    """A tar file with a character device."""
    with tarfile.open(path, "w") as archive:
        info = tarfile.TarInfo(name)
        info.type = tarfile.CHRTYPE
        archive.addfile(info)
    return path

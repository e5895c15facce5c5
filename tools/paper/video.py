"""Frames of a video, read with OpenCV, which only this needs."""

import pathlib
import tempfile

from adafilter_tf import errors

_JPEG_QUALITY = 95


def check_installed() -> None:
    """Checks that videos can be read.

    Raises:
        errors.RunError: OpenCV is not installed.
    """
    try:
        import cv2  # noqa: F401
    except ImportError as error:
        raise errors.RunError(
            "Reading videos needs OpenCV, which is not installed. Install it with "
            "`pip install opencv-python-headless`."
        ) from error


def read_frames(content: bytes, frames: int) -> list[bytes]:
    """Decodes evenly spaced frames: those in the middle of `frames` equal parts.

    Args:
        content: Of a video file.
        frames: How many; 1 gives the middle frame.

    Returns:
        The frames as JPEG files.

    Raises:
        errors.RunError: The video is unreadable or has fewer frames.
    """
    import cv2

    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "video.avi")
        path.write_bytes(content)
        # A header's number of frames need not be true: counted by decoding.
        capture, length = cv2.VideoCapture(str(path)), 0
        while capture.grab():
            length += 1
        if length < frames:
            raise errors.RunError(
                f"A video has {length} readable frames; {frames} are needed. Lower "
                "--frames, or download the archive again."
            )
        wanted = choose(length, frames)
        capture, images = cv2.VideoCapture(str(path)), []
        for index in range(wanted[-1] + 1):
            capture.grab()
            if index in wanted:
                images.append(_encode(capture.retrieve()[1]))
    return images


def choose(length: int, frames: int) -> list[int]:
    """Indices of the frames in the middle of `frames` equal parts of a video."""
    return [(2 * part + 1) * length // (2 * frames) for part in range(frames)]


def _encode(pixels) -> bytes:
    import cv2

    options = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
    return cv2.imencode(".jpg", pixels, options)[1].tobytes()

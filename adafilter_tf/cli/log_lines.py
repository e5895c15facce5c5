"""Log lines as plain sentences, which do not run into a progress bar."""

import logging as std_logging
import shutil
import sys
import textwrap

from absl import logging

_WORDS = {std_logging.WARNING: "Warning: ", std_logging.ERROR: "Error: "}
_CLEAR_LINE = "\r\x1b[K"


class LineFormatter(std_logging.Formatter):
    """Formats a record as a sentence, without time, thread and line of code.

    On a terminal it takes the place of a bar that stands in the last line, which draws
    itself again below, and breaks between words. In a file it is one line.
    """

    def format(self, record: std_logging.LogRecord) -> str:
        """Returns the text of a record."""
        text = _WORDS.get(record.levelno, "") + record.getMessage()
        if record.exc_info:
            text = f"{text}\n{self.formatException(record.exc_info)}"
        if not (sys.stdout.isatty() and sys.stderr.isatty()):
            return text
        width = shutil.get_terminal_size().columns
        lines = [
            textwrap.fill(line, width, break_long_words=False, break_on_hyphens=False)
            for line in text.split("\n")
        ]
        return _CLEAR_LINE + "\n".join(lines)


def use() -> None:
    """Formats what absl logs from now on."""
    logging.get_absl_handler().setFormatter(LineFormatter())

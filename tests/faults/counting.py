"""What is counted while things go wrong."""

import collections
import logging
import traceback


class Count:
    """Outcomes by name; `crashes`, exceptions that a user would see, are always there.

    Attributes:
        outcomes: How often each was met.
        examples: The first crashes, in words.
    """

    def __init__(self):
        self.outcomes = collections.Counter(crashes=0)
        self.examples = []

    def add(self, outcome, number=1):
        self.outcomes[outcome] += number

    def crash(self, what, error):
        """Notes an exception that is none of the errors that a user may meet."""
        self.add("crashes")
        frame = traceback.extract_tb(error.__traceback__)[-1]
        self.note(
            f"{type(error).__name__} {str(error)[:200]} in {frame.filename}:"
            f"{frame.lineno}, of {str(what)[:300]}"
        )

    def crash_of_process(self, what, code, errors):
        """Notes a process that ended in a way that no user should meet."""
        self.add("crashes")
        self.note(f"exit code {code} of {what}: {errors[-1500:]}")

    def note(self, text):
        self.examples.append(text)
        logging.warning("%s", text)

    def to_json(self):
        return dict(sorted(self.outcomes.items()))

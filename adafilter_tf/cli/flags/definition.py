"""How flags are defined: every number is finite and within a range."""

import os
import re
from collections.abc import Sequence

from absl import flags

# The largest finite float32 and int32; what a flag becomes sooner or later.
MAX_FLOAT = 3.4028234663852886e38
MAX_INTEGER = 2**31 - 1
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}
_LONGEST = 1000 * 24 * 3600
COLORS = {"white": (255, 255, 255), "grey": (128, 128, 128), "black": (0, 0, 0)}


def parse_color(text: str) -> tuple[int, int, int]:
    """Returns red, green and blue, each in 0..255, of a name of `COLORS` or #rrggbb.

    Raises:
        ValueError: It is neither.

    Example:
        >>> parse_color("#ff8000")
        (255, 128, 0)
    """
    if text in COLORS:
        return COLORS[text]
    if not re.fullmatch("#[0-9a-fA-F]{6}", text):
        raise ValueError(f"one of {', '.join(COLORS)} or #rrggbb is needed")
    red, green, blue = bytes.fromhex(text[1:])
    return red, green, blue


def parse_duration(text: str) -> float:
    """Returns the seconds of a text such as 90s, 10m or 1.5h; a number is seconds.

    Raises:
        ValueError: It is none of these, or not within 1 second and 1,000 days.

    Example:
        >>> parse_duration("1.5h")
        5400.0
    """
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([smh]?)", text)
    if not match:
        raise ValueError("a number of seconds, or with a unit 90s, 10m or 1.5h")
    seconds = float(match.group(1)) * _UNITS[match.group(2)]
    if not 1 <= seconds <= _LONGEST:
        raise ValueError("it must be at least 1 second and at most 1,000 days")
    return seconds


class _FiniteFloatParser(flags.FloatParser):
    """Refuses NaN and infinity, which absl's comparisons with bounds let through."""

    def __init__(self, lower_bound=None, upper_bound=None, words: Sequence[str] = ()):
        super().__init__(lower_bound, upper_bound)
        self._words = tuple(words)

    def parse(self, argument):
        """Returns the number, or the word.

        Raises:
            ValueError: It is not a finite number within bounds, and not a word.
        """
        return argument if argument in self._words else super().parse(argument)

    def convert(self, argument):
        """Returns the number, -0.0 as 0.0.

        Raises:
            ValueError: It is not a finite number.
        """
        value = super().convert(argument)
        if not abs(value) <= MAX_FLOAT:
            raise ValueError(f"a finite number is needed, received {argument}")
        return value + 0.0


class _IntegerParser(flags.IntegerParser):
    """Refuses integers that TensorFlow and numpy cannot hold."""

    def convert(self, argument):
        """Returns the integer.

        Raises:
            ValueError: It is none, or out of range.
        """
        value = super().convert(argument)
        if abs(value) > MAX_INTEGER:
            raise ValueError(f"the largest integer is {MAX_INTEGER}")
        return value


class _PathParser(flags.ArgumentParser):
    """Replaces a leading `~`, which a shell leaves in --flag=~/folder."""

    def parse(self, argument):
        """Returns the path."""
        return os.path.expanduser(argument)


class _ColorParser(flags.ArgumentParser):
    """Refuses what `parse_color` does not take."""

    def parse(self, argument):
        """Returns the color as it was written."""
        parse_color(argument)
        return argument


class _DurationParser(flags.ArgumentParser):
    """Refuses what `parse_duration` does not take."""

    def parse(self, argument):
        """Returns the duration as it was written."""
        parse_duration(argument)
        return argument


class Definer:
    """Defines flags of each kind on one set of values.

    Args:
        values: Receives the flags.
    """

    def __init__(self, values: flags.FlagValues):
        self._values = values

    def boolean(self, name: str, default: bool, text: str) -> None:
        """Defines --name and --noname."""
        flags.DEFINE_boolean(name, default, text, flag_values=self._values)

    def color(self, name: str, default: str, text: str) -> None:
        """Defines a color, see `parse_color`."""
        self._define_parsed(_ColorParser(), name, default, text)

    def duration(self, name: str, default: str | None, text: str) -> None:
        """Defines a time, see `parse_duration`."""
        self._define_parsed(_DurationParser(), name, default, text)

    def enum(
        self, name: str, default: str | None, choices: Sequence[str], text: str
    ) -> None:
        """Defines a flag with one of several values."""
        flags.DEFINE_enum(name, default, list(choices), text, flag_values=self._values)

    def float(
        self,
        name: str,
        default: float | None,
        text: str,
        lower_bound: float | None = None,
        upper_bound: float | None = None,
        words: Sequence[str] = (),
    ) -> None:
        """Defines a finite number within bounds, both included, or one of words."""
        parser = _FiniteFloatParser(lower_bound, upper_bound, words)
        self._define_parsed(parser, name, default, text)

    def integer(
        self,
        name: str,
        default: int | None,
        text: str,
        lower_bound: int | None = None,
        upper_bound: int | None = None,
    ) -> None:
        """Defines an integer within bounds, both included."""
        parser = _IntegerParser(lower_bound, upper_bound)
        self._define_parsed(parser, name, default, text)

    def list(self, name: str, default: Sequence[str], text: str) -> None:
        """Defines a flag of strings that commas separate."""
        flags.DEFINE_list(name, default, text, flag_values=self._values)

    def multi_string(self, name: str, default: Sequence[str], text: str) -> None:
        """Defines a flag that is given once for each string."""
        flags.DEFINE_multi_string(name, default, text, flag_values=self._values)

    def path(self, name: str, default: str | None, text: str) -> None:
        """Defines a path, or a name that may be one; `~` is the user's folder."""
        self._define_parsed(_PathParser(), name, default, text)

    def string(self, name: str, default: str | None, text: str) -> None:
        """Defines a string."""
        flags.DEFINE_string(name, default, text, flag_values=self._values)

    def _define_parsed(self, parser, name, default, text) -> None:
        flags.DEFINE(
            parser,
            name,
            default,
            text,
            flag_values=self._values,
            serializer=flags.ArgumentSerializer(),
        )

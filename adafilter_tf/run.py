"""The command line: python -m adafilter_tf.run --flagfile=configs/digits.cfg."""

from absl import app

from adafilter_tf.cli import flags
from adafilter_tf.cli.entry import main, parse

__all__ = ["main", "parse"]

if __name__ == "__main__":
    flags.define_flags()
    app.run(main, flags_parser=parse)

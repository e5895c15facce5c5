"""What hostile images and their isolation cost an export; no test, for docs/serving.md.

python -m tests.export.measure_cost runs/served/export/1
"""

import resource
import statistics
import sys
import time

import tensorflow as tf

from tests.export import test_decoding as files


def main():
    signatures = tf.saved_model.load(sys.argv[1]).signatures

    def ask(name, encoded):
        """Milliseconds, and the answer."""
        began = time.perf_counter()
        answer = signatures[name](image_bytes=tf.constant([encoded]))
        return 1e3 * (time.perf_counter() - began), answer

    for _ in range(20):
        ask("serving_default", files.png_of_zeros(1, 1))
    # First, as the process' peak of memory never falls.
    for side in (13_000, 2_890):
        image = files.png_of_zeros(side, side)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        ms, answer = ask("serving_default", image)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        print(
            f"PNG of zeros, {side} x {side} pixels, {len(image)} bytes: "
            f"valid={bool(answer['valid'][0])}, {ms:.0f} ms, {grown / 1024:.1f} MB"
        )
    for size in ((32, 32, 3), (376, 504, 3), (3000, 4000, 3)):
        image = files.encode(files.noise(size=size))
        pairs = [
            (ask("serving_default", image)[0], ask("strict", image)[0])
            for _ in range(45)
        ][5:]
        strict = statistics.median(b for _, b in pairs)
        more = statistics.median(a - b for a, b in pairs)
        print(f"JPEG {size}: strict {strict:.1f} ms, serving_default {more:+.1f} ms")


if __name__ == "__main__":
    main()

"""Breaks the code in one place at a time and tells what the nearest tests notice.

    python -m tests.defects                     all defects, in a copy of the tree
    python -m tests.defects splits pipeline     those whose file's name has one of these
    python -m tests.defects --list              only checks that each can be applied

A defect is a text of a file, what stands there instead, and the tests that should fail.
A text that is no longer there is an error: whoever changes the line changes the table.
The exit code is 0 when at least 95 % of the defects that were tried were caught.
"""

import argparse
import dataclasses
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import pytest

ROOT = pathlib.Path(__file__).parents[1]
NEEDED = 0.95


@dataclasses.dataclass(frozen=True)
class Defect:
    """One change that makes the code wrong.

    Attributes:
        path: The file, below `adafilter_tf`.
        old: A text that stands in it exactly once.
        new: What stands there instead.
        tests: Files or folders below `tests`, separated by spaces.
    """

    path: str
    old: str
    new: str
    tests: str


GATE = "layers/filter_gate.py"
CONV = "layers/gated_conv.py"
NORM = "layers/gated_batch_norm.py"
NETWORK = "layers/gate_network.py"
GATING = "models/gating.py"
PLAN = "models/gate_plan.py"
CONVERSION = "models/conversion.py"
OPTIMIZERS = "optim/optimizers.py"
LOOP = "training/loop.py"
SPLITS = "data/splits.py"
PIPELINE = "data/pipeline.py"
BANK = "models/folding/filter_bank.py"
FOLDING = "models/folding/folding.py"
SIGNATURES = "export/signatures.py"
STATISTICS = "evaluation/gate_statistics.py"

TEST_GATE = "layers/test_filter_gate.py"
TEST_CONV = "layers/test_gated_conv.py"
TEST_NORM = "layers/test_gated_batch_norm.py"
TEST_NETWORK = "layers/test_recurrent_gate.py layers/test_feedforward_gate.py"
TEST_GATING = "models/test_gating.py models/test_gate_plan.py models/test_conversion.py"
TEST_OPTIMIZERS = "optim/test_optimizers.py optim/test_stages.py optim/test_losses.py"
TEST_LOOP = "training/test_loop.py training/test_comforts.py training/test_ema.py"
TEST_SPLITS = "data/test_splits.py"
TEST_PIPELINE = "data/test_pipeline.py"
TEST_FOLDING = "models/folding"
TEST_SIGNATURES = "export/test_signatures.py"
TEST_STATISTICS = "evaluation/test_gate_statistics.py"

DEFECTS = (
    Defect(GATE, "probabilities > 0.5", "probabilities > 0.4", TEST_GATE),
    Defect(
        GATE,
        "return gates + (means - ops.stop_gradient(means))",
        "return gates",
        TEST_GATE,
    ),
    Defect(
        GATE,
        "means + self.noise * (0.5 - means)",
        "means * (1 - self.noise)",
        TEST_GATE,
    ),
    Defect(GATE, "sampled < means", "sampled > means", TEST_GATE),
    Defect(GATE, "ops.mean(4 * means", "ops.mean(2 * means", TEST_GATE),
    Defect(
        GATE, "if training and self.tuned_penalty", "if self.tuned_penalty", TEST_GATE
    ),
    Defect(
        CONV,
        "dilation_rate=self.dilation_rate,\n"
        '            data_format="channels_last",\n        )\n        return',
        'data_format="channels_last",\n        )\n        return',
        TEST_CONV + " models/test_gating.py",
    ),
    Defect(
        CONV,
        "self.activation(branches.blend(frozen, tuned, gates))",
        "branches.blend(self.activation(frozen), self.activation(tuned), gates)",
        TEST_CONV,
    ),
    Defect(
        CONV,
        "outputs if bias is None else ops.add(outputs, bias)",
        "outputs",
        TEST_CONV,
    ),
    Defect(
        "layers/branches.py", 'trainable=branch == "tuned"', "trainable=True", TEST_CONV
    ),
    Defect(
        "layers/branches.py",
        "return gates * tuned + (1 - gates) * frozen",
        "return gates * frozen + (1 - gates) * tuned",
        TEST_CONV,
    ),
    Defect(NORM, "((1 - gates) * frozen_scale)", "(gates * frozen_scale)", TEST_NORM),
    Defect(
        NORM,
        "ops.stop_gradient(batch) * (1 - self.momentum)",
        "ops.stop_gradient(batch)",
        TEST_NORM,
    ),
    Defect(
        NORM,
        'adapting = training and self.frozen_statistics == "adapting"',
        "adapting = training",
        TEST_NORM,
    ),
    Defect(
        NORM,
        "training = bool(training) and self.trainable",
        "training = bool(training)",
        TEST_NORM,
    ),
    Defect(
        NORM, "ops.rsqrt(variance + self.epsilon)", "ops.rsqrt(variance)", TEST_NORM
    ),
    Defect(
        "layers/batch_moments.py",
        "(mean_gradient / count - mean * slope)",
        "mean_gradient / count",
        "layers/test_batch_moments.py",
    ),
    Defect(
        "layers/recurrent_gate.py",
        "self.cell(embedded, [hidden, carry])",
        "self.cell(embedded, [carry, hidden])",
        TEST_NETWORK,
    ),
    Defect(NETWORK, "/ self.temperature", "* self.temperature", TEST_NETWORK),
    Defect(NETWORK, "Constant(self.initial_bias)", "Constant(0.0)", TEST_NETWORK),
    Defect(
        "layers/block_choice.py",
        "noisy[..., 1] > noisy[..., 0]",
        "noisy[..., 1] < noisy[..., 0]",
        "layers/test_block_choice.py",
    ),
    Defect(
        "layers/l2_sp_penalty.py",
        "self.strength / 2 * sum(squares)",
        "self.strength * sum(squares)",
        "layers/test_l2_sp_penalty.py",
    ),
    Defect(
        GATING,
        "options.gate_policy in filter_gate.LEARNED_POLICIES",
        "True",
        TEST_GATING,
    ),
    Defect(
        GATING,
        "fraction = self._plan.filters[name] / sum(self._plan.filters.values())",
        "fraction = 1.0",
        TEST_GATING,
    ),
    Defect(
        GATING, "temperature=options.gate_temperature", "temperature=1.0", TEST_GATING
    ),
    Defect(GATING, "clone.trainable = False", "clone.trainable = True", TEST_GATING),
    Defect(GATING, "conversion.copy_weights(source, target)", "pass", TEST_GATING),
    Defect(PLAN, "readers[source] == 1", "True", TEST_GATING),
    Defect(
        PLAN,
        "filter_layers[source].activation is keras.activations.linear",
        "True",
        TEST_GATING,
    ),
    Defect(
        PLAN,
        "for call in calls[:start]}",
        "for call in calls[: start + 1]}",
        TEST_GATING,
    ),
    Defect(
        CONVERSION,
        '"dilation_rate": layer.dilation_rate,',
        '"dilation_rate": (1, 1),',
        TEST_GATING,
    ),
    Defect(CONVERSION, "momentum=layer.momentum,", "", TEST_GATING),
    Defect(
        CONVERSION,
        "synchronized=layer.synchronized",
        "synchronized=False",
        TEST_GATING,
    ),
    Defect(CONVERSION, "layer.finalize_state()", "pass", TEST_GATING),
    Defect(
        CONVERSION,
        "return layers.GatedLayerNormalization(\n            epsilon=layer.epsilon,",
        "return layers.GatedLayerNormalization(\n            epsilon=1e-1,",
        TEST_GATING,
    ),
    Defect(
        OPTIMIZERS, "max(1, total - warmup_steps)", "max(1, total)", TEST_OPTIMIZERS
    ),
    Defect(
        OPTIMIZERS,
        "options.layer_decay**depth",
        "options.layer_decay",
        TEST_OPTIMIZERS + " training/test_comforts.py",
    ),
    Defect(
        OPTIMIZERS,
        "enumerate(reversed(names))",
        "enumerate(names)",
        TEST_OPTIMIZERS + " training/test_comforts.py",
    ),
    Defect(
        OPTIMIZERS,
        "member.exclude_from_weight_decay(var_names=_UNDECAYED)",
        "pass",
        TEST_OPTIMIZERS,
    ),
    Defect(OPTIMIZERS, "nesterov=True", "nesterov=False", TEST_OPTIMIZERS),
    Defect(
        OPTIMIZERS,
        "options.ema_decay ** (1 / options.accumulation_steps)",
        "options.ema_decay",
        TEST_OPTIMIZERS + " training/test_comforts.py",
    ),
    Defect(
        OPTIMIZERS,
        '{"gates": options.gate_learning_rate,',
        '{"gates": options.learning_rate,',
        TEST_OPTIMIZERS,
    ),
    Defect(
        OPTIMIZERS, '_HEAD: members["head"]', '"no": members["head"]', TEST_OPTIMIZERS
    ),
    Defect("optim/losses.py", "(present.sum() *", "(len(counts) *", TEST_OPTIMIZERS),
    Defect("optim/stages.py", "max(1, wanted)", "wanted", TEST_OPTIMIZERS),
    Defect(LOOP, "ema.apply_average(trained)", "pass", TEST_LOOP),
    Defect(
        "training/stage_program.py",
        "compile_stage(trained, plan, steps=len(steps), start_step=steps.start)",
        "compile_stage(trained, plan, steps=len(steps), start_step=0)",
        TEST_LOOP,
    ),
    Defect(LOOP, "start = resume.step", "pass", TEST_LOOP + " runs/test_resume.py"),
    Defect(
        LOOP,
        "-(-start // steps_per_epoch)",
        "(start // steps_per_epoch)",
        TEST_LOOP,
    ),
    Defect(
        LOOP,
        "total_steps=part.stop,\n            start_step=part.start,",
        "total_steps=part.stop - part.start,",
        TEST_LOOP + " runs/test_resume.py",
    ),
    Defect(
        SPLITS,
        "int(num_images * fraction + 0.5)",
        "int(num_images * fraction)",
        TEST_SPLITS,
    ),
    Defect(
        SPLITS,
        "np.random.default_rng([test_seed, label])",
        "np.random.default_rng([test_seed])",
        TEST_SPLITS,
    ),
    Defect(
        SPLITS,
        "return np.random.default_rng([seed, label])",
        "return np.random.default_rng([seed])",
        TEST_SPLITS,
    ),
    Defect(
        SPLITS,
        "return indices[:examples_per_class]",
        "return indices[: examples_per_class + 1]",
        TEST_SPLITS,
    ),
    Defect(
        SPLITS,
        "sorted(range(len(examples)), key=examples.paths.__getitem__)",
        "range(len(examples))",
        TEST_SPLITS,
    ),
    Defect(
        PIPELINE,
        "_split_key(seed, i[0], _BATCH_STREAM)",
        "_split_key(seed, 0 * i[0], _BATCH_STREAM)",
        TEST_PIPELINE,
    ),
    Defect(
        PIPELINE,
        "_split_key(seed, i, _IMAGE_STREAM)",
        "_split_key(seed, i % len(examples), _IMAGE_STREAM)",
        TEST_PIPELINE,
    ),
    Defect(
        PIPELINE,
        "tf.data.Dataset.range(start_step * len(places),",
        "tf.data.Dataset.range(start_step,",
        TEST_PIPELINE,
    ),
    Defect("data/pipeline.py", "i // n])", "0 * i])", TEST_PIPELINE),
    Defect(PIPELINE, "-len(paths) % batch_size", "0", TEST_PIPELINE),
    Defect(
        "data/augmentation/augmentation.py",
        "return w * x + (1.0 - w) * tf.gather(x, order)",
        "return w * x + (1.0 - w) * x",
        "data/augmentation " + TEST_PIPELINE,
    ),
    Defect(
        "models/folding/fold_plan.py",
        "len(readers) != 1 or",
        "False or",
        TEST_FOLDING,
    ),
    Defect(
        BANK, "bias=self.bias * scale + offset", "bias=self.bias + offset", TEST_FOLDING
    ),
    Defect(
        BANK,
        '(read("moving_variance", None) + layer.epsilon)',
        '(read("moving_variance", None))',
        TEST_FOLDING,
    ),
    Defect(
        BANK,
        '"dilation_rate": source.dilation_rate,',
        '"dilation_rate": (1, 1),',
        TEST_FOLDING,
    ),
    Defect(
        BANK,
        "self.scale(1 - gates), other.scale(gates)",
        "self.scale(gates), other.scale(1 - gates)",
        TEST_FOLDING,
    ),
    Defect(
        FOLDING,
        "known[name][unknown] = values[unknown]",
        "known[name][:] = values",
        TEST_FOLDING,
    ),
    Defect(
        FOLDING, "constants[filters] = 0.0", "constants[filters] = 1.0", TEST_FOLDING
    ),
    Defect(SIGNATURES, 'tf.where(missing, "", names)', "names", TEST_SIGNATURES),
    Defect(SIGNATURES, "missing = ~valid", "missing = valid", TEST_SIGNATURES),
    Defect(
        SIGNATURES,
        "preprocess_decoded(image, classifier.spec)",
        "preprocess_decoded(image, ImageSpec(*classifier.spec.shape[1:], 1.0))",
        TEST_SIGNATURES + " export/test_saved_model.py",
    ),
    Defect(
        SIGNATURES,
        "tf.where(valid[:, tf.newaxis], tf.cast(gate, tf.float32), 0.0)",
        "tf.cast(gate, tf.float32)",
        TEST_SIGNATURES,
    ),
    Defect(
        STATISTICS,
        "np.any(gate != gate[:1]",
        "np.all(gate != gate[:1]",
        TEST_STATISTICS,
    ),
    Defect(
        STATISTICS,
        "np.all(frequency == 0) or np.all(frequency == 1)",
        "np.all(frequency == 1)",
        TEST_STATISTICS,
    ),
    Defect(
        STATISTICS,
        "_information(chosen, classes) - _information(chosen, shuffled)",
        "_information(chosen, classes)",
        TEST_STATISTICS,
    ),
    Defect(STATISTICS, "axis=0, weights=counts)", "axis=0)", TEST_STATISTICS),
)


def apply(defect: Defect, root: pathlib.Path) -> str:
    """Writes the defect into the tree at `root`; returns the file's former text.

    Raises:
        SystemExit: When the old text does not stand there exactly once.
    """
    path = root / "adafilter_tf" / defect.path
    text = path.read_text("utf-8") if path.exists() else ""
    if (found := text.count(defect.old)) != 1:
        sys.exit(
            f"{defect.path} has {found} times, not once, the text {defect.old!r}: "
            "bring the table of tests/defects.py up to date."
        )
    path.write_text(text.replace(defect.old, defect.new), "utf-8")
    return text


def copy_tree(target: pathlib.Path) -> None:
    """Copies what tests need; a build, a run or an environment is not part of it."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(
        command, cwd=ROOT, check=True, capture_output=True, text=True
    )
    for name in listed.stdout.splitlines():
        if (source := ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name)


def list_tests(defect: Defect, root: pathlib.Path) -> list[str]:
    """The paths of the nearest tests that are there.

    Raises:
        SystemExit: When none is.
    """
    paths = [f"tests/{name}" for name in defect.tests.split()]
    found = [path for path in paths if (root / path).exists()]
    if not found:
        sys.exit(f"None of {', '.join(paths)} is there: mend tests/defects.py.")
    return found


def run_tests(paths: list[str], root: pathlib.Path) -> int:
    """Returns pytest's exit code: 0 when all passed, 1 when one failed.

    The tests run in a fork of this process, which has imported TensorFlow already. A
    negative code is that of the signal which ended it.
    """
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = pytest.ExitCode.INTERNAL_ERROR
    try:
        signal.alarm(1800)  # some defect may never end
        os.chdir(root)
        sys.path[:] = [str(root), *(p for p in sys.path if p not in ("", str(ROOT)))]
        for name in [name for name in sys.modules if name.split(".")[0] == "tests"]:
            del sys.modules[name]
        os.environ |= {"PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"}
        with open(os.devnull, "w") as nothing:
            for stream in (1, 2):
                os.dup2(nothing.fileno(), stream)
        code = pytest.main(
            ["-x", "-q", "-m", "not slow", "-p", "no:cacheprovider", *paths]
        )
    finally:
        os._exit(code)


def main() -> int:
    """Tries the defects; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", help="parts of the files' names")
    parser.add_argument("--list", action="store_true", help="try nothing")
    options = parser.parse_args()
    chosen = [
        each
        for each in DEFECTS
        if not options.parts or any(part in each.path for part in options.parts)
    ]
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        copy_tree(root)
        for defect in DEFECTS:  # all of them, before the first hour has passed
            path = root / "adafilter_tf" / defect.path
            path.write_text(apply(defect, root), "utf-8")
            list_tests(defect, root)
        if options.list:
            print(f"{len(DEFECTS)} defects can be applied.")
            return 0
        import keras  # noqa: F401 - for all forks
        import tensorflow  # noqa: F401

        survivors = []
        for number, defect in enumerate(chosen, 1):
            began = time.monotonic()
            text = apply(defect, root)
            code = run_tests(list_tests(defect, root), root)
            (root / "adafilter_tf" / defect.path).write_text(text, "utf-8")
            if code > 2:
                sys.exit(f"pytest ended with {code} and tried nothing: {defect}")
            if code == 0:
                survivors.append(defect)
            said = {0: "SURVIVED", 1: "caught", 2: "caught by an import"}
            said = said.get(code, f"caught by signal {-code}")
            line = f"{defect.path}: {defect.old!r} -> {defect.new!r}"
            seconds = time.monotonic() - began
            print(
                f"{number}/{len(chosen)} {said} in {seconds:.0f} s  {line}", flush=True
            )
    caught = len(chosen) - len(survivors)
    print(f"{caught} of {len(chosen)} defects caught.")
    return 0 if caught >= NEEDED * len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main())

"""Compares AdaFilter with fine-tuning on those of the paper's data sets that are there.

    python -m tools.reproduce_paper --output_dir=runs/reproduction
    python -m tools.reproduce_paper --output_dir=runs/reproduction --plan_only

Each data set is trained as its flagfile in configs/paper says, by `--mode=compare` with
seeds, a search of the learning rate on validation images for every method, and the
baselines; the flagfile of that comparison is written beside the folder. The table is
printed beside the paper's claim, and says which data sets were not run and what brings
them. The paper's hyper-parameters are not known: these are ours. Interrupted, the same
command resumes. Days on one GPU for all seven; not measured.
"""

import json
import pathlib
import subprocess
import sys

from absl import app, flags

from adafilter_tf import errors
from adafilter_tf.cli import trial
from adafilter_tf.data.sources import extraction
from adafilter_tf.files import atomic

CLAIM = 2.54
"""Percentage points by which the paper's average error falls, Guo et al. 2020."""
TASKS = (
    "stanford_dogs",
    "ucf101",
    "fgvc_aircraft",
    "caltech256_30",
    "caltech256_60",
    "indoor67",
    "omniglot",
)
_RATE = "learning_rate"
# Name of a row: its flags, and the rate that is searched.
ROWS = {
    "fine_tuning": ("method=fine_tuning", _RATE),
    "adafilter": ("method=adafilter", _RATE),
    "frozen_features": (
        "method=fine_tuning tune_blocks=none",
        "head_learning_rate",
    ),
    "last_2_blocks": ("method=fine_tuning tune_blocks=2", _RATE),
    "l2_sp": ("method=l2_sp", _RATE),
    "spottune": ("method=spottune", _RATE),
    "adafilter_random": ("method=adafilter gate_policy=random", _RATE),
    "adafilter_soft": ("method=adafilter gate_policy=soft", _RATE),
    "adafilter_plain_bn": ("method=adafilter gated_batch_norm=false", _RATE),
    "adafilter_feedforward": ("method=adafilter gate_network=feedforward", _RATE),
}
_CONFIGS = pathlib.Path(__file__).parents[1] / "configs" / "paper"
_NOT_OF_A_TASK = {"output_dir", "method", "baseline", "mode"}


def read_config(path: pathlib.Path) -> dict[str, str]:
    """Returns the flags of a flagfile by name; a flag without a value is true."""
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    pairs = (line[2:].partition("=") for line in lines if line.startswith("--"))
    return {
        name: value if equals else "true"
        for name, equals, value in pairs
        if name not in _NOT_OF_A_TASK
    }


def find_missing(
    name: str, dataset: str, data_dir: str, tfds_dir: str | None
) -> str | None:
    """Returns what brings a data set that is not there; None for one that is.

    Args:
        name: Of the task.
        dataset: Value of its `--dataset`, a folder in `data/` or one of TFDS.
        data_dir: Folder in the place of `data/`.
        tfds_dir: Where TFDS keeps its data; None for its default.
    """
    if dataset.startswith("folder:"):
        if pathlib.Path(data_dir, name, "train").is_dir():
            return None
        return f"python -m tools.prepare_paper --task={name}"
    _, tfds_name, version = dataset.split(":")
    root = pathlib.Path(tfds_dir or extraction.default_data_dir()).expanduser()
    if any((each / tfds_name / version).is_dir() for each in (root, root / _EXTRACTED)):
        return None
    return f"tfds.builder({tfds_name + ':' + version!r}).download_and_prepare()"


_EXTRACTED = "adafilter_tf"


def format_flagfile(
    present: dict[str, dict[str, str]],
    *,
    rows: list[str],
    rates: list[str],
    seeds: list[str],
    output_dir: str,
    tfds_dir: str | None = None,
) -> str:
    """Returns the flagfile of the comparison.

    Args:
        present: Task to its flags.
        rows: Keys of `ROWS`; fine_tuning is the reference and always among them.
        rates: Learning rates that each row searches.
        seeds: Of the table.
        output_dir: Of the comparison.
        tfds_dir: Where TFDS keeps its data.

    Raises:
        errors.RunError: Two tasks differ in a flag that a comparison has once.
    """
    common: dict[str, str] = {}
    lines = []
    for name, values in present.items():
        own = {k: v for k, v in values.items() if k in trial.TASK_FLAGS}
        lines.append(f"--task={name} " + " ".join(f"{k}={v}" for k, v in own.items()))
        for flag in values.keys() - own.keys():
            if common.setdefault(flag, values[flag]) != values[flag]:
                raise errors.RunError(
                    f"The flagfiles of {', '.join(present)} differ in --{flag}, which "
                    f"one comparison has once; give --override={flag}=VALUE."
                )
    searched = "|".join(rates)
    for row in ["fine_tuning", *(row for row in rows if row != "fine_tuning")]:
        method, flag = ROWS[row]
        lines.append(f"--row={row} {method} {flag}={searched}")
    head = [
        "--mode=compare",
        f"--output_dir={output_dir}",
        f"--seeds={','.join(seeds)}",
        *([f"--data_dir={tfds_dir}"] if tfds_dir else []),
        *(f"--{name}={value}" for name, value in sorted(common.items())),
    ]
    return "\n".join([*head, *lines]) + "\n"


def format_table(results: dict, missing: dict[str, str]) -> str:
    """Returns the table beside the paper's claim, in Markdown.

    Args:
        results: Of the comparison, see `adafilter_tf.experiments.report`.
        missing: Task that was not run to what brings it.
    """
    tasks = results["tasks"]
    rows = sorted(results["average_test_error"], key=results["average_test_error"].get)
    lines = [
        "| test error, % | " + " | ".join(tasks) + " | average | error reduction |",
        "|---|" + "---:|" * (len(tasks) + 2),
    ]
    for row in rows:
        cells = [f"{of[row]['mean_test_error']:.2f}" for of in tasks.values()]
        cells.append(f"{results['average_test_error'][row]:.2f}")
        cells.append(_format_reduction(row, results["average_error_reduction"][row]))
        lines.append(f"| `{row}` | {' | '.join(cells)} |")
    seeds = results["plan"]["seeds"]
    spread = ", with the 95 % interval over the seeds" if len(seeds) > 1 else ""
    lines += [
        "",
        f"Seeds {', '.join(map(str, seeds))}; reduction in percentage points against "
        f"fine_tuning{spread}.",
        f"The paper's claim: {CLAIM} points on average over its seven data sets; here "
        f"{len(tasks)} of them were run: {', '.join(tasks)}. Its hyper-parameters are "
        "not known, these are ours.",
    ]
    if "stanford_dogs" in tasks:
        lines.append(
            "The images of Stanford Dogs come from ImageNet, on which the backbone was "
            "pre-trained: weak evidence."
        )
    lines += [f"Not run: {name}. To have it: {how}" for name, how in missing.items()]
    return "\n".join(lines) + "\n"


def _format_reduction(row, of):
    if row == "fine_tuning":
        return "reference"
    low, high = of["ci95_low"], of["ci95_high"]
    interval = "" if low is None else f" [{low:+.2f}, {high:+.2f}]"
    return f"{of['mean']:+.2f}{interval}"


def find_tasks(options) -> tuple[dict[str, dict[str, str]], dict[str, str]]:
    """Returns the flags of the tasks that are there, and what brings the others.

    Raises:
        errors.UsageError: An override is not of the form name=value.
    """
    overrides = {}
    for text in options.override:
        name, equals, value = text.partition("=")
        if not equals:
            raise errors.UsageError(
                f"Received --override={text}; it has the form name=value, such as "
                "epochs=10."
            )
        overrides[name] = value
    present, missing = {}, {}
    for name in TASKS:
        values = read_config(_CONFIGS / f"{name}.cfg")
        how = find_missing(name, values["dataset"], options.data_dir, options.tfds_dir)
        if how:
            missing[name] = how
            continue
        if values["dataset"].startswith("folder:"):
            values["dataset"] = f"folder:{options.data_dir}/{name}"
        present[name] = {**values, **overrides}
    return present, missing


def reproduce(options) -> str:
    """Runs the comparison; returns the table, or the flagfile for --plan_only.

    Raises:
        errors.RunError: No data set was found, or the comparison failed.
    """
    present, missing = find_tasks(options)
    if not present:
        listed = "; ".join(f"{name}: {how}" for name, how in missing.items())
        raise errors.RunError(f"None of the paper's data sets is here. {listed}")
    for row in options.rows:
        if row not in ROWS:
            raise errors.UsageError(
                f"Received --rows={row}; allowed are {', '.join(ROWS)}."
            )
    text = format_flagfile(
        present,
        rows=options.rows,
        rates=options.learning_rates,
        seeds=options.seeds,
        output_dir=options.output_dir,
        tfds_dir=options.tfds_dir,
    )
    if options.plan_only:
        left = "".join(f"# Not run: {n}. {how}\n" for n, how in missing.items())
        return text + left
    folder = pathlib.Path(options.output_dir)
    folder.parent.mkdir(parents=True, exist_ok=True)
    config = folder.with_name(f"{folder.name}.cfg")
    atomic.write_text(config, text)
    command = [sys.executable, "-m", "adafilter_tf.run", f"--flagfile={config}"]
    code = subprocess.run(command, check=False).returncode
    if code:
        raise errors.RunError(
            f"The comparison ended with exit code {code}; its message is above. The "
            "same command resumes."
        )
    table = format_table(json.loads((folder / "results.json").read_text()), missing)
    atomic.write_text(folder / "paper.md", table)
    return table


def main(argv: list[str]) -> None:
    """Runs the tool; a deliberate error is one line on stderr and an exit code."""
    try:
        if argv[1:]:
            raise errors.UsageError(
                f"Unexpected arguments {argv[1:]}; every option starts with --."
            )
        print(reproduce(flags.FLAGS))
    except errors.RunError as error:
        print(f"reproduce_paper: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the flags; called by the script, so that an import defines none."""
    flags.DEFINE_string(
        "output_dir", "runs/reproduction", "Of the comparison.", flag_values=values
    )
    flags.DEFINE_string(
        "data_dir",
        "data",
        "Where tools.prepare_paper put its folders.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "tfds_dir", None, "Where TFDS keeps its data; none for its own default.",
        flag_values=values,
    )  # fmt: skip
    flags.DEFINE_list("seeds", ["0", "1", "2"], "Of the table.", flag_values=values)
    flags.DEFINE_list("rows", list(ROWS), "Methods to compare.", flag_values=values)
    flags.DEFINE_list(
        "learning_rates",
        ["0.003", "0.01", "0.03"],
        "Searched by every row.",
        flag_values=values,
    )
    flags.DEFINE_multi_string(
        "override", [], "name=value for all data sets, such as epochs=10.",
        flag_values=values,
    )  # fmt: skip
    flags.DEFINE_boolean(
        "plan_only", False, "Print the comparison's flagfile and run nothing.",
        flag_values=values,
    )  # fmt: skip


if __name__ == "__main__":
    define_flags()
    app.run(main)

"""What the command does, and where."""

MODES = (
    "train",
    "inspect",
    "evaluate",
    "predict",
    "explain",
    "export",
    "compare",
    "find_learning_rate",
    "search",
)


def define(kinds) -> None:
    """Defines them; `kinds` has a function for each kind of flag."""
    kinds.enum(
        "mode",
        "train",
        MODES,
        "train: fine-tune, evaluate on test and export. inspect: say what the data set "
        "is like. evaluate, predict, explain, export: do that with the trained model "
        "in --output_dir. compare: methods, tasks and seeds, with a search of the "
        "hyper-parameters, to tables and a plot. "
        "find_learning_rate: a plot of the training loss over rising rates. search: "
        "the flags of --search by KerasTuner, on validation images.",
    )
    kinds.boolean(
        "dry_run",
        False,
        "train: resolve and build everything, take two steps, say what memory and time "
        "to expect, and leave no folder behind.",
    )
    kinds.string("output_dir", None, "Folder of the run; a run found there is resumed.")
    kinds.integer(
        "seed",
        0,
        "Of the split, the new weights, the order and the augmentation.",
        lower_bound=0,
    )
    kinds.list(
        "export_formats",
        ["saved_model"],
        "What is exported: saved_model, onnx, litert, litert_int8.",
    )
    kinds.integer(
        "top_k",
        3,
        "Classes named per image, in mode predict and by the exported model.",
        lower_bound=1,
    )

import re

import pytest

from adafilter_tf import errors
from adafilter_tf.experiments import parsing
from tests.experiments.fake_trials import ROWS, TASKS, make_plan


def test_settings_are_the_product_of_the_searched_values():
    rows = [
        "fine_tuning method=fine_tuning learning_rate=1|2|3|4",
        "x method=x a=1|2 b=3|4",
    ]
    assert make_plan(rows=rows).rows[1].settings == (
        {"method": "x", "a": "1", "b": "3"},
        {"method": "x", "a": "1", "b": "4"},
        {"method": "x", "a": "2", "b": "3"},
        {"method": "x", "a": "2", "b": "4"},
    )


def test_every_row_searches_on_search_seeds_and_ends_on_the_others():
    plan = make_plan()
    search, final = plan.search_trials(), plan.final_trials({("toys", "l2_sp"): 1})
    assert len(search) == 2 * 2 * 2 and {trial.seed for trial in search} == {100}
    assert len(final) == 2 * 2 * 2 and {trial.seed for trial in final} == {0, 1}
    [last] = [c for c in final if (c.task, c.row, c.seed) == ("toys", "l2_sp", 1)]
    assert str(last) == "final toys l2_sp seed 1"
    assert last.flags == (
        "--batch_size=8",
        "--dataset=folder:toys",
        "--epochs=4",
        "--method=l2_sp",
        "--learning_rate=1",
        "--starting_point_penalty=0.1",
        "--seed=1",
    )


def test_flags_of_task_and_row_replace_common_ones():
    common = ["--epochs=9", "--noflip", "--seed=7", "--node=1"]
    rows = ["fine_tuning method=fine_tuning flip=true"]
    [trial, *_] = make_plan(rows=rows, common=common).final_trials({})
    assert trial.flags[:2] == ("--node=1", "--dataset=digits")
    assert trial.flags[2:] == (
        "--epochs=2",
        "--method=fine_tuning",
        "--flip=true",
        "--seed=0",
    )


def test_row_of_one_setting_is_not_searched():
    assert make_plan(rows=["fine_tuning method=fine_tuning"]).search_trials() == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tasks": [*TASKS, TASKS[0]]}, "Received --task=digits more than once"),
        ({"tasks": []}, "--mode=compare needs --task=NAME flag=value"),
        ({"tasks": ["a/b epochs=1"]}, "'a/b' cannot name a folder"),
        ({"tasks": ['"a epochs=1"']}, "no quotes around the value"),
        ({"tasks": ["a epochs"]}, "'epochs' is not flag=value"),
        ({"tasks": ["a epochs=1 epochs=2"]}, "'epochs=2' is given twice"),
        ({"tasks": ["a lora_rank=1"]}, "--task=a with lora_rank=, .* dataset, epochs."),
        ({"tasks": ["a seed=1"]}, "--task=a with seed=, which a task may not set"),
        ({"rows": [*ROWS, "x method=x|y epochs=3"]}, "--row=x with epochs=, which all"),
        ({"rows": ROWS[1:]}, "the rows l2_sp; needed is also --row=fine_tuning"),
        ({"rows": [*ROWS, "x lr=1|2"]}, "--row=x without method="),
        ({"rows": [*ROWS, "x method=x lr=1|1"]}, "--row=x with lr=1|1; a searched"),
        (
            {"rows": [*ROWS, "lora method=lora rank=1|2|4"]},
            "different numbers of settings: fine_tuning 2, l2_sp 2, lora 3.",
        ),
        ({"seeds": ["0", "x"]}, "--seeds=0,x; seeds are integers"),
        ({"seeds": ["0", "0"]}, "--seeds=0,0; needed are one or more different"),
        ({"search_seeds": []}, "--search_seeds=; needed are one or more different"),
        ({"search_seeds": ["1"]}, "seed 1 in both --seeds and --search_seeds"),
    ],
)
def test_unequal_terms_and_unreadable_texts_are_refused(changes, message):
    with pytest.raises(errors.UsageError) as caught:
        make_plan(**changes)
    assert re.search(message.replace("|", r"\|"), str(caught.value))


def test_every_setting_of_every_task_is_checked_before_anything_runs():
    seen = []
    parsing.check_trials(make_plan(), seen.append)
    assert len({tuple(flags) for flags in seen}) == len(seen) == 2 * 2 * 2

    def refuse(flags):
        if "--starting_point_penalty=0.1" in flags:
            raise ValueError("too high")

    message = "--task=digits with --row=l2_sp: too high"
    with pytest.raises(errors.UsageError, match=message):
        parsing.check_trials(make_plan(), refuse)

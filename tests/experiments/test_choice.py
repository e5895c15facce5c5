from adafilter_tf.experiments import choice, store
from tests.experiments.fake_trials import make_metrics, make_plan

ROWS = [
    "fine_tuning method=fine_tuning learning_rate=1|2|3",
    "tie method=x a=1|2|3",
    "same method=x a=1|2|3",
    "diverged method=x a=1|2|3",
]
# By row and setting: validation accuracy and loss on the seeds 100 and 101.
SCORES = {
    "fine_tuning": [
        ((0.5, 1.0), (0.9, 1.0)),
        ((0.8, 9.0), (0.7, 9.0)),
        ((0, None),) * 2,
    ],
    "tie": [((0.8, 2.0), (0.8, 2.0)), ((0.8, None), (0.8, 1)), ((0.8, 1.0), (0.8, 2))],
    "same": [((0.8, 2.0), (0.8, 2.0))] * 3,
    "diverged": [((0.9, None), (0.9, 1.0)), ((0.5, 2.0),) * 2, ((0.9, None),) * 2],
}


def test_chosen_are_finite_then_accuracy_then_loss_then_the_first(tmp_path):
    plan = make_plan(tasks=["digits"], rows=ROWS, search_seeds=["100", "101"])
    with store.open_store(tmp_path, plan) as opened:
        for trial in plan.search_trials():
            accuracy, loss = SCORES[trial.row][trial.setting][trial.seed - 100]
            metrics = make_metrics(validation_accuracy=accuracy, validation_loss=loss)
            opened.save(trial, metrics)
        assert choice.choose_settings(plan, opened) == {
            ("digits", "fine_tuning"): 1,
            ("digits", "tie"): 2,
            ("digits", "same"): 0,
            ("digits", "diverged"): 1,
        }

from adafilter_tf.experiments import progress, store
from tests.experiments.fake_trials import make_metrics, make_plan


def test_line_has_count_error_and_remaining_time_by_row(tmp_path):
    plan = make_plan()
    search, final = plan.search_trials(), plan.final_trials({})
    with store.open_store(tmp_path, plan) as opened:
        for trial in search:
            seconds = 60.0 if trial.row == "fine_tuning" else 600.0
            opened.save(trial, make_metrics(seconds=seconds))
        status = progress.Progress([*search, *final], opened, workers=2)
        line = status.finish(final[0], make_metrics(seconds=60.0))
    # Three trials of 60 s and four of 600 s, two at a time: 1290 s.
    assert line == (
        "trial 9 of 16, final digits fine_tuning seed 0: error 20.0 %, 60 s; "
        "22 min remain"
    )


def test_search_shows_the_validation_error(tmp_path):
    plan = make_plan()
    with store.open_store(tmp_path, plan) as opened:
        status = progress.Progress(plan.search_trials(), opened, workers=1)
        assert status.finish(plan.search_trials()[3], make_metrics()) == (
            "trial 1 of 8, search digits l2_sp setting 1 seed 100: validation error "
            "10.0 %, 10 s; 1 min remain"
        )


def test_line_without_a_trial_says_how_far_it_is(tmp_path):
    plan = make_plan()
    search = plan.search_trials()
    with store.open_store(tmp_path, plan) as opened:
        status = progress.Progress(search, opened, workers=1)
        assert status.describe() == (
            "0 of 8 trials are finished; the first one says how long the others take"
        )
        status.finish(search[0], make_metrics(seconds=60.0))
        assert status.describe() == "1 of 8 trials are finished; 7 min remain"

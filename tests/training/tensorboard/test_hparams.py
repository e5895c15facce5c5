"""The HParams table as TensorBoard's plugin makes it from two runs."""

from tensorboard.backend.event_processing import data_provider, plugin_event_multiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins import base_plugin
from tensorboard.plugins.hparams import (
    api_pb2,
    backend_context,
    get_experiment,
    list_session_groups,
)

from adafilter_tf.training.tensorboard import event_writer, hparams


def write_run(folder, accuracy, **values):
    writer = event_writer.EventWriter(folder)
    writer.open(0)
    row = hparams.HyperParameters(writer, values)
    row.on_train_begin()
    writer.open(7)  # a resume says it again
    row.on_train_begin()
    metrics = {"test_accuracy": accuracy, "test_loss": 0.5, "method": "adafilter"}
    hparams.write_result(writer, metrics, 12)
    writer.close()


def test_runs_compare_in_the_table(tmp_path):
    same = {"epochs": 3, "gate_from": None, "steps": ["a", "b"], "flip": True}
    write_run(tmp_path / "one", 0.5, learning_rate=0.1, **same)
    write_run(tmp_path / "two", 0.75, learning_rate=0.2, **same)
    runs = plugin_event_multiplexer.EventMultiplexer().AddRunsFromDirectory(
        str(tmp_path)
    )
    runs.Reload()
    context = base_plugin.TBContext(
        data_provider=data_provider.MultiplexerDataProvider(runs, str(tmp_path))
    )
    backend = backend_context.Context(context)
    request = api_pb2.GetExperimentRequest()
    experiment = get_experiment.Handler(RequestContext(), backend, "", request).run()
    found = {info.name: info.differs for info in experiment.hparam_infos}
    assert found == {
        "learning_rate": True,
        "epochs": False,
        "gate_from": False,
        "steps": False,
        "flip": False,
    }
    assert next(iter(found)) == "learning_rate"
    columns = [api_pb2.ColParams(metric=info.name) for info in experiment.metric_infos]
    request = api_pb2.ListSessionGroupsRequest(
        allowed_statuses=[api_pb2.STATUS_SUCCESS],
        col_params=columns,
        slice_size=9,
        include_metrics=True,
    )
    groups = list_session_groups.Handler(RequestContext(), backend, "", request).run()
    rows = {
        group.hparams["learning_rate"].number_value: {
            value.name.tag: value.value for value in group.metric_values
        }
        for group in groups.session_groups
    }
    assert rows == {
        0.1: {"final/test_accuracy": 0.5, "final/test_loss": 0.5},
        0.2: {"final/test_accuracy": 0.75, "final/test_loss": 0.5},
    }

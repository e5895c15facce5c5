"""Keras' `fit` on two workers, with and without what it lacks."""

import json

import keras
import numpy as np
import pytest

from tests import worker_processes

MODEL = """
import json
import keras
import numpy as np
import tensorflow as tf
from adafilter_tf.distribution import keras_multi_worker

images = np.random.default_rng(0).normal(size=(16, 4)).astype("float32")
labels = np.eye(3, dtype="float32")[np.arange(16) % 3]

def compile_model():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.layers.Dense(3)(inputs))
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.1), loss, metrics=["accuracy"])
    return model
"""
WORKER = (
    MODEL
    + """
strategy = tf.distribute.MultiWorkerMirroredStrategy()

def make_part(context):
    start = 4 * context.input_pipeline_id
    batches = tf.data.Dataset.from_tensor_slices((images, labels)).batch(8)
    part = batches.map(lambda x, y: (x[start:start + 4], y[start:start + 4]))
    return part.repeat(8)

def fit(adapt):
    with strategy.scope():
        model = compile_model()
    adapt(model)
    batches = strategy.distribute_datasets_from_function(make_part)
    try:
        return model.fit(
            batches, epochs=2, steps_per_epoch=4, shuffle=False, verbose=0
        ).history
    except ValueError as error:
        return type(error).__name__

def adapt_twice(model):
    keras_multi_worker.adapt(model)
    keras_multi_worker.adapt(model)

found = {
    "nothing": fit(lambda model: None),
    "shapes alone": fit(keras_multi_worker.build_by_local_batch),
    "logs alone": fit(keras_multi_worker.give_logs_an_axis),
    "both": fit(adapt_twice),
}
print(json.dumps(found))
"""
)
ALONE = (
    MODEL
    + """
history = compile_model().fit(
    images, labels, batch_size=8, epochs=4, shuffle=False, verbose=0
).history
print(json.dumps(history))
"""
)


@pytest.fixture(scope="module")
def found():
    processes = worker_processes.start_workers(WORKER)
    written = worker_processes.finish(processes)
    return [json.loads(output.splitlines()[-1]) for output, _ in written]


@pytest.mark.slow
def test_keras_needs_the_module_still(found):
    for worker in found:
        for name in ("nothing", "shapes alone", "logs alone"):
            assert worker[name] == "ValueError", (
                f"Keras {keras.__version__} fits on several workers with {name} of "
                "distribution/keras_multi_worker.py: remove that part, and the module "
                "once nothing of it is needed (keras issue 20585 is then fixed)."
            )


@pytest.mark.slow
def test_two_workers_have_the_logs_of_one_process(found):
    [(output, _)] = worker_processes.finish([worker_processes.start_python(ALONE)])
    alone = json.loads(output.splitlines()[-1])
    assert found[0]["both"] == found[1]["both"]
    # An epoch of four steps is two passes over the images, Keras' own is one.
    for name, values in alone.items():
        pairs = np.mean(np.reshape(values, (2, 2)), axis=1)
        np.testing.assert_allclose(found[0]["both"][name], pairs, atol=1e-6)

"""What a stage of a training computes: compiled, traced, and perhaps used again."""

import functools
from collections.abc import Callable

import keras
import tensorflow as tf

from adafilter_tf import distribution
from adafilter_tf.data import pipeline
from adafilter_tf.distribution import keras_multi_worker
from adafilter_tf.models import graph
from adafilter_tf.optim import losses, optimizers
from adafilter_tf.training import feature_cache
from adafilter_tf.training import plan as plan_lib


class StageProgram:
    """Compiles what a stage trains: a model, or what lies behind its frozen layers.

    To build, compile and trace a training step takes longer than a hundred steps of a
    small network. A program that is reusable does it once: where images, rates or
    weights alone have changed, it trains again with what there is.

    Args:
        model: Made in its strategy's scope.
        reusable: Whether `prepare` may use again what it compiled before, and the
            features of images that it has seen. For a model of which every stage trains
            the same layers and whose frozen layers keep their weights.
    """

    def __init__(self, model: keras.Model, *, reusable: bool = False):
        self._model = model
        self._reusable = reusable
        # The frozen layers, those behind them, and what remembers features.
        self._trunk: tuple[keras.Model, keras.Model, Callable] | None = None
        self._compiled: _Compiled | None = None

    def prepare(
        self,
        steps: range,
        data: pipeline.TrainingInput,
        plan: plan_lib.TrainingPlan,
        options: plan_lib.TrainingOptions,
    ) -> tuple[keras.Model, Callable[..., tf.data.Dataset]]:
        """Returns what is trained, compiled, and what gives its batches.

        Args:
            steps: Of the stage, whose length is that of the rates' schedule.
            data: Whose training images are read.
            plan: Optimizer and loss.
            options: See `feature_cache.cache`.

        Raises:
            UsageError: See `feature_cache.cache` and `optimizers.create_optimizer`.
            RunError: See `feature_cache.cache`.
        """
        trained, read = self._split(data, options)
        if not self._reusable:
            compile_stage(trained, plan, steps=len(steps), start_step=steps.start)
        elif self._compiled is None:
            self._compiled = _Compiled(trained, plan, steps)
        else:
            self._compiled.start_again(plan, steps)
        return trained, read

    def _split(self, data, options):
        if not options.cache_frozen_features:
            return self._model, functools.partial(pipeline.training_dataset, data)
        if not self._reusable:
            return feature_cache.cache(self._model, data, batch_size=options.batch_size)
        feature_cache.check(self._model, data)
        if self._trunk is None:
            frozen, rest = feature_cache.split(self._model)
            read = feature_cache.create_reader(
                frozen, data.spec, batch_size=options.batch_size
            )
            self._trunk = frozen, rest, feature_cache.Memory(read)
        frozen, rest, remember = self._trunk
        features = feature_cache.compute(frozen, data, remember)
        return rest, functools.partial(pipeline.feature_dataset, features, data)


class _Compiled:
    """A compiled model whose optimizer starts again at other rates."""

    def __init__(self, trained: keras.Model, plan: plan_lib.TrainingPlan, steps: range):
        self._fixed = _without_rates(plan), steps
        self._blocks = graph.assign_blocks(trained)
        self._rates: list[keras.Variable] = []
        compile_stage(
            trained,
            plan,
            steps=len(steps),
            start_step=steps.start,
            make_schedule=self._make_schedule,
        )
        self._optimizer = trained.optimizer
        self._start = [keras.ops.convert_to_numpy(x) for x in self._optimizer.variables]

    def start_again(self, plan: plan_lib.TrainingPlan, steps: range) -> None:
        """Sets the rates of a plan, and the optimizer's state before its first step.

        Raises:
            ValueError: The plan differs in more than the rates.
        """
        if self._fixed != (_without_rates(plan), steps):
            raise ValueError("A reusable training was given another plan.")
        rates = optimizers.list_rates(plan.optimizer, self._blocks).values()
        for variable, rate in zip(self._rates, rates, strict=True):
            variable.assign(rate)
        for variable, array in zip(self._optimizer.variables, self._start, strict=True):
            variable.assign(array)

    def _make_schedule(self, rate, options, total_steps):
        self._rates.append(
            keras.Variable(rate, dtype="float32", trainable=False, name="rate")
        )
        schedule = optimizers.cosine_schedule(1.0, options, total_steps)
        return optimizers.ScaledSchedule(schedule, self._rates[-1])


def _without_rates(plan: plan_lib.TrainingPlan):
    loss = plan.loss.get_config() if plan.loss else None
    return plan.scale_rates(0.0).optimizer, loss, plan.jit_compile


def compile_model(
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    *,
    jit_compile: bool,
    loss: keras.losses.Loss | None = None,
) -> None:
    """Compiles a classifier for one-hot labels, which MixUp needs.

    Args:
        model: Pixels to logits [B, K].
        optimizer: See `optimizers.create_optimizer`.
        jit_compile: Whether XLA compiles the training step.
        loss: See `losses.create_loss`; None for the plain cross-entropy.
    """
    model.compile(
        optimizer=optimizer,
        loss=loss or losses.create_loss(),
        metrics=[keras.metrics.CategoricalAccuracy(name="accuracy")],
        jit_compile=jit_compile,
    )
    _create_variables(model)
    # Other backends' models have no strategy.
    if distribution.is_multi_worker(getattr(model, "distribute_strategy", None)):
        keras_multi_worker.adapt(model)


def compile_stage(
    model: keras.Model,
    plan: plan_lib.TrainingPlan,
    *,
    steps: int,
    start_step: int = 0,
    make_schedule: Callable = optimizers.cosine_schedule,
) -> None:
    """Compiles a model for one stage of its plan, in its strategy's scope.

    Args:
        model: Pixels, or features of its frozen layers, to logits [B, K].
        plan: Optimizer and loss.
        steps: Length of the stage, and of the learning rate's schedule.
        start_step: Steps that earlier stages took.
        make_schedule: See `optimizers.create_optimizer`.

    Raises:
        UsageError: See `optimizers.create_optimizer`.
    """
    with model.distribute_strategy.scope():
        optimizer = optimizers.create_optimizer(
            plan.optimizer,
            total_steps=steps,
            start_step=start_step,
            blocks=graph.assign_blocks(model),
            make_schedule=make_schedule,
            # A stage calls `fit` many times; `ema` applies the average at its end.
            average_at_end=False,
        )
        compile_model(model, optimizer, loss=plan.loss, jit_compile=plan.jit_compile)


def _create_variables(model: keras.Model) -> None:
    """Creates what the first step would create.

    TensorFlow traces a step that creates variables twice, and tracing is most of the
    time of a short training.
    """
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    if keras.backend.backend() == "tensorflow" and tf.distribute.has_strategy():
        return  # metrics of replicas cannot be updated outside of them
    labels = keras.ops.zeros((1, model.output.shape[-1]))
    model.compute_loss(y=labels, y_pred=labels)
    model.compute_metrics(None, labels, labels)
    model.reset_metrics()

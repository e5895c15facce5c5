import os
import signal

import pytest

from adafilter_tf.runs import preemption


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_is_noted_and_the_handler_comes_back(number):
    before = signal.getsignal(number)
    with preemption.Preemption() as asked:
        assert not asked.is_requested()
        os.kill(os.getpid(), number)
        assert asked.is_requested()
        assert asked.signal == number
    assert signal.getsignal(number) == before


def test_second_interrupt_does_not_wait():
    with pytest.raises(KeyboardInterrupt), preemption.Preemption():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

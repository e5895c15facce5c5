import os

import numpy as np
import pytest

from adafilter_tf import errors
from adafilter_tf.files import torch_file
from tests.files import torch_pickles

_KERNEL = np.arange(24, dtype="float32").reshape(2, 3, 2, 2)


def test_tensors_are_read_whatever_the_order_of_their_elements(monkeypatch):
    tensors = {
        "kernel": torch_pickles.tensor(_KERNEL),
        "turned": torch_pickles.tensor(_KERNEL, order=(2, 3, 1, 0)),
        "count": torch_pickles.tensor(np.array(7)),
    }
    found = torch_file.read_state_dict(torch_pickles.write(tensors, monkeypatch))
    assert list(found) == ["kernel", "turned", "count"]
    assert np.array_equal(found["kernel"], _KERNEL)
    assert np.array_equal(found["turned"], _KERNEL)
    assert (found["count"], found["count"].dtype) == (7, np.int64)


class _Call:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def test_pickled_call_is_refused_and_not_made(tmp_path, monkeypatch):
    folder = tmp_path / "made"
    content = torch_pickles.write({"bad": _Call(os.mkdir, str(folder))}, monkeypatch)
    with pytest.raises(errors.RunError, match="it names posix.mkdir"):
        torch_file.read_state_dict(content)
    assert not folder.exists()


@pytest.mark.parametrize(
    ("shape", "strides", "offset"),
    [((5, 5), (5, 1), 0), ((4,), (1,), 21), ((2,), (-1,), 3), ((2,), (1,), -1)],
)
def test_tensor_that_reaches_out_of_its_storage_is_refused(
    monkeypatch, shape, strides, offset
):
    storage = torch_pickles.Storage(_KERNEL.ravel())
    tensor = torch_pickles.Tensor(storage, shape, strides, offset)
    content = torch_pickles.write({"bad": tensor}, monkeypatch)
    with pytest.raises(errors.RunError, match="reaches out of its 24 elements"):
        torch_file.read_state_dict(content)


def test_truncated_file_is_refused_at_every_length(monkeypatch):
    content = torch_pickles.write(
        torch_pickles.state_dict({"kernel": _KERNEL}), monkeypatch
    )
    for length in range(len(content)):
        with pytest.raises(errors.RunError, match="not a dictionary of tensors"):
            torch_file.read_state_dict(content[:length])


def test_zip_file_of_newer_pytorch_is_refused():
    with pytest.raises(errors.RunError, match="as PyTorch before 1.6 wrote it"):
        torch_file.read_state_dict(b"PK\x03\x04" + bytes(30))

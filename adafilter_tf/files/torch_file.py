"""Arrays of a PyTorch file, read without PyTorch and without running what it says.

A `.pth` file is made of pickles, and a pickle may name any function to be called with
any arguments. Here it may name the four that a dictionary of tensors needs, and none of
them is PyTorch's own.
"""

import collections
import io
import pickle
import struct

import numpy as np

from adafilter_tf import errors

_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
_PROTOCOL_VERSION = 1001
_TYPES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


def read_state_dict(content: bytes) -> dict[str, np.ndarray]:
    """Returns the tensors of a `.pth` file as PyTorch before 1.6 wrote it.

    Layout (torch/serialization.py, `_legacy_save`): five pickles (a magic number, the
    version, the machine, the tensors, the names of their storages), then each storage
    as its number of elements, 8 bytes, and these.

    Args:
        content: Of the file.

    Returns:
        Name to array, float32 or int64, in the file's order.

    Raises:
        errors.RunError: The content is of another layout, truncated, or names anything
            but tensors.
    """
    stream = io.BytesIO(content)
    try:
        return _read(stream)
    except (
        pickle.UnpicklingError,
        EOFError,
        struct.error,
        ValueError,
        TypeError,
        KeyError,
        IndexError,
        AttributeError,
    ) as error:
        raise errors.RunError(
            "The content is not a dictionary of tensors as PyTorch before 1.6 wrote "
            f"it: {error}"
        ) from error


def _read(stream):
    found = [_Unpickler(stream).load() for _ in range(3)][:2]
    if found != [_MAGIC_NUMBER, _PROTOCOL_VERSION]:
        raise ValueError(f"it begins with {found}")
    unpickler = _Unpickler(stream)
    tensors = unpickler.load()
    if not isinstance(tensors, dict):
        raise TypeError(f"it holds a {type(tensors).__name__}")
    for key in _Unpickler(stream).load():
        dtype, number = unpickler.storages[key]
        (written,) = struct.unpack("<q", stream.read(8))
        if written != number:
            raise ValueError(f"storage {key} has {written} elements, not {number}")
        unpickler.arrays[key] = np.frombuffer(
            stream.read(number * dtype.itemsize), dtype, number
        )
    return {name: tensor.read(unpickler.arrays) for name, tensor in tensors.items()}


class _Tensor:
    """Shape and storage of a tensor, read before its elements."""

    def __init__(self, storage, offset, shape, strides, *_):
        self._storage, self._offset = storage, offset
        self._shape, self._strides = tuple(shape), tuple(strides)

    def read(self, arrays) -> np.ndarray:
        """Returns the tensor; its strides, in elements, need not be those of C."""
        elements = arrays[self._storage]
        steps = list(zip(self._shape, self._strides, strict=True))
        last = self._offset + sum((size - 1) * stride for size, stride in steps)
        if min(self._offset, *self._shape, *self._strides, 0) < 0 or last >= len(
            elements
        ):
            raise ValueError(
                f"a tensor of {self._shape} reaches out of its {len(elements)} elements"
            )
        view = np.lib.stride_tricks.as_strided(
            elements[self._offset :],
            self._shape,
            [stride * elements.itemsize for stride in self._strides],
            writeable=False,
        )
        return np.ascontiguousarray(view).reshape(self._shape)


class _Unpickler(pickle.Unpickler):
    """Allows the names that a dictionary of tensors is made of."""

    _ALLOWED = {
        ("collections", "OrderedDict"): collections.OrderedDict,
        ("torch._utils", "_rebuild_tensor_v2"): _Tensor,
        **{("torch", name): dtype for name, dtype in _TYPES.items()},
    }

    def __init__(self, stream):
        super().__init__(stream)
        self.storages: dict[str, tuple] = {}
        self.arrays: dict[str, np.ndarray] = {}

    def find_class(self, module, name):
        if (module, name) not in self._ALLOWED:
            raise pickle.UnpicklingError(f"it names {module}.{name}")
        return self._ALLOWED[module, name]

    def persistent_load(self, pid):
        kind, dtype, key, _, number, view = pid
        if kind != "storage" or view is not None:
            raise pickle.UnpicklingError(f"it names {pid!r}")
        self.storages[key] = (dtype, number)
        return key

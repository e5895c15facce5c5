"""Files as PyTorch before 1.6 wrote them, made without PyTorch."""

import collections
import io
import pickle
import struct
import sys
import types

import numpy as np

_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C


class Storage:
    """Elements that tensors share."""

    def __init__(self, array):
        self.array = array


def _stub(module, name):
    stub = type(name, (), {"__module__": module})
    stub.__qualname__ = name
    return stub


_MODULES = {
    "torch": ("FloatStorage", "LongStorage"),
    "torch._utils": ("_rebuild_tensor_v2",),
}


class Tensor:
    """A view of a storage, with shape and strides in elements."""

    def __init__(self, storage, shape, strides, offset=0):
        self.arguments = (storage, offset, shape, strides, False, {})

    def __reduce__(self):
        rebuild = sys.modules["torch._utils"]._rebuild_tensor_v2
        return rebuild, self.arguments


def tensor(array, order=None):
    """A tensor of an array; `order`: that of the axes in which its elements lie."""
    array = np.asarray(array)
    order = order or range(array.ndim)
    stored = array.transpose(order).copy(order="C")
    strides = [0] * array.ndim
    for axis, stride in zip(order, stored.strides, strict=True):
        strides[axis] = stride // stored.itemsize
    return Tensor(Storage(stored.ravel()), array.shape, tuple(strides))


def write(content, monkeypatch) -> bytes:
    """Returns the bytes of a `.pth` file that holds `content`."""
    for module, names in _MODULES.items():
        fake = types.ModuleType(module)
        for name in names:
            setattr(fake, name, _stub(module, name))
        monkeypatch.setitem(sys.modules, module, fake)
    stream, storages = io.BytesIO(), {}
    for header in (_MAGIC_NUMBER, 1001, {"little_endian": True}):
        pickle.dump(header, stream, protocol=2)
    pickler = pickle.Pickler(stream, protocol=2)

    def persistent_id(thing):
        if not isinstance(thing, Storage):
            return None
        kind = "FloatStorage" if thing.array.dtype == np.float32 else "LongStorage"
        key = str(id(thing))
        storages[key] = thing.array
        kind = getattr(sys.modules["torch"], kind)
        return ("storage", kind, key, "cpu", thing.array.size, None)

    pickler.persistent_id = persistent_id
    pickler.dump(content)
    pickle.dump(list(storages), stream, protocol=2)
    for array in storages.values():
        stream.write(struct.pack("<q", array.size) + array.tobytes())
    for module in _MODULES:
        monkeypatch.delitem(sys.modules, module)
    return stream.getvalue()


def state_dict(arrays):
    """An ordered dictionary of tensors, as `torch.nn.Module.state_dict` gives it."""
    return collections.OrderedDict((n, tensor(a)) for n, a in arrays.items())

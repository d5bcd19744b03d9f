"""Arrays that worker processes share: in files that every process maps into memory."""

import pickle
import shutil
import tempfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from joblib.externals.loky.backend import resource_tracker
from torch import Tensor, nn

from skact.engine.batches import Tables

# smaller arrays go with the message
_MIN_SHARED_BYTES = 2**12
_PARTS_OF_CSR = ("data", "indices", "indptr")


class SharedArrays:
    """A folder of arrays; equal arrays are stored once.

    Parameters
    ----------
    tables : Tables or None, default=None
        May know the arrays already.

    Examples
    --------
    >>> import numpy as np
    >>> shared, values = SharedArrays(), np.arange(2000.0)
    >>> message = shared.dump([values, values.copy()])
    >>> first, second = load(message, shared.folder)
    >>> np.array_equal(first, values), first is second
    (True, True)
    >>> shared.remove()
    """

    def __init__(self, tables: Tables | None = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="skact-"))
        # removes the folder if this process is killed
        resource_tracker.register(str(self.folder), "folder")
        self._tables = Tables() if tables is None else tables
        self._stored: set[int] = set()

    def dump(self, value: Any) -> bytes:
        """Pickle a value; large arrays and sparse matrices go to files."""
        stream = BytesIO()
        _Pickler(stream, self).dump(value)
        return stream.getvalue()

    def store(self, array: Any) -> int:
        """Write an array, unless an equal one is there; return its number."""
        number = self._tables.add_array(array)
        if number not in self._stored:
            for name, part in _parts_of(array):
                np.save(self.folder / f"{number}{name}.npy", part)
            self._stored.add(number)
        return number

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)
        resource_tracker.unregister(str(self.folder), "folder")


def dump(value: Any) -> bytes:
    """Pickle a value whole."""
    stream = BytesIO()
    _Pickler(stream, None).dump(value)
    return stream.getvalue()


def load(message: bytes, folder: Path) -> Any:
    """Load what was dumped; arrays in files are mapped, and never copied."""
    return _Unpickler(BytesIO(message), folder).load()


def _parts_of(array: Any) -> Iterator[tuple[str, np.ndarray]]:
    if not sp.issparse(array):
        yield "", np.ascontiguousarray(array)
        return
    for name in _PARTS_OF_CSR:
        yield name, getattr(array, name)


class _Pickler(pickle.Pickler):
    def __init__(self, stream: BytesIO, shared: SharedArrays | None) -> None:
        super().__init__(stream, protocol=pickle.HIGHEST_PROTOCOL)
        self._shared = shared

    # `persistent_id` would be called for each number of each list
    def reducer_override(self, value: Any) -> Any:
        """Pickle large arrays as files, and tensors as bytes.

        torch's own way with tensors is ten times as slow.
        """
        if isinstance(value, Tensor) and value.device.type == "cpu":
            return _reduce_tensor(value)
        if self._shared is not None and _is_shared(value):
            kind = None if type(value) is np.ndarray else (type(value), value.shape)
            return _load_shared, (self._shared.store(value), kind)
        return NotImplemented


def _is_shared(value: Any) -> bool:
    """Whether a value is an array or sparse matrix that is worth a file."""
    if not (type(value) is np.ndarray or sp.issparse(value)):
        return False
    return value.data.nbytes >= _MIN_SHARED_BYTES and not value.dtype.hasobject


def _reduce_tensor(tensor: Tensor) -> tuple:
    plain = tensor.detach()
    array = plain.contiguous().numpy()
    return _build_tensor, (
        bytearray(array.tobytes()),
        plain.dtype,
        tuple(plain.shape),
        isinstance(tensor, nn.Parameter),
        tensor.requires_grad,
    )


def _build_tensor(
    values: bytearray,
    dtype: torch.dtype,
    shape: tuple[int, ...],
    is_parameter: bool,
    requires_grad: bool,
) -> Tensor:
    if values:
        tensor = torch.frombuffer(values, dtype=dtype).view(shape)
    else:
        tensor = torch.empty(shape, dtype=dtype)
    if is_parameter:
        return nn.Parameter(tensor, requires_grad=requires_grad)
    return tensor.requires_grad_(requires_grad)


def _load_shared(number: int, kind: Any) -> Any:
    """Stand for `_Unpickler.load_shared` in a message."""
    raise NotImplementedError


class _Unpickler(pickle.Unpickler):
    def __init__(self, stream: BytesIO, folder: Path) -> None:
        super().__init__(stream)
        self._folder = folder
        self._known: dict[int, Any] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == (__name__, _load_shared.__name__):
            return self.load_shared
        return super().find_class(module, name)

    def load_shared(self, number: int, kind: Any) -> Any:
        """Return an array or a sparse matrix of the folder, each as one object."""
        if number not in self._known:
            if kind is None:
                self._known[number] = self._map_file(f"{number}")
            else:
                of_class, shape = kind
                parts = [self._map_file(f"{number}{name}") for name in _PARTS_OF_CSR]
                self._known[number] = of_class(tuple(parts), shape=shape, copy=False)
        return self._known[number]

    def _map_file(self, name: str) -> np.ndarray:
        # copy on write: torch takes no array that is read-only
        mapped = np.load(self._folder / f"{name}.npy", mmap_mode="c")
        return mapped.view(np.ndarray)

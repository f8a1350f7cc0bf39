"""The names that a pickle of plain data may mention, and the data that each of them stands for.

Nothing here looks a name up: :data:`ALLOWED` maps a (module, attribute) pair of strings to a function of ours that
turns the pickled arguments into data. The layout of the arguments is that of numpy's and dill's own pickles.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

_MULTIARRAY = (
    "numpy.core.multiarray",
    "numpy._core.multiarray",
    "numpy.core._multiarray_umath",
    "numpy._core._multiarray_umath",
)
_NUMERIC = ("numpy.core.numeric", "numpy._core.numeric")
_CODE = re.compile(r"[<>|=]?(b1|[iu][1248]|f[248])")
_MAX_DIMENSION = 32


class Refusal(Exception):
    """What a pickle asked for and does not get; the reader adds the file's name."""


def called(item: Any) -> str:
    """Return a short name for any part of a pickle, for an error; never the `repr` of something nested."""
    if isinstance(item, str | int | PicklePart):
        return str(item)[:200]
    return f"an object of type '{type(item).__name__}'"


class PicklePart:
    """Something that lives only while a pickle is read and must not be left in the result."""

    def set_state(self, state: Any) -> Any:
        """Answer the pickle's BUILD instruction; most parts have no state to set."""
        raise Refusal(f"sets the state of {self}")


@dataclass(frozen=True)
class Reference(PicklePart):
    """A name in a pickle, kept as two strings."""

    module: str
    attribute: str

    @classmethod
    def of(cls, module: Any, attribute: Any) -> Reference:
        """Return the name if it is on the list, else refuse it."""
        if type(module) is not str or type(attribute) is not str or (module, attribute) not in ALLOWED:
            raise Refusal(f"names '{called(module)}.{called(attribute)}'")
        return cls(module, attribute)

    def __str__(self) -> str:
        return f"'{self.module}.{self.attribute}'"


@dataclass(frozen=True)
class _Module(PicklePart):
    """dill's way to name a numpy module."""

    name: str

    def __str__(self) -> str:
        return f"module '{self.name}'"


@dataclass
class _Dtype(PicklePart):
    """The element type of an array."""

    code: str
    order: Literal["<", ">", "|", "="] = "="

    def set_state(self, state: Any) -> _Dtype:
        """Take the byte order; named fields, sub-arrays and metadata are refused."""
        if type(state) is not tuple or len(state) < 5 or state[1] not in ("<", ">", "|", "=") or any(state[2:5]):
            raise Refusal("gives 'numpy.dtype' a state that plain number types do not have")
        self.order = state[1]
        return self

    def __str__(self) -> str:
        return f"'numpy.dtype({self.code})'"

    @property
    def numpy(self) -> np.dtype[Any]:
        return np.dtype(self.code).newbyteorder(self.order)


@dataclass
class Pending(PicklePart):
    """An array whose contents come later in the file; `array` is set once they have come."""

    array: np.ndarray | None = field(default=None)

    def set_state(self, state: Any) -> np.ndarray:
        """Make the array from (version, shape, dtype, is Fortran order, bytes)."""
        if type(state) is not tuple or len(state) != 5:
            raise Refusal("gives 'numpy.ndarray' a state that arrays do not have")
        _, shape, dtype, fortran, data = state
        self.array = _array(data, dtype, shape, "F" if fortran is True else "C")
        return self.array

    def __str__(self) -> str:
        return "an unfinished 'numpy.ndarray'"


def _array(data: Any, dtype: Any, shape: Any, order: Any) -> np.ndarray:
    if not isinstance(dtype, _Dtype):
        raise Refusal(f"makes 'numpy.ndarray' with elements of {called(dtype)}")
    if type(data) is str:  # a byte string of Python 2
        data = data.encode("latin-1")
    if type(data) is not bytes or type(shape) is not tuple or not all(type(n) is int and n >= 0 for n in shape):
        raise Refusal("makes 'numpy.ndarray' from something other than bytes and a shape")
    if len(shape) > _MAX_DIMENSION or math.prod(shape) * dtype.numpy.itemsize != len(data) or order not in ("C", "F"):
        raise ValueError(f"an array's shape does not fit its {len(data)} bytes")
    array = np.frombuffer(data, dtype.numpy).reshape(shape, order=order)
    return np.array(array, dtype=dtype.numpy.newbyteorder("="), order=order)


def _make_defaultdict(arguments: tuple[Any, ...]) -> dict[Any, Any]:
    if len(arguments) > 1:
        raise Refusal("calls 'collections.defaultdict' with more than a default")
    return {}


def _make_dtype(arguments: tuple[Any, ...]) -> _Dtype:
    code = arguments[0] if arguments else None
    if type(code) is not str or not _CODE.fullmatch(code):
        raise Refusal(f"makes 'numpy.dtype({called(code)})', which is not a plain number type")
    return _Dtype(code)


def _make_pending(arguments: tuple[Any, ...]) -> Pending:
    if len(arguments) != 3 or arguments[0] != Reference("numpy", "ndarray"):
        raise Refusal(f"makes an array of type {called(arguments[0] if arguments else None)}")
    return Pending()


def _make_scalar(arguments: tuple[Any, ...]) -> Any:
    if len(arguments) != 2:
        raise Refusal("makes a numpy scalar without its bytes")
    return _array(arguments[1], arguments[0], (), "C").item()


def _make_from_buffer(arguments: tuple[Any, ...]) -> np.ndarray:
    if len(arguments) != 4:
        raise Refusal("makes 'numpy.ndarray' from something other than bytes and a shape")
    return _array(*arguments)


def _make_bytes(arguments: tuple[Any, ...]) -> bytes:
    if len(arguments) != 2 or type(arguments[0]) is not str or arguments[1] not in ("latin1", "latin-1"):
        raise Refusal("calls '_codecs.encode' for another purpose than to write bytes")
    return arguments[0].encode("latin-1")


def _make_empty_bytes(arguments: tuple[Any, ...]) -> bytes:
    if arguments:
        raise Refusal("calls 'bytes' for another purpose than to write none")
    return b""


def _make_module(arguments: tuple[Any, ...]) -> _Module:
    name = arguments[0] if len(arguments) == 1 else None
    if name not in (*_MULTIARRAY, *_NUMERIC):
        raise Refusal(f"imports module '{called(name)}'")
    return _Module(name)


def _make_attribute(arguments: tuple[Any, ...]) -> Reference:
    module, attribute = arguments if len(arguments) == 2 else (None, None)
    if not isinstance(module, _Module):
        raise Refusal(f"takes attribute '{called(attribute)}' of {called(module)}")
    return Reference.of(module.name, attribute)


def _make_nothing(arguments: tuple[Any, ...]) -> None:
    """A function, its code or its type, as dill writes them: they become nothing."""


ALLOWED: dict[tuple[str, str], Callable[[tuple[Any, ...]], Any] | None] = {
    ("collections", "defaultdict"): _make_defaultdict,
    ("numpy", "dtype"): _make_dtype,
    ("numpy", "ndarray"): None,
    ("_codecs", "encode"): _make_bytes,
    ("__builtin__", "bytes"): _make_empty_bytes,  # how protocol 2 writes b""
    ("__builtin__", "__main__"): None,  # dill: the globals of a function, never used
    ("dill._dill", "_import_module"): _make_module,
    ("dill._dill", "_get_attr"): _make_attribute,
    **{("dill._dill", name): _make_nothing for name in ("_create_function", "_create_code", "_load_type")},
    **{(module, "_reconstruct"): _make_pending for module in _MULTIARRAY},
    **{(module, "scalar"): _make_scalar for module in _MULTIARRAY},
    **{(module, "_frombuffer"): _make_from_buffer for module in _NUMERIC},
}
"""(module, attribute) -> what the pickled call turns into; None for what may only be mentioned."""

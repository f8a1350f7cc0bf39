"""Read a pickle as plain data, without running anything that it asks for.

A pickle is a program for a small stack machine, and Python's own machine imports and calls whatever the program names.
The machine here knows only the instructions that build dicts, lists, tuples, strings, bytes, numbers and numpy arrays.
A name such as ``numpy.dtype`` stays a name: no module is imported, no class is instantiated, no function of the pickle
is called. Arrays are made from their bytes by :func:`numpy.frombuffer`, so memory is bounded by the size of the file.
Anything else in the file is an :class:`~at2.errors.UnsafePickleError` that says what it was.

Two files of the authors were written by dill and hold ``defaultdict(<lambda>)``: the lambda becomes ``None``, the
defaultdict a dict.
"""

from __future__ import annotations

import io
import pickletools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from at2.errors import CorruptFileError, FileError, UnsafePickleError
from at2.tables.published.pickled_names import ALLOWED, Pending, PicklePart, Reference, Refusal, called

__all__ = ["load_plain", "loads_plain"]

# Instructions that push their own argument, as `pickletools` decodes it.
_PUSH = frozenset(
    """BININT BININT1 BININT2 LONG1 LONG4 BINFLOAT SHORT_BINUNICODE BINUNICODE BINUNICODE8
    SHORT_BINBYTES BINBYTES BINBYTES8 SHORT_BINSTRING BINSTRING""".split()  # noqa: SIM905 - reads better
)
_CONSTANT = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_TUPLE = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
# Instructions through which a pickle makes objects of its own choice; none is ever needed for plain data.
_OBJECT = frozenset(
    """PERSID BINPERSID EXT1 EXT2 EXT4 INST OBJ NEWOBJ NEWOBJ_EX NEXT_BUFFER READONLY_BUFFER
    EMPTY_SET ADDITEMS FROZENSET""".split()  # noqa: SIM905 - reads better
)
_KEYS = (str, int, float, bytes, bool, type(None))
_MARK = PicklePart()


def load_plain(path: str | Path) -> Any:
    """Read a pickle file as plain data; see :func:`loads_plain`.

    Args:
        path: The file.

    Returns:
        What the file holds.

    Raises:
        FileError: If the file cannot be read.
        CorruptFileError: If it is not a whole pickle.
        UnsafePickleError: If it holds anything but plain data.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise FileError(f"{path}: cannot be read ({error.strerror or error}); check the path", path=path) from error
    return loads_plain(data, path=path)


def loads_plain(data: bytes, *, path: object = "pickle") -> Any:
    """Read pickled bytes as dicts, lists, tuples, strings, bytes, numbers and numpy arrays; run nothing.

    Args:
        data: A whole pickle of protocol 2 to 5. Byte strings of Python 2 are read as latin-1 text.
        path: What to call the data in an error, usually the file that it came from.

    Returns:
        The object. Arrays are writable copies of boolean, integer or floating type.

    Raises:
        CorruptFileError: If the pickle is truncated, malformed, or followed by something else.
        UnsafePickleError: If it names anything outside the allow-list; the message names it, and nothing was run.

    Example:
        >>> import pickle
        >>> loads_plain(pickle.dumps({"lr": 0.1, "betas": [0.9, 0.999]}))
        {'lr': 0.1, 'betas': [0.9, 0.999]}
    """
    return _Machine(path).run(data)


class _Machine:
    """The stack machine; `path` is only what errors call the data."""

    def __init__(self, path: object) -> None:
        self.path = path
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.steps: dict[str, Callable[[Any], None]] = {
            "PROTO": self.ignore,
            "FRAME": self.ignore,
            "MARK": lambda _: self.stack.append(_MARK),
            "EMPTY_DICT": lambda _: self.stack.append({}),
            "EMPTY_LIST": lambda _: self.stack.append([]),
            "TUPLE": lambda _: self.stack.append(tuple(self.pop_to_mark())),
            "BYTEARRAY8": lambda argument: self.stack.append(bytes(argument)),
            "APPEND": lambda _: self.extend([self.pop()]),
            "APPENDS": lambda _: self.extend(self.pop_to_mark()),
            "SETITEM": lambda _: self.update(self.pop_many(2)),
            "SETITEMS": lambda _: self.update(self.pop_to_mark()),
            "MEMOIZE": lambda _: self.put(len(self.memo)),
            "BINPUT": self.put,
            "LONG_BINPUT": self.put,
            "BINGET": self.get,
            "LONG_BINGET": self.get,
            "GLOBAL": lambda argument: self.name(*argument.split(" ", 1)),
            "STACK_GLOBAL": lambda _: self.name(*self.pop_many(2)),
            "REDUCE": lambda _: self.reduce(*self.pop_many(2)),
            "BUILD": lambda _: self.build(*self.pop_many(2)),
        }

    def run(self, data: bytes) -> Any:
        """Follow the instructions to the end and return what they made; errors get the file's name."""
        try:
            return self.follow(data)
        except Refusal as refusal:
            raise UnsafePickleError(
                f"{self.path}: the pickle {refusal}; at2 reads only dicts, lists, strings, numbers and numpy arrays, "
                "and nothing of the file was run. Use the published file, or convert the data to CSV and import that",
                path=self.path,
            ) from None
        except FileError:
            raise
        except (ValueError, OverflowError, MemoryError, RecursionError) as error:  # from pickletools, mostly
            raise self.broken(str(error)) from error

    def follow(self, data: bytes) -> Any:
        for opcode, argument, position in pickletools.genops(io.BytesIO(data)):
            if opcode.name == "STOP":
                return self.finish(len(data) - (position or 0) - 1)
            self.step(opcode.name, argument)
        raise self.broken("it does not end")

    def finish(self, n_left: int) -> Any:
        if n_left:
            raise self.broken(f"{n_left} bytes follow its end")
        result = self.pop()
        if self.stack:
            raise self.broken("values are left on its stack")
        _check_plain(result)
        return result

    def step(self, name: str, argument: Any) -> None:
        if name in _PUSH:
            self.stack.append(argument)
        elif name in _CONSTANT:
            self.stack.append(_CONSTANT[name])
        elif name in _TUPLE:
            self.stack.append(tuple(self.pop_many(_TUPLE[name])))
        elif name in self.steps:
            self.steps[name](argument)
        elif name in _OBJECT:
            raise Refusal(f"builds an object by instruction {name}{_describe(argument, self.stack)}")
        else:
            raise self.broken(f"instruction {name} is not used by pickles of plain data in protocols 2 to 5")

    def broken(self, what: str) -> CorruptFileError:
        return CorruptFileError(f"{self.path}: not a whole pickle: {what}; fetch the file again", path=self.path)

    def ignore(self, argument: Any) -> None:
        """Protocol number and frame length carry no data."""

    def pop(self) -> Any:
        if not self.stack or self.stack[-1] is _MARK:
            raise self.broken("its stack is empty")
        return self.stack.pop()

    def pop_many(self, n: int) -> list[Any]:
        return [self.pop() for _ in range(n)][::-1]

    def pop_to_mark(self) -> list[Any]:
        items = []
        while self.stack and self.stack[-1] is not _MARK:
            items.append(self.stack.pop())
        if not self.stack:
            raise self.broken("a mark is missing")
        self.stack.pop()
        return items[::-1]

    def top(self, kind: type) -> Any:
        if not self.stack or type(self.stack[-1]) is not kind:
            raise self.broken(f"a {kind.__name__} was expected")
        return self.stack[-1]

    def extend(self, items: list[Any]) -> None:
        self.top(list).extend(items)

    def update(self, items: list[Any]) -> None:
        target = self.top(dict)
        if len(items) % 2:
            raise self.broken("a dict has a key without a value")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if type(key) not in _KEYS:  # hashing anything deeper could exhaust the C stack
                raise self.broken(f"a dict has a key of type {type(key).__name__}")
            target[key] = value

    def put(self, slot: int) -> None:
        if not self.stack:
            raise self.broken("its stack is empty")
        self.memo[slot] = self.stack[-1]

    def get(self, slot: int) -> None:
        if slot not in self.memo:
            raise self.broken(f"memory slot {slot} is empty")
        value = self.memo[slot]
        done = isinstance(value, Pending) and value.array is not None
        self.stack.append(value.array if done else value)

    def name(self, module: Any, attribute: Any = None) -> None:
        self.stack.append(Reference.of(module, attribute))

    def reduce(self, function: Any, arguments: Any) -> None:
        if not isinstance(function, Reference):
            raise Refusal(f"calls {called(function)}")
        make = ALLOWED[function.module, function.attribute]
        if make is None or type(arguments) is not tuple:
            raise Refusal(f"calls {function} with {called(arguments)}")
        self.stack.append(make(arguments))

    def build(self, target: Any, state: Any) -> None:
        if not isinstance(target, PicklePart):
            raise Refusal(f"sets the state of {called(target)}")
        self.stack.append(target.set_state(state))


def _describe(argument: Any, stack: list[Any]) -> str:
    named = [str(item) for item in stack[-3:] if isinstance(item, Reference)]
    words = ([str(argument).replace(" ", ".")[:200]] if argument is not None else []) + named
    return f" ({', '.join(words)})" if words else ""


def _check_plain(result: Any) -> None:
    """Refuse a result in which a name, a module or an unfinished array is left over."""
    todo, seen = [result], set[int]()
    while todo:
        item = todo.pop()
        if isinstance(item, PicklePart):
            raise Refusal(f"keeps {item} as a value")
        if isinstance(item, dict | list | tuple) and id(item) not in seen:
            seen.add(id(item))
            todo.extend([part for part in (item.values() if isinstance(item, dict) else item) if not _is_leaf(part)])


def _is_leaf(item: Any) -> bool:
    return isinstance(item, str | bytes | int | float | np.ndarray) or item is None

"""Plain pickles are read; hostile ones are refused, and a sentinel file proves that none of them ran anything."""

import collections
import contextlib
import copyreg
import io
import os
import pickle
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from at2.errors import CorruptFileError, FileError, UnsafePickleError
from at2.tables.published.unpickle import load_plain, loads_plain


def text(value: str) -> bytes:
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def name(module: str, attribute: str) -> bytes:
    """STACK_GLOBAL."""
    return text(module) + text(attribute) + b"\x93"


def pickled(body: bytes) -> bytes:
    return b"\x80\x04" + body + b"."


ONE_BYTE = b"C\x01b"
NDARRAY = name("numpy", "ndarray")
RECONSTRUCT = name("numpy.core.multiarray", "_reconstruct")
EMPTY_ARRAY = RECONSTRUCT + NDARRAY + b"K\x00\x85" + ONE_BYTE + b"\x87R"


def dtype(code: str) -> bytes:
    return name("numpy", "dtype") + text(code) + b"\x89\x88\x87R"


def array(code: str, shape: bytes, data: bytes) -> bytes:
    state = b"(K\x01" + shape + dtype(code) + b"\x89B" + struct.pack("<I", len(data)) + data + b"t"
    return EMPTY_ARRAY + state + b"b"


class TestPlainData:
    @pytest.mark.parametrize("protocol", [2, 3, 4, 5])
    def test_reads_what_pickle_reads(self, protocol: int) -> None:
        value = {
            "a": np.arange(6.0).reshape(2, 3).T,
            "b": np.array(3),
            "c": [1, -5, 2**40, 2.5, True, None, "é", b"\x00\xff", (), (1,), (1, 2, 3, 4)],
            0: {"nested": {"deeper": [np.arange(3, dtype=">i4")]}},
            "empty": np.zeros((0, 3), dtype=np.float32),
        }
        read = loads_plain(pickle.dumps(value, protocol=protocol))
        np.testing.assert_array_equal(read["a"], value["a"])
        np.testing.assert_array_equal(read[0]["nested"]["deeper"][0], [0, 1, 2])
        assert (read["b"].item(), read["c"], read["empty"].shape) == (3, value["c"], (0, 3))
        assert read["a"].flags.writeable

    @pytest.mark.parametrize("protocol", [2, 3, 4, 5])
    def test_numpy_scalars_become_numbers(self, protocol: int) -> None:
        read = loads_plain(pickle.dumps([np.float64(0.5), np.bool_(True), np.int32(7)], protocol=protocol))
        assert read == [0.5, True, 7]
        assert [type(item) for item in read] == [float, bool, int]

    @pytest.mark.parametrize("protocol", [2, 4])
    def test_an_array_that_occurs_twice_is_one_array(self, protocol: int) -> None:
        values = np.arange(3)
        first, second = loads_plain(pickle.dumps([values, values], protocol=protocol))
        assert first is second

    def test_byte_strings_of_python_2(self) -> None:
        data = np.arange(4, dtype=np.uint8).tobytes()
        body = b"}(U\x04dataU" + bytes([len(data)]) + data + b"u"
        assert loads_plain(b"\x80\x02" + body + b".") == {"data": "\x00\x01\x02\x03"}
        state = b"(K\x01K\x04\x85" + b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R" + b"\x89U\x04" + data + b"t"
        whole = b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R" + state + b"b."
        np.testing.assert_array_equal(loads_plain(whole), [0, 1, 2, 3])

    @pytest.mark.parametrize("default", [b")", name("dill._dill", "_load_type") + text("dict") + b"\x85R\x85"])
    def test_a_defaultdict_becomes_a_dict(self, default: bytes) -> None:
        body = name("collections", "defaultdict") + default + b"R(" + text("a") + b"K\x01u"
        read = loads_plain(pickled(body))
        assert read == {"a": 1}
        assert type(read) is dict

    def test_dills_lambda_becomes_nothing(self) -> None:
        code = name("dill._dill", "_create_code") + b"(K\x00C\x04ABCD)tR"
        function = name("dill._dill", "_create_function") + b"(" + code + b"c__builtin__\n__main__\nN}NtR"
        assert loads_plain(pickled(name("collections", "defaultdict") + function + b"\x85R")) == {}
        assert loads_plain(pickled(b"](" + function + b"e")) == [None]

    def test_dills_way_to_name_a_numpy_function(self) -> None:
        module = name("dill._dill", "_import_module") + text("numpy.core.multiarray") + b"\x85R"
        function = name("dill._dill", "_get_attr") + module + text("scalar") + b"\x86R"
        body = function + dtype("f8") + b"C\x08" + struct.pack("<d", 0.25) + b"\x86R"
        assert loads_plain(pickled(body)) == 0.25

    @settings(max_examples=50, deadline=None)
    @given(
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers(-(2**70), 2**70)
            | st.floats(allow_nan=False)
            | st.text()
            | st.binary(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
        ),
        st.integers(2, 5),
    )
    def test_agrees_with_pickle_on_any_plain_value(self, value: Any, protocol: int) -> None:
        assert loads_plain(pickle.dumps(value, protocol=protocol)) == value


class TestBrokenFiles:
    whole = pickle.dumps({"a": np.arange(5.0), "b": [1, 2, 3]})

    @pytest.mark.parametrize("size", range(0, len(whole), 7))
    def test_truncated(self, size: int) -> None:
        with pytest.raises(CorruptFileError, match="not a whole pickle"):
            loads_plain(self.whole[:size])

    @settings(max_examples=300, deadline=None)
    @given(st.integers(0, len(whole) - 1), st.integers(0, 255))
    def test_a_changed_byte_gives_data_or_an_error_of_ours(self, position: int, byte: int) -> None:
        changed = self.whole[:position] + bytes([byte]) + self.whole[position + 1 :]
        with contextlib.suppress(CorruptFileError, UnsafePickleError):
            loads_plain(changed)

    @settings(max_examples=300, deadline=None)
    @given(st.binary(max_size=60))
    def test_noise_gives_data_or_an_error_of_ours(self, noise: bytes) -> None:
        with contextlib.suppress(CorruptFileError, UnsafePickleError):
            loads_plain(b"\x80\x04" + noise + b".")

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            (b"}K\x01s", "a dict was expected"),
            (b"0", "instruction POP"),
            (b"\x85", "its stack is empty"),
            (b"K\x01K\x02", "values are left on its stack"),
            (b"h\x07", "memory slot 7 is empty"),
            (b"e", "a mark is missing"),
            (b"K\x01(K\x02e", "a list was expected"),
            (b"}(K\x01u", "a key without a value"),
            (b"}(K\x01\x85K\x01u", "a key of type tuple"),
            (b"K\x012", "instruction DUP is not used"),
            (array("f8", b"K\x03\x85", b"\x00" * 16), "does not fit its 16 bytes"),
        ],
    )
    def test_malformed(self, body: bytes, message: str) -> None:
        with pytest.raises(CorruptFileError, match=message):
            loads_plain(pickled(body))

    def test_something_follows(self) -> None:
        with pytest.raises(CorruptFileError, match="3 bytes follow its end"):
            loads_plain(self.whole + b"abc")

    def test_a_missing_file_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(FileError, match=r"absent\.pkl: cannot be read"):
            load_plain(tmp_path / "absent.pkl")


SENTINEL = "the-sentinel-file"
COMMAND = f"touch {SENTINEL}"
SOURCE = f"open('{SENTINEL}', 'w').close()"


class _Reduced:
    """Pickles as the call that it was made with."""

    def __init__(self, *reduced: Any) -> None:
        self.reduced = reduced

    def __reduce__(self) -> tuple[Any, ...]:
        return self.reduced


def _by_reduce(*reduced: Any) -> bytes:
    return pickle.dumps(_Reduced(*reduced))


def _code_of(source: str) -> bytes:
    import marshal

    return marshal.dumps(compile(source, "x", "exec"))


HOSTILE: dict[str, tuple[bytes, str]] = {
    # name of the trick: (pickle, what the error must name)
    "reduce os.system": (_by_reduce(os.system, (COMMAND,)), "system'"),
    "reduce exec": (_by_reduce(exec, (SOURCE,)), "'builtins.exec'"),
    "reduce eval": (_by_reduce(eval, (SOURCE,)), "'builtins.eval'"),
    "protocol 0 global": (b"cos\nsystem\n(S'" + COMMAND.encode() + b"'\ntR.", "'os.system'"),
    "nested inside data": (pickle.dumps({"a": [1, (_Reduced(os.system, (COMMAND,)),)]}), "system'"),
    "getattr to reach further": (
        pickled(name("builtins", "getattr") + name("builtins", "__import__") + text("os") + b"\x85R" + text("system")),
        "'builtins.getattr'",
    ),
    "dotted attribute": (pickled(name("numpy", "ndarray.tofile") + b")R"), "'numpy.ndarray.tofile'"),
    "dotted attribute of an allowed module": (
        pickled(name("collections", "abc.sys.modules") + b")R"),
        "'collections.abc.sys.modules'",
    ),
    "INST": (b"(S'" + COMMAND.encode() + b"'\nios\nsystem\n.", "instruction "),
    "INST with binary text": (pickled(b"(" + text(COMMAND) + b"ios\nsystem\n"), r"INST \(os\.system\)"),
    "OBJ": (pickled(b"(" + name("posix", "system") + text(COMMAND) + b"o"), "'posix.system'"),
    "OBJ on an allowed class": (pickled(b"(" + NDARRAY + b"K\x05o"), r"OBJ.*'numpy\.ndarray'"),
    "NEWOBJ": (pickled(name("subprocess", "Popen") + text(COMMAND) + b"\x85\x81"), r"'subprocess\.Popen'"),
    "NEWOBJ on an allowed class": (pickled(NDARRAY + b"K\x05\x85\x81"), r"NEWOBJ.*'numpy\.ndarray'"),
    "NEWOBJ_EX": (pickled(NDARRAY + b"K\x05\x85}\x92"), r"NEWOBJ_EX.*'numpy\.ndarray'"),
    "EXT1": (pickled(b"\x82\xf1" + text(COMMAND) + b"\x85R"), "EXT1 .241"),
    "EXT2": (pickled(b"\x83\xf1\x00" + text(COMMAND) + b"\x85R"), "EXT2 .241"),
    "EXT4": (pickled(b"\x84\xf1\x00\x00\x00" + text(COMMAND) + b"\x85R"), "EXT4 .241"),
    "persistent id": (pickled(b"P" + COMMAND.encode() + b"\n"), "instruction PERSID"),
    "binary persistent id": (pickled(text(COMMAND) + b"Q"), "instruction BINPERSID"),
    "out-of-band buffer": (pickled(b"\x97"), "instruction NEXT_BUFFER"),
    "BUILD with slots on a function": (
        pickled(name("builtins", "print") + b"N}" + text("__code__") + b"K\x01s\x86b"),
        "'builtins.print'",
    ),
    "BUILD on an allowed class": (
        pickled(NDARRAY + b"}" + text("__reduce__") + text("x") + b"sb"),
        r"sets the state of 'numpy\.ndarray'",
    ),
    "BUILD on a dict": (pickled(b"}N}" + text("__class__") + text("x") + b"s\x86b"), "sets the state of .*dict"),
    "BUILD on an allowed name of dill": (
        pickled(name("dill._dill", "_create_function") + b"}" + text("a") + text("x") + b"sb"),
        "sets the state of 'dill._dill._create_function'",
    ),
    "dill imports os": (
        pickled(
            name("dill._dill", "_get_attr")
            + (name("dill._dill", "_import_module") + text("os") + b"\x85R")
            + (text("system") + b"\x86R" + text(COMMAND) + b"\x85R")
        ),
        "imports module 'os'",
    ),
    "dill's attribute of a numpy module": (
        pickled(
            name("dill._dill", "_get_attr")
            + (name("dill._dill", "_import_module") + text("numpy.core.multiarray") + b"\x85R")
            + (text("fromfile") + b"\x86R" + text("/etc/hostname") + b"\x85R")
        ),
        r"names 'numpy\.core\.multiarray\.fromfile'",
    ),
    "dill's attribute of data": (
        pickled(name("dill._dill", "_get_attr") + text("abc") + text("__class__") + b"\x86R"),
        "takes attribute '__class__' of abc",
    ),
    "calling the function that dill made": (
        pickled(
            name("dill._dill", "_create_function")
            + b"("
            + b"B"
            + struct.pack("<I", len(_code_of(SOURCE)))
            + (_code_of(SOURCE) + b"}NNNtR" + b")R")
        ),
        "calls an object of type 'NoneType'",
    ),
    "dill evaluates": (
        pickled(name("dill._dill", "_eval_repr") + text(SOURCE) + b"\x85R"),
        r"'dill\._dill\._eval_repr'",
    ),
    "dill loads a pickle": (
        pickled(name("dill._dill", "loads") + b"B" + struct.pack("<I", 3) + b"abc" + b"\x85R"),
        r"'dill\._dill\.loads'",
    ),
    "a pickle in a pickle": (_by_reduce(pickle.loads, (_by_reduce(os.system, (COMMAND,)),)), "loads'"),
    "copyreg's reconstructor": (
        pickled(name("copyreg", "_reconstructor") + name("collections", "defaultdict") + b"N\x86R"),
        r"'copyreg\._reconstructor'",
    ),
    "an array subclass": (
        pickled(RECONSTRUCT + name("numpy", "memmap") + b"K\x00\x85" + ONE_BYTE + b"\x87R"),
        r"'numpy\.memmap'",
    ),
    "an allowed name as the array's class": (
        pickled(RECONSTRUCT + name("collections", "defaultdict") + b"K\x00\x85" + ONE_BYTE + b"\x87R"),
        r"an array of type 'collections\.defaultdict'",
    ),
    "an object array": (
        pickled(EMPTY_ARRAY + b"(K\x01K\x01\x85" + dtype("O8") + b"\x89]" + name("os", "system") + b"atb"),
        r"'numpy\.dtype\(O8\)'",
    ),
    "a dtype with fields": (
        pickled(name("numpy", "dtype") + text("V8") + b"\x89\x88\x87R"),
        r"'numpy\.dtype\(V8\)'",
    ),
    "a dtype's metadata": (
        pickled(
            dtype("f8")
            + b"(K\x04"
            + text("<")
            + b"}"
            + text("a")
            + b"K\x01sNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        ),
        "a state that plain number types do not have",
    ),
    "a dtype from a list": (
        pickled(name("numpy", "dtype") + b"](" + text("O") + b"e\x85R"),
        "an object of type 'list'",
    ),
    "a scalar of objects": (
        pickled(name("numpy.core.multiarray", "scalar") + dtype("O8") + b"C\x08" + b"\x01" * 8 + b"\x86R"),
        r"'numpy\.dtype\(O8\)'",
    ),
    "an array's state with one element too many": (
        pickled(EMPTY_ARRAY + b"(K\x01K\x01\x85" + dtype("i1") + b"\x89C\x01a" + b"Nt" + b"b"),
        "a state that arrays do not have",
    ),
    "numpy loads a file": (pickled(name("numpy", "load") + text("x.npy") + b"NN\x88\x87R"), r"'numpy\.load'"),
    "numpy runs a command": (
        pickled(name("numpy.testing._private.utils", "runstring") + text(SOURCE) + b"}\x86R"),
        "runstring'",
    ),
    "a codec that runs": (
        pickled(name("_codecs", "encode") + text("x") + text("zlib") + b"\x86R"),
        r"'_codecs\.encode' for another purpose",
    ),
    "defaultdict with contents": (
        pickled(name("collections", "defaultdict") + b"N}\x86R"),
        "with more than a default",
    ),
    "ndarray called": (pickled(NDARRAY + b"K\x05\x85R"), r"calls 'numpy\.ndarray'"),
    "a name kept as data": (pickled(b"](" + NDARRAY + b"e"), r"keeps 'numpy\.ndarray' as a value"),
    "an unfinished array": (pickled(b"](" + EMPTY_ARRAY + b"e"), "keeps an unfinished"),
    "a class of the user's": (pickle.dumps(collections.OrderedDict(a=1)), r"'collections\.OrderedDict'"),
    "a set": (pickled(b"\x8f"), "instruction EMPTY_SET"),
    "a name that is not text": (pickled(b"K\x01K\x02\x93"), "names '1.2'"),
}


@pytest.fixture
def extension() -> Any:
    """An entry in the extension registry that EXT1 with code 241 would call."""
    copyreg.add_extension("os", "system", 241)
    yield
    copyreg.remove_extension("os", "system", 241)


class TestHostileFiles:
    @pytest.mark.parametrize("trick", HOSTILE)
    @pytest.mark.usefixtures("extension")
    def test_is_refused_by_name_and_runs_nothing(
        self, trick: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        data, message = HOSTILE[trick]
        monkeypatch.chdir(tmp_path)
        (tmp_path / "hostile.pkl").write_bytes(data)
        error = CorruptFileError if message == "instruction " else UnsafePickleError  # text of protocol 0 comes first
        with pytest.raises(error, match=message) as caught:
            load_plain(tmp_path / "hostile.pkl")
        assert caught.value.path == tmp_path / "hostile.pkl"
        assert [path.name for path in tmp_path.iterdir()] == ["hostile.pkl"], "the pickle ran"

    @pytest.mark.parametrize("trick", ["reduce os.system", "reduce exec", "nested inside data", "EXT1"])
    @pytest.mark.usefixtures("extension")
    def test_the_same_bytes_do_run_under_pickle(
        self, trick: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        pickle.loads(HOSTILE[trick][0])
        assert (tmp_path / SENTINEL).exists(), "the sentinel proves nothing if it is never written"

    def test_no_module_is_imported(self) -> None:
        before = set(sys.modules)
        for module in ("antigravity", "this", "at2.absent"):
            with pytest.raises(UnsafePickleError, match=module):
                loads_plain(pickled(name(module, "x")))
        assert set(sys.modules) == before

    @pytest.mark.parametrize(
        "shape", [b"\x8a\x05\x00\x00\x00\x00\x10\x85", b"K\x00\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00\x10\x86"]
    )
    def test_a_huge_shape_allocates_nothing(self, shape: bytes) -> None:
        with pytest.raises(CorruptFileError):
            loads_plain(pickled(array("f8", shape, b"")))

    @pytest.mark.parametrize(
        "opcode", [b"\x8d" + struct.pack("<Q", 2**60), b"\x8e" + struct.pack("<Q", 2**60), b"B\xff\xff\xff\x7f"]
    )
    def test_a_huge_length_allocates_nothing(self, opcode: bytes) -> None:
        with pytest.raises(CorruptFileError):
            loads_plain(pickled(opcode))

    def test_deep_nesting_does_not_exhaust_the_stack(self) -> None:
        wrap = b"\x85"
        loads_plain(pickled(b")" + wrap * 60_000))
        with pytest.raises(CorruptFileError, match="a key of type tuple"):
            loads_plain(pickled(b"})" + wrap * 60_000 + b"K\x01s"))
        with pytest.raises(UnsafePickleError, match="an object of type 'tuple'"):
            loads_plain(pickled(name("numpy", "dtype") + b")" + wrap * 60_000 + b"\x85R"))

    def test_a_list_that_holds_itself(self) -> None:
        value: list[Any] = []
        value.append(value)
        read = loads_plain(pickle.dumps(value))
        assert read[0] is read

    @pytest.mark.parametrize("kind", [io.BytesIO, Exception, type])
    def test_classes_of_the_standard_library(self, kind: Callable[..., Any]) -> None:
        with pytest.raises(UnsafePickleError, match=kind.__name__):
            loads_plain(pickle.dumps(kind))

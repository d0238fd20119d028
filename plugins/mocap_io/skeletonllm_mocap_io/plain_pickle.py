"""Pickled dictionaries of numbers and numpy arrays, decoded without executing anything.

A pickle is a small program that may call any function. Here its opcodes are walked with the standard library's
`pickletools`, and only those that build plain values are understood. The functions that numpy's own pickles name
(`_reconstruct`, `ndarray`, `dtype`, `scalar`) and `OrderedDict` are never called: their arguments are read as data.
Anything else is refused.

Source: Python standard library, module `pickletools`; numpy, `ndarray.__reduce__`.
"""

from __future__ import annotations

import math
import pickletools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from skeletonllm_core.errors import MotionFormatError

_DICTIONARY = "OrderedDict"
_DTYPE = "numpy dtype"
_ARRAY = "numpy array"
_ARRAY_TYPE = "numpy ndarray"
_SCALAR = "numpy scalar"
_GLOBALS = {
    "collections OrderedDict": _DICTIONARY,
    "numpy dtype": _DTYPE,
    "numpy ndarray": _ARRAY_TYPE,
    **{f"numpy.{core}.multiarray _reconstruct": _ARRAY for core in ("core", "_core")},
    **{f"numpy.{core}.multiarray scalar": _SCALAR for core in ("core", "_core")},
}
_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
}
_LITERALS = {
    "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BINUNICODE",
    "SHORT_BINUNICODE", "BINUNICODE8",
}  # fmt: skip
_MOST_STEPS = 200_000
_DEEPEST = 20


class _Refused(Exception):
    """The pickle does something that no dictionary of arrays needs."""


class _Mark:
    """The opcode MARK on the stack."""


class _Global(str):
    """A function or class that the pickle names; a value of `_GLOBALS`."""


class _Dtype:
    """A dtype while its pickle is read: the letters, then the byte order."""

    def __init__(self, letters: str) -> None:
        self.letters = letters
        self.order = "|"

    def dtype(self) -> np.dtype:
        kind = self.letters[:1]
        if kind not in "biufO" or not self.letters[1:].isdigit():
            raise _Refused(f"an array of type {self.letters[:16]!r}")
        return np.dtype((self.order if self.order in "<>" else "") + self.letters)


class _Array:
    """An array while its pickle is read."""

    def __init__(self) -> None:
        self.value: Any = None

    def fill(self, state: Any) -> None:
        _, shape, dtype, fortran, data = state
        kind = dtype.dtype()
        if not isinstance(shape, tuple) or not all(isinstance(length, int) and length >= 0 for length in shape):
            raise _Refused("an array of an impossible shape")
        count = math.prod(shape)
        if kind.hasobject:
            # numpy wraps a single Python value (np.save of a dictionary) into an array without dimensions.
            if shape or not isinstance(data, list) or len(data) != 1:
                raise _Refused("an array of Python objects")
            self.value = data[0]
        elif not isinstance(data, bytes) or len(data) != count * kind.itemsize:
            raise _Refused("an array whose size does not fit its bytes")
        else:
            self.value = np.frombuffer(data, kind).reshape(shape, order="F" if fortran else "C")


def decode_pickle(data: bytes, path: Path, format: str) -> Any:
    """The value of a pickle that is made of dictionaries, lists, texts, numbers and numpy arrays only.

    Raises:
        MotionFormatError: it is damaged, or would need anything to be executed.
    """
    try:
        return _Plain().value(_decoded(data), 0)
    except _Refused as problem:
        message = f"holds {problem}, which is refused: nothing in a pickle is executed"
        raise MotionFormatError(path, message, format=format) from problem
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as problem:
        # What walking a damaged pickle can raise: opcodes cut short, an empty stack, values of the wrong kind.
        raise MotionFormatError(path, "is a damaged pickle", format=format) from problem


def _decoded(data: bytes) -> Any:
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    for step, (opcode, argument, _) in enumerate(pickletools.genops(data)):
        name = opcode.name
        if step > _MOST_STEPS:
            raise _Refused("too many objects")
        if name in ("PROTO", "FRAME"):
            continue
        if name == "STOP":
            return stack.pop()
        if name in _CONSTANTS:
            stack.append(_CONSTANTS[name]())
        elif name in _LITERALS:
            stack.append(argument)
        elif name == "MARK":
            stack.append(_Mark())
        elif name in ("BINPUT", "LONG_BINPUT", "MEMOIZE"):
            memo[len(memo) if argument is None else argument] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET") and argument is not None:
            stack.append(memo[argument])
        elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
            count = int(name[-1])
            stack[-count:] = [tuple(stack[-count:])]
        elif name == "TUPLE":
            stack.append(tuple(_since_mark(stack)))
        elif name == "APPEND":
            value = stack.pop()
            stack[-1].append(value)
        elif name == "APPENDS":
            values = _since_mark(stack)
            stack[-1].extend(values)
        elif name == "SETITEM":
            value, key = stack.pop(), stack.pop()
            stack[-1][key] = value
        elif name == "SETITEMS":
            values = _since_mark(stack)
            stack[-1].update(zip(values[::2], values[1::2], strict=True))
        elif name in ("GLOBAL", "STACK_GLOBAL"):
            if name == "STACK_GLOBAL":
                function, module = stack.pop(), stack.pop()
                argument = f"{module} {function}"
            if argument not in _GLOBALS:
                raise _Refused(f"a call of {ascii(argument)[:60]}")
            stack.append(_Global(_GLOBALS[argument]))
        elif name == "REDUCE":
            arguments, function = stack.pop(), stack.pop()
            stack.append(_built(function, arguments))
        elif name == "BUILD":
            state = stack.pop()
            if isinstance(stack[-1], _Dtype):
                stack[-1].order = state[1]
            elif isinstance(stack[-1], _Array):
                stack[-1].fill(state)
            else:
                raise _Refused("an object with a state of its own")
        else:
            raise _Refused(f"the pickle instruction {name}")
    raise ValueError("the pickle has no end")


def _since_mark(stack: list[Any]) -> list[Any]:
    place = max(index for index, value in enumerate(stack) if isinstance(value, _Mark))
    values = stack[place + 1 :]
    del stack[place:]
    return values


def _built(function: Any, arguments: Any) -> Any:
    """What a call of one of `_GLOBALS` stands for."""
    if not isinstance(function, _Global):
        raise _Refused("a call of something that is no name")
    if function == _DICTIONARY and arguments == ():
        return {}
    if function == _DTYPE:
        return _Dtype(arguments[0])
    if function == _ARRAY:
        return _Array()
    if function == _SCALAR:
        return np.frombuffer(arguments[1], arguments[0].dtype(), count=1)[0].item()
    raise _Refused(f"a call of {function} that no array needs")


class _Plain:
    """Puts every array in the place of its builder; lists that hold each other cannot make it go on for ever."""

    def __init__(self) -> None:
        self.steps = 0

    def value(self, value: Any, depth: int) -> Any:
        self.steps += 1
        if depth > _DEEPEST or self.steps > _MOST_STEPS:
            raise _Refused("values nested too deeply")
        if isinstance(value, _Array):
            return self.value(value.value, depth + 1)
        if isinstance(value, dict):
            return {str(key): self.value(one, depth + 1) for key, one in value.items()}
        if isinstance(value, list):
            return [self.value(one, depth + 1) for one in value]
        if isinstance(value, _Mark | _Global | _Dtype):
            raise _Refused("something that is no value")
        return value

"""What ptxas gave each kernel, read from the ELF file that it wrote."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

_REGISTERS, _FRAME = 0x2F, 0x11  # EIATTR_REGCOUNT, EIATTR_FRAME_SIZE
_SYMBOLS_AND_VALUES = 4  # EIFMT_SVAL
_NO_BYTES = 8  # SHT_NOBITS


@dataclass
class Resources:
    """Registers and stack [bytes] of a thread; spilled registers lie on the stack."""

    registers: int = -1
    stack: int = -1


def resources(path: Path) -> dict[str, Resources]:
    """Resources of every function of a cubin, by its name."""
    data = path.read_bytes()
    sections = _sections(data)
    names = _symbols(sections[".symtab"], sections[".strtab"])
    found: dict[str, Resources] = {}
    info, at = sections[".nv.info"], 0
    while at < len(info):
        form, attribute, size = struct.unpack_from("<BBH", info, at)
        at += 4
        if form != _SYMBOLS_AND_VALUES:
            continue
        if attribute in (_REGISTERS, _FRAME):
            symbol, value = struct.unpack_from("<II", info, at)
            one = found.setdefault(names[symbol], Resources())
            if attribute == _REGISTERS:
                one.registers = value
            else:
                one.stack = value
        at += size
    return found


def _sections(data: bytes) -> dict[str, bytes]:
    assert data[:5] == b"\x7fELF\x02", "not a 64-bit ELF file"
    (table,) = struct.unpack_from("<Q", data, 0x28)
    size, count, names_at = struct.unpack_from("<HHH", data, 0x3A)
    heads = [struct.unpack_from("<IIQQQQ", data, table + index * size) for index in range(count)]
    contents = [b"" if kind == _NO_BYTES else data[at : at + length] for _, kind, _, _, at, length in heads]
    return {_text(contents[names_at], head[0]): content for head, content in zip(heads, contents, strict=True)}


def _symbols(table: bytes, strings: bytes) -> list[str]:
    return [_text(strings, struct.unpack_from("<I", table, at)[0]) for at in range(0, len(table), 24)]


def _text(strings: bytes, at: int) -> str:
    return strings[at : strings.index(b"\0", at)].decode()

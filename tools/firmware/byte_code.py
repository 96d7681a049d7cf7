"""An .mpy taken apart and put together again, for what `tighten` makes shorter.

Format: MicroPython's .mpy version 6 (docs "MicroPython .mpy files"; py/persistentcode.c, py/bc.h,
py/bc0.h, py/emitbc.c of its sources). Byte code only, no machine code.

    header     "M", version, flags, bits of a small int
    names      each by its number in every MicroPython's ROM, or its length and text
    constants  each by kind: text, bytes, number, tuple of such
    code       of the module; inside it that of its functions

A function's code: the sizes it runs with; its name and its arguments', by number; which byte
belongs to which line; instructions. Jumps are relative, in one byte or two.
"""

from __future__ import annotations

from dataclasses import dataclass, field

_VERSION = 6
TUPLE = 10
_WITHOUT_DATA = (1, 2, 3, 4)  # None, False, True, Ellipsis
_TEXTS = (5, 6)  # str and bytes: a zero byte follows

# Instructions with a byte more behind their argument.
_MAKE_CLOSURE = (0x20, 0x21)
_UNWIND_JUMP = 0x40
_SMALL_INT = 0x22  # its argument has a sign
_SIGNED_JUMPS = range(0x40, 0x45)


@dataclass
class Constant:
    """A constant of a module: kind, and its bytes or what is in a tuple."""

    kind: int
    data: bytes = b""
    items: list[Constant] = field(default_factory=list)


@dataclass
class Instruction:
    """One instruction. A jump's argument is the instruction that it goes to."""

    code: int
    argument: int = 0
    extra: bytes = b""
    raw: bytes = b""  # its argument, where that is no number of ours
    target: Instruction | None = None
    line: int = 1


@dataclass
class Code:
    """The code of a module, class or function, in the order of the file."""

    signature: bytes
    names: list[int]  # its own and its arguments', by number
    cells: bytes
    instructions: list[Instruction]
    inside: list[Code]
    end: Instruction  # behind the last: where a jump may go


@dataclass
class Module:
    """What an .mpy holds. A name is a text, or its number in ROM."""

    head: bytes
    names: list[bytes | int]
    constants: list[Constant]
    code: Code

    def every_code(self) -> list[Code]:
        """Return the module's code, and all that is inside it."""
        found = [self.code]
        for code in found:
            found += code.inside
        return found


class NotByteCode(Exception):
    """An .mpy of another version, or one that is not understood."""


class _Reader:
    def __init__(self, data: bytes):
        self.data = data
        self.at = 0

    def take(self, count: int) -> bytes:
        self.at += count
        return self.data[self.at - count : self.at]

    def byte(self) -> int:
        return self.take(1)[0]

    def number(self) -> int:
        value = 0
        while True:
            byte = self.byte()
            value = value << 7 | byte & 0x7F
            if byte < 0x80:
                return value


def parse(mpy: bytes) -> Module:
    """Take an .mpy apart. Raises: NotByteCode."""
    reader = _Reader(mpy)
    head = reader.take(4)
    if head[:2] != bytes((ord("M"), _VERSION)) or head[2] >> 2:
        raise NotByteCode("no byte code of version 6")
    name_count, constant_count = reader.number(), reader.number()
    names: list[bytes | int] = []
    for _ in range(name_count):
        length = reader.number()
        names.append(length >> 1 if length & 1 else reader.take((length >> 1) + 1)[:-1])
    constants = [_constant(reader) for _ in range(constant_count)]
    code = _code(reader)
    if reader.at != len(mpy):
        raise NotByteCode("something is left")
    return Module(head, names, constants, code)


def build(module: Module) -> bytes:
    """Put an .mpy together."""
    out = module.head + _number(len(module.names)) + _number(len(module.constants))
    for name in module.names:
        if isinstance(name, int):
            out += _number(name << 1 | 1)
        else:
            out += _number(len(name) << 1) + name + b"\0"
    return out + b"".join(map(_built_constant, module.constants)) + _built(module.code)


def _number(value: int) -> bytes:
    out = bytes((value & 0x7F,))
    while value > 0x7F:
        value >>= 7
        out = bytes((value & 0x7F | 0x80,)) + out
    return out


def _constant(reader: _Reader) -> Constant:
    kind = reader.byte()
    if kind in _WITHOUT_DATA:
        return Constant(kind)
    length = reader.number()
    if kind == TUPLE:
        return Constant(kind, items=[_constant(reader) for _ in range(length)])
    return Constant(kind, reader.take(length + (kind in _TEXTS))[:length])


def _built_constant(constant: Constant) -> bytes:
    out = bytes((constant.kind,))
    if constant.kind in _WITHOUT_DATA:
        return out
    if constant.kind == TUPLE:
        return out + _number(len(constant.items)) + b"".join(map(_built_constant, constant.items))
    end = b"\0" if constant.kind in _TEXTS else b""
    return out + _number(len(constant.data)) + constant.data + end


# -- code ----------------------------------------------------------------------------------------


def _code(reader: _Reader) -> Code:
    size = reader.number()
    if size & 3:
        raise NotByteCode("machine code")
    end = reader.at + (size >> 3)
    start = reader.at
    names_of_arguments = _arguments(reader)
    signature = reader.data[start : reader.at]
    info_length, cell_count = _sizes(reader)
    info_end = reader.at + info_length
    names = [reader.number() for _ in range(1 + names_of_arguments)]
    lines = reader.take(info_end - reader.at)
    cells = reader.take(cell_count)
    instructions, last = _instructions(reader.take(end - reader.at), lines)
    inside = [_code(reader) for _ in range(reader.number())] if size & 4 else []
    return Code(signature, names, cells, instructions, inside, last)


def _arguments(reader: _Reader) -> int:
    # xSSSSEAA xFSSKAED ...: of these A and K are arguments; the rest is not looked at.
    byte = reader.byte()
    count, shift = byte & 3, 2
    keyword_only, place = 0, 0
    while byte & 0x80:
        byte = reader.byte()
        count |= (byte >> 2 & 1) << shift
        keyword_only |= (byte >> 3 & 1) << place
        shift += 1
        place += 1
    return count + keyword_only


def _sizes(reader: _Reader) -> tuple[int, int]:
    # xIIIIIIC ...: bytes of names and lines, and cells.
    info = cells = place = 0
    while True:
        byte = reader.byte()
        cells |= (byte & 1) << place
        info |= (byte >> 1 & 0x3F) << 6 * place
        place += 1
        if byte < 0x80:
            return info, cells


def _built_sizes(info: int, cells: int) -> bytes:
    out = b""
    while True:
        byte = (info & 0x3F) << 1 | cells & 1
        info >>= 6
        cells >>= 1
        out += bytes((byte | (0x80 if info or cells else 0),))
        if not info and not cells:
            return out


def _instructions(data: bytes, lines: bytes) -> tuple[list[Instruction], Instruction]:
    reader = _Reader(data)
    found: dict[int, Instruction] = {}
    jumps: list[tuple[Instruction, int]] = []
    while reader.at < len(data):
        start = reader.at
        one = Instruction(reader.byte())
        kind = one.code >> 4
        if one.code == _SMALL_INT:
            begin = reader.at
            reader.number()
            one.raw = data[begin : reader.at]
        elif kind in (1, 2, 3):
            one.argument = reader.number()
        elif kind == 4:
            offset = reader.byte()
            is_signed = one.code in _SIGNED_JUMPS
            if offset & 0x80:
                offset = (offset & 0x7F | reader.byte() << 7) - (0x4000 if is_signed else 0)
            elif is_signed:
                offset -= 0x40
            jumps.append((one, reader.at + offset))
        if one.code in _MAKE_CLOSURE or one.code == _UNWIND_JUMP:
            one.extra = reader.take(1)
        found[start] = one
    last = Instruction(-1)
    found[len(data)] = last
    for one, place in jumps:
        if place not in found:
            raise NotByteCode("a jump into the middle of an instruction")
        one.target = found[place]
    line = 1
    starts = _line_starts(lines)
    for place, one in found.items():
        while starts and starts[0][0] <= place:
            line = starts.pop(0)[1]
        one.line = line
    return [one for one in found.values() if one is not last], last


def _built(code: Code) -> bytes:
    body, starts = _placed(code)
    info = b"".join(map(_number, code.names)) + _built_lines(code, starts)
    data = code.signature + _built_sizes(len(info), len(code.cells)) + info + code.cells + body
    out = _number(len(data) << 3 | (4 if code.inside else 0)) + data
    if code.inside:
        out += _number(len(code.inside)) + b"".join(map(_built, code.inside))
    return out


def _placed(code: Code) -> tuple[bytes, list[int]]:
    """Return the instructions' bytes, and where each begins: jumps as short as they can be."""
    wide: set[int] = set()
    while True:
        place = {}
        at = 0
        for number, one in enumerate(code.instructions):
            place[id(one)] = at
            at += len(_encoded(one)) + (0 if one.target is None else 2 if number in wide else 1)
        place[id(code.end)] = at
        out = b""
        again = False
        for number, one in enumerate(code.instructions):
            jump = b""
            if one.target is not None:
                width = 2 if number in wide else 1
                start = place[id(one)] + 1 + width
                found = _offset(one, place[id(one.target)] - start, width)
                if found is None:
                    wide.add(number)
                    again = True
                    continue
                jump = found
            encoded = _encoded(one)
            out += encoded[:1] + jump + encoded[1:]
        if not again:
            return out, [place[id(one)] for one in code.instructions]


def _encoded(one: Instruction) -> bytes:
    argument = one.raw
    if one.code >> 4 in (1, 2, 3) and one.code != _SMALL_INT:
        argument = _number(one.argument)
    return bytes((one.code,)) + argument + one.extra


def _offset(one: Instruction, offset: int, width: int) -> bytes | None:
    """Return a jump's argument; None: it does not fit."""
    if width == 1:
        offset += 0x40 if one.code in _SIGNED_JUMPS else 0
        return bytes((offset,)) if 0 <= offset < 0x80 else None
    offset += 0x4000 if one.code in _SIGNED_JUMPS else 0
    if not 0 <= offset < 0x8000:
        raise NotByteCode("a jump too far")
    return bytes((offset & 0x7F | 0x80, offset >> 7))


# -- lines ---------------------------------------------------------------------------------------


def _line_starts(lines: bytes) -> list[tuple[int, int]]:
    """Return (byte, line) for each place at which another line begins."""
    reader = _Reader(lines)
    at, line = 0, 1
    found = []
    while reader.at < len(lines):
        byte = reader.byte()
        if byte & 0x80:
            at += byte & 0xF
            line += (byte << 4 & 0x700) | reader.byte()
        else:
            at += byte & 0x1F
            line += byte >> 5
        found.append((at, line))
    return found


def _built_lines(code: Code, starts: list[int]) -> bytes:
    out = b""
    at, line = 0, 1
    for one, start in zip(code.instructions, starts, strict=True):
        if one.line == line:
            continue
        skipped, lines = start - at, one.line - line
        at, line = start, one.line
        # One byte: up to 31 bytes and 3 lines; two: 15 and 2047. Lines never go back.
        limit = 0x1F if lines <= 6 else 0xF
        while skipped > limit:
            step = min(skipped, 0x1F)
            out += bytes((step,))
            skipped -= step
        while lines > 6:
            step = min(lines, 0x7FF)
            out += bytes((0x80 | skipped | step >> 4 & 0x70, step & 0xFF))
            lines -= step
            skipped = 0
        while lines or skipped:
            step = min(lines, 3)
            out += bytes((skipped | step << 5,))
            lines -= step
            skipped = 0
    return out

"""Scalars out of TensorBoard's event files, read by ourselves so that nothing needs installing.

A file is a row of TFRecords (tensorflow/core/lib/io/record_writer.h): length (8 bytes, little endian), its masked
CRC-32C (4), the data, its masked CRC-32C (4). The data is an ``Event`` (tensorflow/core/util/event.proto): ``step`` is
field 2, ``summary`` field 5. Its values (summary.proto) have ``tag`` (1), ``simple_value`` (2, a float) or ``tensor``
(8; tensor.proto: ``dtype`` 1, ``tensor_content`` 4, ``float_val`` 5, ``double_val`` 6) and ``metadata`` (9).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

_SCALARS_FIT = 1 << 20  # records above hold pictures, sounds or graphs; their data is passed over
_CASTAGNOLI = 0x82F63B78  # the reversed polynomial of CRC-32C (RFC 3720, appendix B.4)
_MASK = 0xA282EAD8  # TensorFlow's: a checksum of data that holds checksums would be weak
_FLOAT, _DOUBLE = 1, 2  # DataType of tensors that are numbers of one value

_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5  # wire types of protobuf


class Torn(Exception):
    """The file ends inside a record, or a record is not what its checksum says; ``at`` is where it begins."""

    def __init__(self, at: int, why: str) -> None:
        super().__init__(f"{why} at byte {at:,}")
        self.at, self.why = at, why


@dataclass(frozen=True, slots=True)
class Scalar:
    """One number of an event."""

    tag: str
    step: int
    wall_time_s: float
    value: float


def scalars(file: BinaryIO) -> Iterator[Scalar]:
    """Every scalar of an event file, in its order.

    Raises:
        Torn: the rest cannot be read. What came before stands.
    """
    for at, data in _records(file):
        try:
            yield from _of_event(data)
        except (ValueError, struct.error, IndexError, OverflowError) as error:
            raise Torn(at, "an event that is none") from error


def starts_as_events(head: bytes) -> bool:
    """Whether a file begins with a whole header of a record whose checksum holds."""
    if len(head) < 12:
        return False
    length, checksum = struct.unpack("<QI", head[:12])
    return bool(checksum == masked_crc(head[:8]) and 0 < length < 1 << 32)


def _records(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    at = 0
    while header := file.read(12):
        if len(header) < 12:
            raise Torn(at, "the file ends inside a record")
        length, checksum = struct.unpack("<QI", header)
        if checksum != masked_crc(header[:8]):
            raise Torn(at, "a wrong checksum of a length")
        if length > _SCALARS_FIT:
            file.seek(length + 4, 1)
        else:
            data, after = file.read(length), file.read(4)
            if len(data) < length or len(after) < 4:
                raise Torn(at, "the file ends inside a record")
            if struct.unpack("<I", after)[0] != masked_crc(data):
                raise Torn(at, "a wrong checksum")
            yield at, data
        at += 16 + length


def masked_crc(data: bytes) -> int:
    """CRC-32C as TFRecords store it."""
    crc = 0xFFFFFFFF
    table = _TABLE
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + _MASK) & 0xFFFFFFFF


def _table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ (_CASTAGNOLI if byte & 1 else 0)
        table.append(byte)
    return tuple(table)


_TABLE = _table()


def _of_event(data: bytes) -> Iterator[Scalar]:
    wall_time, step, summaries = 0.0, 0, []
    for field, kind, value in _fields(data):
        if field == 1 and kind == _EIGHT:
            (wall_time,) = struct.unpack("<d", _raw(value))
        elif field == 2 and kind == _VARINT:
            step = _signed(value)
        elif field == 5 and kind == _BYTES:
            summaries.append(_raw(value))
    for summary in summaries:
        for field, kind, value in _fields(summary):
            if field == 1 and kind == _BYTES:
                tag, number = _value(_raw(value))
                if number is not None:
                    yield Scalar(tag, step, wall_time, number)


def _value(data: bytes) -> tuple[str, float | None]:
    tag, number = "", None
    for field, kind, value in _fields(data):
        if field == 1 and kind == _BYTES:
            tag = _raw(value).decode("utf-8", errors="replace")
        elif field == 2 and kind == _FOUR:
            (number,) = struct.unpack("<f", _raw(value))
        elif field == 8 and kind == _BYTES:
            number = _tensor(_raw(value))
    return tag, number


def _tensor(data: bytes) -> float | None:
    """The number of a tensor of one float or double; None of any other."""
    dtype, found = 0, b""
    for field, kind, value in _fields(data):
        if field == 1 and kind == _VARINT:
            dtype = _signed(value)
        elif (field == 4 and kind == _BYTES) or (field in (5, 6) and kind in (_BYTES, _FOUR, _EIGHT)):
            found = _raw(value)
    form = {_FLOAT: "<f", _DOUBLE: "<d"}.get(dtype)
    if form is None or len(found) != struct.calcsize(form):
        return None
    number: float = struct.unpack(form, found)[0]
    return number


def _fields(data: bytes) -> Iterator[tuple[int, int, int | bytes]]:
    """Number, wire type and value of each field of a message.

    Raises:
        ValueError, IndexError: it is no message.
    """
    at, end = 0, len(data)
    while at < end:
        key, at = _varint(data, at)
        field, kind = key >> 3, key & 7
        if kind == _VARINT:
            number, at = _varint(data, at)
            yield field, kind, number
            continue
        if kind == _BYTES:
            size, at = _varint(data, at)
        elif kind in (_EIGHT, _FOUR):
            size = 8 if kind == _EIGHT else 4
        else:
            raise ValueError(f"wire type {kind}")
        if at + size > end:
            raise ValueError("a field that is longer than its message")
        yield field, kind, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7
        if shift > 63:
            raise ValueError("a number of more than 64 bits")


def _signed(value: int | bytes) -> int:
    assert isinstance(value, int)
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value


def _raw(value: int | bytes) -> bytes:
    assert isinstance(value, bytes)
    return value

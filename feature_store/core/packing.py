"""One compact blob per record: a fixed header, packed scalars, length-prefixed arrays. Little endian, 8-byte aligned.

    0  magic "SHOP"   4  layout version   6  field count   8  fingerprint of every field's name, dtype, shape   12  zero
   16  event time us  24  created us      32  bit i set = scalar i is null   40  digest of all that follows
   48  scalars | element counts | arrays, each part padded to 8 bytes

Values keep the dtype of the gold table (decayed sums stay float64): the ranker's float32 input is cast after the
decay on read, so online and offline give the same bits.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from feature_store.core.catalogue import Dtype, View
from shared_utils.errors import DataError

HEADER = struct.Struct("<4sHHI4xqqQ8s")
MAGIC = b"SHOP"
LAYOUT_VERSION = 1
REMEDY = "Run `python -m feature_store.materialize` with this version of the code."
_CODES: Mapping[str, str] = {"int32": "i", "int64": "q", "float32": "f", "float64": "d"}

Array = npt.NDArray[Any]
Value = int | float | Array | None


class Stamp(NamedTuple):
    """When a record's values held and when they became known, in microseconds since 1970 UTC. Orders records."""

    event_us: int
    created_us: int


class Field(NamedTuple):
    """One packed value."""

    name: str
    dtype: Dtype
    is_array: bool


class Header(NamedTuple):
    """The decoded head of a blob."""

    stamp: Stamp
    null_mask: int
    digest: bytes


def _padded(size: int) -> int:
    return -size % 8


@dataclass(frozen=True)
class RecordLayout:
    """How the values of one view lie in a blob. Reader and writer must agree: the fingerprint stands in the header."""

    name: str
    fields: tuple[Field, ...]

    @cached_property
    def fingerprint(self) -> int:
        """Checksum over the name, dtype and shape of every field."""
        return zlib.crc32(repr([tuple(field) for field in self.fields]).encode())

    @cached_property
    def _scalars(self) -> tuple[Field, ...]:
        return tuple(field for field in self.fields if not field.is_array)

    @cached_property
    def _arrays(self) -> tuple[tuple[str, np.dtype[Any]], ...]:
        return tuple((f.name, np.dtype(f.dtype).newbyteorder("<")) for f in self.fields if f.is_array)

    @cached_property
    def _scalar_struct(self) -> struct.Struct:
        codes = "".join(_CODES[field.dtype] for field in self._scalars)
        return struct.Struct(f"<{codes}{_padded(struct.calcsize('<' + codes))}x")

    @cached_property
    def _count_struct(self) -> struct.Struct:
        return struct.Struct(f"<{len(self._arrays)}I{_padded(4 * len(self._arrays))}x")

    def pack(self, stamp: Stamp, values: Mapping[str, Value]) -> bytes:
        """The blob of one record.

        Raises:
            DataError: a value is missing, an array is null, or a number does not fit its dtype.
        """
        try:
            scalars = [values[field.name] for field in self._scalars]
            arrays = [_exact(values[name], dtype) for name, dtype in self._arrays]
            nulls = sum(1 << place for place, value in enumerate(scalars) if value is None)
            parts = [
                self._scalar_struct.pack(*(0 if value is None else value for value in scalars)),
                self._count_struct.pack(*(len(array) for array in arrays)),
            ]
            for array in arrays:
                parts += (array.tobytes(), bytes(_padded(array.nbytes)))
        except (KeyError, struct.error, ValueError, OverflowError) as exc:
            raise DataError(f"A record of {self.name} cannot be packed ({exc}).", "Correct the gold table.") from exc
        body = b"".join(parts)
        return self._head(stamp, nulls, hashlib.blake2b(body, digest_size=8).digest()) + body

    def _head(self, stamp: Stamp, nulls: int, digest: bytes) -> bytes:
        return HEADER.pack(MAGIC, LAYOUT_VERSION, len(self.fields), self.fingerprint, *stamp, nulls, digest)

    def header(self, blob: bytes) -> Header:
        """The head of a blob of this layout (the first 48 bytes are enough).

        Raises:
            DataError: the blob is truncated or of another layout.
        """
        if len(blob) < HEADER.size:
            raise DataError(f"A record of {self.name} is truncated ({len(blob)} bytes).", REMEDY)
        magic, version, count, fingerprint, event_us, created_us, nulls, digest = HEADER.unpack_from(blob)
        if (magic, version, count, fingerprint) != (MAGIC, LAYOUT_VERSION, len(self.fields), self.fingerprint):
            raise DataError(f"A record of {self.name} has another layout ({version}, {fingerprint:08x}).", REMEDY)
        return Header(Stamp(event_us, created_us), nulls, digest)

    def unpack(self, blob: bytes) -> tuple[Stamp, list[Value]]:
        """The stamp and the values in field order; arrays are read-only views into the blob.

        Raises:
            DataError: the blob is truncated or of another layout.
        """
        head = self.header(blob)
        try:
            scalars: list[Value] = list(self._scalar_struct.unpack_from(blob, HEADER.size))
            arrays, end = self._read_arrays(blob)
        except (struct.error, ValueError) as exc:
            raise DataError(f"A record of {self.name} is truncated ({exc}).", REMEDY) from exc
        if end != len(blob):
            raise DataError(f"A record of {self.name} has {len(blob)} bytes, not {end}.", REMEDY)
        if head.null_mask:
            scalars = [None if head.null_mask >> place & 1 else value for place, value in enumerate(scalars)]
        return head.stamp, self._in_order(scalars, arrays)

    def _read_arrays(self, blob: bytes) -> tuple[list[Array], int]:
        start = HEADER.size + self._scalar_struct.size
        counts = self._count_struct.unpack_from(blob, start)
        start += self._count_struct.size
        arrays: list[Array] = []
        for (_, dtype), count in zip(self._arrays, counts, strict=True):
            arrays.append(np.frombuffer(blob, dtype, count, start))
            start += (count * dtype.itemsize + 7) & -8
        return arrays, start

    def _in_order(self, scalars: Sequence[Value], arrays: Sequence[Array]) -> list[Value]:
        if not arrays:
            return list(scalars)
        if not scalars:
            return list(arrays)
        scalar, array = iter(scalars), iter(arrays)
        return [next(array) if field.is_array else next(scalar) for field in self.fields]

    def is_intact(self, blob: bytes) -> bool:
        """Whether the body still has the digest that was written with it (not part of the hot path)."""
        return hashlib.blake2b(blob[HEADER.size :], digest_size=8).digest() == self.header(blob).digest


def _exact(value: Value, dtype: np.dtype[Any]) -> Array:
    if value is None:
        raise ValueError("an array is null")
    given = np.asarray(value)
    cast = given.astype(dtype)
    if dtype.kind == "i" and not np.array_equal(cast, given):
        raise ValueError(f"a value does not fit {dtype}")
    return cast


def view_layout(view: View) -> RecordLayout:
    """The packed layout of a feature view: its features in catalogue order."""
    is_array = view.arrays_of is not None
    names = zip(view.feature_names, view.features, strict=True)
    return RecordLayout(view.name, tuple(Field(name, feature.dtype, is_array) for name, feature in names))

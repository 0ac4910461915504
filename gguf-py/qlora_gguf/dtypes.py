"""The element types of tensors: upstream's ids, and those of qlora.cpp far above them."""
from __future__ import annotations

import enum
import operator
from typing import NamedTuple, SupportsIndex


class DType(enum.IntEnum):
    """A tensor's type by its number in GGUF files."""

    F32 = 0
    F16 = 1
    Q4_0 = 2
    Q4_1 = 3
    Q5_0 = 6
    Q5_1 = 7
    Q8_0 = 8
    Q8_1 = 9
    Q2_K = 10
    Q3_K = 11
    Q4_K = 12
    Q5_K = 13
    Q6_K = 14
    Q8_K = 15
    IQ2_XXS = 16
    IQ2_XS = 17
    IQ3_XXS = 18
    IQ1_S = 19
    IQ4_NL = 20
    IQ3_S = 21
    IQ2_S = 22
    IQ4_XS = 23
    I8 = 24
    I16 = 25
    I32 = 26
    I64 = 27
    F64 = 28
    IQ1_M = 29
    BF16 = 30
    TQ1_0 = 34
    TQ2_0 = 35
    MXFP4 = 39
    NVFP4 = 40
    Q1_0 = 41
    Q2_0 = 42
    NF4 = 0x4E460000
    NF4_DQ = 0x4E460001
    FP4 = 0x4E460002

    @property
    def label(self) -> str:
        """The name in files and on command lines: "nf4_dq", "q4_K"."""
        name = self.name.lower()
        return name[:-1] + "K" if name.endswith("_k") else name

    @property
    def block_length(self) -> int:
        """Elements in a block; rows must be a multiple of it."""
        return _BLOCKS[self].length

    @property
    def planar(self) -> bool:
        """The NF4 family: codes and scales in planes of their own, so that a tensor is whole or nothing."""
        return self >= DType.NF4

    @classmethod
    def of(cls, dtype: DType | str | SupportsIndex) -> DType:
        """The type with a name, in upper or lower case, or a number.    raises  ValueError, TypeError"""
        if isinstance(dtype, str):
            for known in cls:
                if known.name == dtype.upper():
                    return known
            raise ValueError(f"unknown type '{dtype[:40]}'; known: {', '.join(d.label for d in cls)}")
        if isinstance(dtype, bool) or not isinstance(dtype, SupportsIndex):  # NumPy's integers are such
            raise TypeError(f"a type is a DType, its name or its number, not {type(dtype).__name__}")
        return cls(operator.index(dtype))

    def n_bytes(self, n: int) -> int:
        """Bytes of a tensor of n elements, planes and their padding included.    raises  ValueError"""
        length, size = _BLOCKS[self]
        if n <= 0 or n % length != 0:
            raise ValueError(f"{n} elements are no multiple of the {length} of a block of {self.label}")
        return PlaneOffsets(self, n).end if self.planar else n // length * size


class _Block(NamedTuple):
    length: int
    size: int  # bytes; of codes and scale together for the planar types


_BLOCKS = {
    DType.F32: _Block(1, 4),
    DType.F16: _Block(1, 2),
    DType.Q4_0: _Block(32, 18),
    DType.Q4_1: _Block(32, 20),
    DType.Q5_0: _Block(32, 22),
    DType.Q5_1: _Block(32, 24),
    DType.Q8_0: _Block(32, 34),
    DType.Q8_1: _Block(32, 40),
    DType.Q2_K: _Block(256, 84),
    DType.Q3_K: _Block(256, 110),
    DType.Q4_K: _Block(256, 144),
    DType.Q5_K: _Block(256, 176),
    DType.Q6_K: _Block(256, 210),
    DType.Q8_K: _Block(256, 292),
    DType.IQ2_XXS: _Block(256, 66),
    DType.IQ2_XS: _Block(256, 74),
    DType.IQ3_XXS: _Block(256, 98),
    DType.IQ1_S: _Block(256, 50),
    DType.IQ4_NL: _Block(32, 18),
    DType.IQ3_S: _Block(256, 110),
    DType.IQ2_S: _Block(256, 82),
    DType.IQ4_XS: _Block(256, 136),
    DType.I8: _Block(1, 1),
    DType.I16: _Block(1, 2),
    DType.I32: _Block(1, 4),
    DType.I64: _Block(1, 8),
    DType.F64: _Block(1, 8),
    DType.IQ1_M: _Block(256, 56),
    DType.BF16: _Block(1, 2),
    DType.TQ1_0: _Block(256, 54),
    DType.TQ2_0: _Block(256, 66),
    DType.MXFP4: _Block(32, 17),
    DType.NVFP4: _Block(64, 36),
    DType.Q1_0: _Block(128, 18),
    DType.Q2_0: _Block(64, 18),
    DType.NF4: _Block(64, 36),
    DType.NF4_DQ: _Block(64, 33),
    DType.FP4: _Block(64, 36),
}

PLANE_ALIGNMENT = 64  # planes begin at multiples of this from the tensor's start
GROUP_BLOCKS = 256  # blocks whose scales nf4_dq quantises together


def align(n: int, alignment: int) -> int:
    """n rounded up to a multiple of `alignment`."""
    return -(-n // alignment) * alignment


class PlaneOffsets:
    """Where the planes of a tensor of n weights begin; its codes are at 0, 32 bytes a block of 64.

    nf4, fp4   scales: f32 a block
    nf4_dq     scales: u8 a block, codes of the signed dynamic map; scales2: f32 a group of 256 blocks; offset: one f32
    """

    def __init__(self, dtype: DType, n: int) -> None:
        blocks = n // 64
        self.scales = align(n // 2, PLANE_ALIGNMENT)
        if dtype != DType.NF4_DQ:
            self.scales2 = self.offset = self.end = self.scales + 4 * blocks
            return
        self.scales2 = align(self.scales + blocks, PLANE_ALIGNMENT)
        self.offset = align(self.scales2 + 4 * (-(-blocks // GROUP_BLOCKS)), PLANE_ALIGNMENT)
        self.end = self.offset + 4

"""The bits of a parameter set."""

from __future__ import annotations

from media.errors import CodecError


class BitReader:
    """The bits of an RBSP, most significant first. Reading past the end is a `CodecError`."""

    __slots__ = ("_bits", "_left")

    def __init__(self, nal: bytes, start: int) -> None:
        # 7.4.1.1: 00 00 03 in a NAL unit stands for 00 00.
        rbsp = nal[start:].replace(b"\x00\x00\x03", b"\x00\x00")
        self._bits = int.from_bytes(rbsp, "big")
        self._left = 8 * len(rbsp)

    def bits(self, count: int) -> int:
        """An unsigned integer of `count` bits: u(n)."""
        if count > self._left:
            raise CodecError("a parameter set ends early")
        self._left -= count
        return (self._bits >> self._left) & ((1 << count) - 1)

    def flag(self) -> bool:
        """One bit: u(1)."""
        return self.bits(1) == 1

    def unsigned(self) -> int:
        """An Exp-Golomb code (9.1): ue(v)."""
        zeros = 0
        while not self.flag():
            zeros += 1
            if zeros > 31:
                raise CodecError("an Exp-Golomb code in a parameter set is longer than 32 bits")
        return (1 << zeros) - 1 + self.bits(zeros)

    def signed(self) -> int:
        """A signed Exp-Golomb code (9.1.1): se(v)."""
        code = self.unsigned()
        return (code + 1) // 2 if code % 2 else -(code // 2)

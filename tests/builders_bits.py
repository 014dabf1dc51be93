"""Bits written the way parameter sets are."""

from __future__ import annotations


class BitWriter:
    """The inverse of a `BitReader`."""

    def __init__(self) -> None:
        self.text = ""

    def bits(self, value: int, count: int) -> BitWriter:
        """Fixed length, u(n)."""
        self.text += f"{value:0{count}b}" if count else ""
        return self

    def ue(self, *values: int) -> BitWriter:
        """Unsigned Exp-Golomb codes, several in a row."""
        for value in values:
            self.text += "0" * ((value + 1).bit_length() - 1) + f"{value + 1:b}"
        return self

    def se(self, *values: int) -> BitWriter:
        """Signed Exp-Golomb codes, several in a row."""
        return self.ue(*(2 * value - 1 if value > 0 else -2 * value for value in values))

    def to_nal(self, header: bytes) -> bytes:
        """With the stop bit and emulation prevention."""
        text = self.text + "1"
        rbsp = int(text, 2) << (-len(text) % 8)
        content, nal, zeros = rbsp.to_bytes(-(-len(text) // 8), "big"), bytearray(header), 0
        for byte in content:
            if zeros >= 2 and byte <= 3:
                nal.append(3)
                zeros = 0
            nal.append(byte)
            zeros = zeros + 1 if byte == 0 else 0
        return bytes(nal)

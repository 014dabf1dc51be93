"""What can be asked of the simulator, checked where it comes in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from media.errors import ConfigError
from simulator.codecs import find_codec
from simulator.sound import check_sound

if TYPE_CHECKING:
    from pathlib import Path

    from simulator.steps import Script, Step

MAX_CAMERAS = 9999
MAX_GOP_US = 600_000_000
MAX_PICTURE_BITS = 1_200_000
"""What a drawn picture can fill: all its grain, coded almost without loss."""

_RATE = re.compile(r"(\d+(?:\.\d+)?)([kKmM]?)")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_RATE_FACTORS = {"": 1, "k": 1_000, "m": 1_000_000}
_DURATION_FACTORS_US = {"ms": 1_000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000}


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """The user that every camera asks for, and the schemes it offers, strongest first."""

    username: str
    password: str
    schemes: tuple[str, ...] = ("digest", "basic")

    def __post_init__(self) -> None:
        if not self.username or ":" in self.username:
            raise ConfigError("simulator username: must not be empty or hold a colon (RFC 7617)")
        if not self.schemes or not set(self.schemes) <= {"digest", "basic"}:
            raise ConfigError(f"simulator authentication {', '.join(self.schemes) or 'none'}: digest, basic or both")

    def __repr__(self) -> str:
        return f"Credentials({', '.join(self.schemes)})"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Kind:
    """What a camera sends. Cameras of one kind can share what is encoded. Wrong values raise ConfigError."""

    bitrate_bps: int = 4_000_000
    fps: int = 25
    gop_us: int = 1_000_000
    b_frames: bool = False
    small: bool = False
    """Another picture size: what a camera sends after somebody has changed it."""
    codec: str = "h264"

    def __post_init__(self) -> None:
        _check("bitrate", self.bitrate_bps, 100_000, 50_000_000)
        _check("fps", self.fps, 1, 120)
        _check("gop (in microseconds)", self.gop_us, 1_000_000 // self.fps, MAX_GOP_US)
        if self.b_frames and not find_codec(self.codec).reorders:
            raise ConfigError(f"simulator b-frames: cameras of {self.codec} send pictures in the order they show them")

    @property
    def gop_frames(self) -> int:
        """The distance of sync samples in frames."""
        return max(1, self.gop_us * self.fps // 1_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraOptions(Kind):
    """One camera. Its name is the path of its URL; `site` is where it hangs; `audio` is the codec of its sound."""

    name: str
    site: str = ""
    audio: str = ""

    @property
    def kind(self) -> Kind:
        """What it has in common with others."""
        return Kind(
            bitrate_bps=self.bitrate_bps,
            fps=self.fps,
            gop_us=self.gop_us,
            b_frames=self.b_frames,
            codec=self.codec,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorOptions:
    """A fleet, or that many cameras that are alike. Wrong values raise ConfigError with the field's name.

    `file` loops that file's own frames instead of generated ones; `oracle` then adds the mark (simulator/oracle.py) to
    them, which generated frames always carry. `port` 0 takes any free one. `queue_bytes` is how much may wait for a
    slow reader before it is dropped. With a `fleet`, `cameras` and what describes them is left aside, and so is `host`:
    each camera has a loopback address of its own. Everything that looks random follows from `seed`. `faults` are there
    from the beginning, `script` begins when it is told to; `fault_log` says when what was wrong.
    """

    cameras: int = 1
    fleet: tuple[CameraOptions, ...] = ()
    host: str = "127.0.0.1"
    port: int = 8554
    bitrate_bps: int = 4_000_000
    fps: int = 25
    gop_us: int = 1_000_000
    b_frames: bool = False
    codec: str = "h264"
    audio: str = ""
    file: Path | None = None
    oracle: bool = False
    credentials: Credentials | None = None
    sent_log: Path | None = None
    session_timeout_s: int = 60
    queue_bytes: int = 8 << 20
    seed: int = 0
    faults: tuple[Step, ...] = ()
    script: Script | None = None
    fault_log: Path | None = None

    def __post_init__(self) -> None:
        _check("cameras", len(self.fleet) or self.cameras, 1, MAX_CAMERAS)
        _check("port", self.port, 0, 65_535)
        for kind in {camera.kind for camera in self.lineup} if self.file is None else ():
            check_drawable(kind)
        _check("session timeout (in seconds)", self.session_timeout_s, 1, 86_400)
        _check("queue (in bytes)", self.queue_bytes, 64 << 10, 1 << 30)
        for camera in self.lineup:
            check_sound(camera.audio)
        if self.file is not None and not self.file.is_file():
            raise ConfigError(f"simulator file {self.file}: no such file")

    @property
    def lineup(self) -> tuple[CameraOptions, ...]:
        """Every camera: the fleet, or numbered ones that are alike."""
        if self.fleet:
            return self.fleet
        return tuple(
            CameraOptions(
                name=f"cam/{number:04d}",
                bitrate_bps=self.bitrate_bps,
                fps=self.fps,
                gop_us=self.gop_us,
                b_frames=self.b_frames,
                codec=self.codec,
                audio=self.audio,
            )
            for number in range(1, self.cameras + 1)
        )


def check_drawable(kind: Kind) -> None:
    """ConfigError if drawn pictures cannot fill the bitrate."""
    _check(f"bitrate at {kind.fps} fps", kind.bitrate_bps, 100_000, kind.fps * MAX_PICTURE_BITS)


def parse_bitrate(text: str) -> int:
    """Bits a second from `4M`, `1.5M`, `800k` or `64000`."""
    match = _RATE.fullmatch(text.strip())
    if match is None:
        raise ConfigError(f"bitrate {text!r}: a number of bits a second such as 4M, 800k or 64000")
    return _scaled(match[1], _RATE_FACTORS[match[2].lower()])


def parse_duration_us(text: str) -> int:
    """Microseconds from `1s`, `500ms`, `1.5s`, `2m` or `1h`."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ConfigError(f"duration {text!r}: a number with a unit such as 1s, 500ms, 2m or 1h")
    return _scaled(match[1], _DURATION_FACTORS_US[match[2]])


def _scaled(number: str, factor: int) -> int:
    whole, _, decimals = number.partition(".")
    return int(whole) * factor + int(decimals or "0") * factor // int(10 ** len(decimals))


def _check(field: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise ConfigError(f"simulator {field} {value}: must be between {least} and {most}")

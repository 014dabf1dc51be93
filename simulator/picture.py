"""The picture of a simulated camera: cheap to draw, moving, and telling its own time.

A person sees which second a frame shows: the clock is burnt in, with milliseconds, and a dial's hand turns once a
minute. Grain, as from a sensor at night, moves everywhere: it makes the encoder reach any bitrate it is asked for.
A picture is a pure function of its instant, so a test can draw it again and compare pixels.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import cv2
import numpy as np

from simulator.seed import chance

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

WIDTH, HEIGHT = 640, 360
SMALL = (480, 272)
"""The other size of a picture, for cameras that change it."""

STRIP_HEIGHT = 44
"""The dark strip on top, with the camera's name and its clock."""

_GRAIN_SIGMA = 8
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DIAL_CENTRE, _DIAL_RADIUS = (530, 160), 70
_BALL_Y, _BALL_RADIUS = 300, 24
_BALL_PERIOD_US = 5_000_000
_HAND_PERIOD_US = 60_000_000
_BLACK, _WHITE, _NEUTRAL = 16, 235, 128


def utc_text(wall_us: int) -> str:
    """The clock as it is burnt in: date, time and milliseconds, UTC."""
    instant = _EPOCH + timedelta(microseconds=wall_us)
    return f"{instant:%Y-%m-%d %H:%M:%S}.{instant.microsecond // 1000:03d} UTC"


def corner(planes: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """The upper left part of a picture, as I420 planes again."""
    if (width, height) == (WIDTH, HEIGHT):
        return planes
    chroma = planes[HEIGHT:].reshape(2, HEIGHT // 2, WIDTH // 2)[:, : height // 2, : width // 2]
    return np.concatenate([planes[:height, :width], chroma.reshape(height // 2, width)])


class Picture:
    """Draws one camera: `render` returns I420 planes as one array of shape (HEIGHT * 3 / 2, WIDTH), uint8."""

    def __init__(self, title: str, clock_text: Callable[[int], str] = utc_text, seed: int = 0) -> None:
        self._title = title
        self._clock_text = clock_text
        random = np.random.default_rng(chance(seed, title, "grain").getrandbits(64))
        # Twice the size in both directions: a window at a random place of it is fresh grain for the price of a copy.
        self._grain = random.normal(0, _GRAIN_SIGMA, (2 * HEIGHT, 2 * WIDTH)).round().astype(np.int8)
        shade = np.linspace(70, 170, HEIGHT, dtype=np.int16)[:, np.newaxis]
        self._background = np.broadcast_to(shade, (HEIGHT, WIDTH)).copy()
        self._tint = tuple(int(value) for value in random.integers(108, 149, 2))

    def render(self, wall_us: int) -> NDArray[np.uint8]:
        """The picture of an instant."""
        planes = np.empty((HEIGHT * 3 // 2, WIDTH), np.uint8)
        luma = planes[:HEIGHT]
        blue, red = planes[HEIGHT:].reshape(2, HEIGHT // 2, WIDTH // 2)
        blue[:], red[:] = self._tint
        # Times a large prime: at no frame rate may the grain drift, which an encoder would follow for nothing.
        place = wall_us // 1000 * 2_654_435_761 >> 8
        top, left = place % HEIGHT, place // HEIGHT % WIDTH
        np.add(self._background, self._grain[top : top + HEIGHT, left : left + WIDTH], out=luma, casting="unsafe")
        self._draw_ball(luma, blue, red, wall_us)
        self._draw_dial(luma, wall_us)
        self._draw_strip(luma, blue, red, wall_us)
        return planes

    def _draw_strip(self, luma: NDArray[np.uint8], blue: NDArray[np.uint8], red: NDArray[np.uint8], at_us: int) -> None:
        luma[:STRIP_HEIGHT] = _BLACK
        blue[: STRIP_HEIGHT // 2] = red[: STRIP_HEIGHT // 2] = _NEUTRAL
        _write(luma, self._title, (10, 30))
        _write(luma, self._clock_text(at_us), (210, 30))

    def _draw_dial(self, luma: NDArray[np.uint8], at_us: int) -> None:
        angle = 2 * math.pi * (at_us % _HAND_PERIOD_US) / _HAND_PERIOD_US
        tip = (
            round(_DIAL_CENTRE[0] + _DIAL_RADIUS * 0.9 * math.sin(angle)),
            round(_DIAL_CENTRE[1] - _DIAL_RADIUS * 0.9 * math.cos(angle)),
        )
        cv2.circle(luma, _DIAL_CENTRE, _DIAL_RADIUS, _BLACK, 3, cv2.LINE_AA)
        cv2.line(luma, _DIAL_CENTRE, tip, _BLACK, 4, cv2.LINE_AA)

    def _draw_ball(self, luma: NDArray[np.uint8], blue: NDArray[np.uint8], red: NDArray[np.uint8], at_us: int) -> None:
        """Crosses the picture in five seconds, so that a stalled picture is seen at once."""
        x = _BALL_RADIUS + (WIDTH - 2 * _BALL_RADIUS) * (at_us % _BALL_PERIOD_US) // _BALL_PERIOD_US
        cv2.circle(luma, (x, _BALL_Y), _BALL_RADIUS, 150, cv2.FILLED, cv2.LINE_AA)
        for plane, value in ((blue, 90), (red, 210)):
            cv2.circle(plane, (x // 2, _BALL_Y // 2), _BALL_RADIUS // 2, value, cv2.FILLED)


def _write(luma: NDArray[np.uint8], text: str, origin: tuple[int, int]) -> None:
    cv2.putText(luma, text, origin, cv2.FONT_HERSHEY_SIMPLEX, 0.62, _WHITE, 1, cv2.LINE_AA)

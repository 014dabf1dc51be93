"""The sound of simulated cameras, recorded: every frame that left whole, once, in order, when it was heard."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import pytest

from media.fmp4_read import fragment_samples, scan
from media.moof import TRACK_ID
from simulator import CameraOptions, SentFrame, Simulator, SimulatorOptions
from simulator.script import parse_flag
from simulator.sound import SOUNDS
from storage.layout import Layout
from tests.scenario.test_recording import assigned, recording, stream_of
from tests.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.scenario, pytest.mark.timeout(120)]

LOSSY = "pcmu"
LATE_US = 500_000
"""How much later than it was heard a frame may seem to be on a busy machine: less than a lap is needed to know it."""


def stored_sound(data: Path, url: str) -> tuple[list[tuple[int, int]], int]:
    """When each frame of sound of a stream begins and the CRC of its bytes, in order; and how many packets are lost."""
    found, lost = [], 0
    paths = Layout(data).spool.glob(f"*/{stream_of(url)}/*.mp4")
    for path in sorted(paths, key=lambda path: int(path.name.split(".")[2])):
        content = path.read_bytes()
        segment = scan(lambda at, n, c=content: c[at : at + n], len(content), verify=True)  # type: ignore[misc]
        assert segment.sound is not None
        for fragment in segment.fragments:
            commit = fragment.commit
            if commit.track == TRACK_ID:
                continue
            lost += commit.lost_packets
            ticks, samples = fragment_samples(content[commit.offset : fragment.data_offset - 8], commit.track)
            at = fragment.data_offset
            for sample in samples:
                wall_us = commit.wall_us + (ticks - commit.media_ticks) * 1_000_000 // segment.sound.timescale
                found.append((wall_us, zlib.crc32(content[at : at + sample.size_bytes])))
                at, ticks = at + sample.size_bytes, ticks + sample.duration_ticks
    return found, lost


async def test_what_a_simulated_camera_says_is_stored_frame_by_frame(tmp_path: Path) -> None:
    """Of all codecs, over TCP and UDP. What a network lost is the only thing that is not there, and is counted."""
    sent: list[SentFrame] = []
    fleet = tuple(
        CameraOptions(name=f"cam-{sound}", site="site", audio=sound, fps=10, bitrate_bps=300_000) for sound in SOUNDS
    )
    flags = (parse_flag(f"loss,percent=5@cam-{LOSSY}"),)
    async with Simulator(SimulatorOptions(fleet=fleet, port=0, faults=flags), sent=sent.append) as cameras:
        urls = dict(zip(SOUNDS, cameras.urls, strict=True))
        async with recording(tmp_path) as record:
            record.follow(
                *(
                    assigned(url, audio=True, transport="udp" if sound == "opus" else "tcp")
                    for sound, url in urls.items()
                )
            )
            await eventually(
                "two segments of each are durable", lambda: all(record.durable(url) >= 2 for url in urls.values()), 60
            )
    for sound, url in urls.items():
        heard = [each for each in sent if each.camera == f"cam-{sound}" and each.sound]
        stored, lost = stored_sound(tmp_path, url)
        crcs = [crc32 for _, crc32 in stored]
        whole = [each for each in heard if not each.spoiled]
        first = [each.crc32 for each in whole].index(crcs[0])
        if sound == LOSSY:  # it loses pictures as well, so there may be gaps, and nothing is heard in them
            following = iter(whole[first:])
            same = [next(each for each in following if each.crc32 == crc32) for crc32 in crcs]
        else:
            same = whole[first : first + len(crcs)]
        assert crcs == [each.crc32 for each in same], sound
        frame_us = cameras.cameras[f"cam-{sound}"].microphone.reel.frame_us  # type: ignore[union-attr]
        late = sorted(wall_us - each.frame * frame_us for (wall_us, _), each in zip(stored, same, strict=True))
        assert abs(late[len(late) // 2]) < LATE_US, sound
        assert (lost > 0) == (sound == LOSSY) == any(each.spoiled for each in heard), sound

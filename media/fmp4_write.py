"""Writing a segment: `ftyp moov (moof mdat uuid:commit)* uuid:samples uuid:seal`.

Pure: fragments go in, buffers to append come out. The file plays at any moment, with the fragments it has by then,
and every fragment in it stands for itself (media/commit.py).
"""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING

from media.closing import closing_boxes
from media.commit import (
    COMMIT_BOX_BYTES,
    PICTURES_ALONE,
    WITH_SOUND,
    ZERO_CHAIN,
    Commit,
    bounded_loss,
    link,
    of_pictures,
)
from media.errors import Mp4Error
from media.init_section import init_section
from media.moof import TRACK_ID, Sample, fragment_header, totals
from media.sample_table import SampleTableBuilder, join_tables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from media.identity import SegmentIdentity
    from media.track import Track

__all__ = ["Sample", "SegmentWriter", "fragment_header", "init_section"]


class SegmentWriter:
    """Turns the fragments of one segment into bytes, and keeps offsets, hashes, the chain and the sample tables.

    Each fragment is of one track: late sound never delays pictures. They have one numbering and one chain.

    Append `init`, then what `fragment` returns each time, then what `seal` returns.
    """

    def __init__(
        self,
        identity: SegmentIdentity,
        track: Track,
        span: int,
        previous_chain: bytes,
        sound: Track | None = None,
    ) -> None:
        self.init = init_section(track, sound)
        self.chain = previous_chain
        self.size_bytes = len(self.init)
        self._identity = identity
        self._track = track
        self._span = span
        self._init_sha256 = sha256(self.init).digest()
        self._commits: list[Commit] = []
        self._version = PICTURES_ALONE if sound is None else WITH_SOUND
        self._table, self._sound_table = SampleTableBuilder(), SampleTableBuilder()

    def fragment(
        self,
        *,
        payload: Sequence[bytes | bytearray],
        samples: Sequence[Sample],
        media_ticks: int,
        duration_ticks: int,
        wall_us: int,
        end_wall_us: int,
        lost_packets: int,
        clock_quality: int,
        camera_clock_ms: int = 0,
        track: int = TRACK_ID,
    ) -> tuple[list[bytes | bytearray], Commit]:
        """The buffers to append for one fragment, and what its commit box says.

        There is at least one sample; sizes add up to the payload, durations to `duration_ticks`. The payload is hashed
        once and never copied. A refused fragment (Mp4Error) leaves the writer as it was.
        """
        number = len(self._commits)
        header = fragment_header(number + 1, media_ticks, samples, track)
        payload_bytes = sum(map(len, payload))
        if not samples or (payload_bytes, duration_ticks) != totals(samples):
            raise Mp4Error(f"fragment {number} of {self._identity}: its samples do not add up to it")
        # 4 Mbit/s, one core of an EPYC with SHA extensions: 0.28 ms a fragment for the hash and 0.035 ms for all the
        # rest, so 220 cameras take 7 % of a core here. The hash is why the payload is touched once and never copied.
        digest = sha256(header)
        for buffer in payload:
            digest.update(buffer)
        commit = Commit(
            identity=self._identity,
            span=self._span,
            fragment=number,
            track=track,
            version=self._version,
            offset=self.size_bytes,
            length=len(header) + payload_bytes,
            header_bytes=len(header),
            init_sha256=self._init_sha256,
            sha256=digest.digest(),
            previous=self.chain,
            chain=ZERO_CHAIN,
            wall_us=wall_us,
            end_wall_us=end_wall_us,
            media_ticks=media_ticks,
            duration_ticks=duration_ticks,
            samples=len(samples),
            sync_samples=sum(sample.sync for sample in samples),
            starts_with_sync=samples[0].sync,
            lost_packets=bounded_loss(lost_packets),
            clock_quality=clock_quality,
            camera_clock_ms=camera_clock_ms,
        )
        commit = replace(commit, chain=link(commit))
        (self._table if track == TRACK_ID else self._sound_table).add(media_ticks, samples)
        self._commits.append(commit)
        self.chain = commit.chain
        self.size_bytes = commit.box_offset + COMMIT_BOX_BYTES
        return [header, *payload, commit.to_box()], commit

    def seal(self, end_us: int) -> list[bytes]:
        """The samples box and the seal; nothing for a segment without pictures, which is no footage."""
        if not of_pictures(self._commits):
            return []
        return closing_boxes(
            self._commits,
            self._tables(),
            self._track,
            init_bytes=len(self.init),
            offset=self.size_bytes,
            end_us=end_us,
        )

    def present_group(self) -> tuple[Commit, ...]:
        """The fragments of pictures so far, from the last one that holds a sync sample on."""
        found: list[Commit] = []
        for commit in reversed(of_pictures(self._commits)):
            found.append(commit)
            if commit.sync_samples:
                break
        return tuple(reversed(found))

    def _tables(self) -> bytes:
        pictures = self._table.table().encode()
        return (
            pictures if self._version == PICTURES_ALONE else join_tables(pictures, self._sound_table.table().encode())
        )

"""The catalog port, by noun: what exists, where it is, and in which state.

Five protocols, one conformance suite each (tests/contract). Every method is one transaction: it happens as a whole or
not at all, and may be repeated after an unknown outcome. Every method may raise CatalogError; the caller tries again
later. A write touches at most 1000 rows; callers pass batches of at most `MAX_BATCH`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from media.errors import GapReason
    from storage.catalog_journal import JournalHead, JournalObject
    from storage.journal import JournalRecord
    from storage.model import (
        Backlog,
        Camera,
        Change,
        DesiredCamera,
        DesiredSite,
        Event,
        Expiring,
        Gap,
        Origin,
        Policy,
        Segment,
        SegmentState,
        Site,
        Stretch,
        Tombstone,
    )

MAX_BATCH = 100  # segments or journal records a call; each may touch a handful of rows


class Inventory(Protocol):
    """Sites, cameras and policies, as the configuration file or the API wants them."""

    async def apply(
        self,
        desired: Sequence[DesiredSite],
        policies: Sequence[Policy],
        *,
        origin: Origin = "file",
        prune: bool = False,
        dry_run: bool = False,
    ) -> list[Change]:
        """Make the catalog agree with a desired list; the changes made, or with `dry_run` those it would make.

        Idempotent: the second call changes nothing. A camera is known by its id where one is given, else by its name,
        so a camera with an id may be renamed. New ones get an id. One that is missing from the list stays as it is;
        with `prune`, cameras of this `origin` that are missing are disabled. Footage is never touched.
        ConfigError: a name twice, an unknown policy, an id or name that belongs to another camera.
        """
        ...

    async def sites(self) -> list[Site]:
        """All sites by name."""
        ...

    async def cameras(self) -> list[Camera]:
        """All cameras by name, the disabled ones included."""
        ...

    async def camera(self, id_or_name: str) -> Camera:
        """One camera by id or unique name. NotFound."""
        ...

    async def add(self, camera: DesiredCamera, *, site: str, change: bool = False) -> Camera:
        """Add one camera through the API, and its site if it is new. ConfigError as for `apply`.

        Conflict if there is one of that name or id; with `change` it becomes as desired, and keeps id and footage.
        """
        ...

    async def remove(self, id_or_name: str) -> Camera:
        """Disable a camera and hand it to the API, so that only a file that lists it brings it back. Footage stays."""
        ...

    async def policies(self) -> dict[str, Policy]:
        """All policies by name."""
        ...

    async def reseal(self) -> int:
        """Seal every camera's URL with the key that seals now, where another did; how many it were.

        KeyUnfit or StorageError, with nothing changed, if one of them does not open.
        """
        ...


class FootageReader(Protocol):
    """Closed segments, as playback and check see them."""

    async def segment(self, segment_id: UUID) -> Segment:
        """One segment in any state but gone. NotFound."""
        ...

    async def segments(self, stream: UUID, from_us: int, to_us: int, *, marked: bool = False) -> list[Segment]:
        """Segments of a stream that overlap `[from_us, to_us)`, in the order (start, epoch, run, sequence).

        Visible ones (spooled, uploading, stored, missing); with `marked` also those that are leaving (marked, purging).
        """
        ...

    async def stretches(self, stream: UUID, from_us: int, to_us: int) -> list[Stretch]:
        """The segments that `segments` would give with `marked`, without what is inside them: a third of the cost."""
        ...

    async def recorded(self, stream: UUID, from_us: int, to_us: int, step_us: int) -> list[int]:
        """Of the steps that begin at `from_us` and every `step_us` after it, those with footage that can be shown.

        Ascending, by their beginnings; the last step ends at `to_us`. Costs a look for each step and at most 600 s of
        segments, however many there are: callers bound the steps.
        """
        ...

    async def sample_tables(self, segment_ids: Sequence[UUID]) -> dict[UUID, bytes]:
        """The sample tables (media/sample_table.py) of those segments that are known."""
        ...

    async def states(self, segment_ids: Sequence[UUID]) -> dict[UUID, SegmentState]:
        """The state of each known segment, read afresh; `gone` where only the tombstone is left."""
        ...


class Footage(FootageReader, Protocol):
    """Closed segments, on their way from the spool to the object store."""

    async def register(self, segments: Sequence[tuple[Segment, bytes]]) -> None:
        """Make sealed segments of the spool known, each with its sample table, as `spooled`.

        A known segment keeps its row and state, whatever that is; one with a tombstone stays gone. Gaps give way to
        the footage (clipped, split or dropped), in the same transaction. With no segments it asks whether the catalog
        answers: CatalogError if not.
        """
        ...

    async def waiting(self, limit: int) -> list[Segment]:
        """Segments that are spooled or uploading: 70 % of `limit` are the newest, the rest the oldest."""
        ...

    async def begin_upload(self, segment_ids: Sequence[UUID]) -> None:
        """Note the intent to put them: spooled -> uploading. Other states stay."""
        ...

    async def stored(self, sha256: Mapping[UUID, bytes]) -> None:
        """Note that the object store holds them with these hashes, verified: uploading or missing -> stored."""
        ...

    async def mark_missing(self, segment_ids: Sequence[UUID]) -> None:
        """Note that their bytes are not where they should be: spooled, uploading or stored -> missing."""
        ...

    async def give_up(self, segment_ids: Sequence[UUID], *, reason: GapReason, detail: str = "") -> list[UUID]:
        """Declare footage lost that nobody stored: rows spooled or uploading go, and their time becomes a gap.

        In one transaction, so that no instant is undeclared; the ids whose rows went, before their files may. Other
        footage of the same time keeps it. Registered again, because the file did not go, it is footage as before.
        """
        ...


class Gaps(Protocol):
    """What was not recorded and why, imported from the runs' journals (rules: storage/gap_ledger.py)."""

    async def journal_offset(self, run: int) -> int:
        """Up to which byte the journal of a run was imported; 0 for an unknown run."""
        ...

    async def import_journal(self, run: int, records: Sequence[JournalRecord]) -> None:
        """Import records of a run's journal, in order; those up to `journal_offset` were imported before and count not.

        Older runs of the same streams must have been registered, imported and settled before: a start declares
        everything before it.
        """
        ...

    async def settle(self, run: int) -> None:
        """Declare what a dead run left open, after its segments were registered and its journal imported.

        Every hole of its streams since they started in it becomes a gap, and a gap without end begins where footage
        and gaps end, unless a later run took the stream over: `shutdown` if it stopped cleanly, else `crash`.
        """
        ...

    async def stitch(
        self, stream: UUID, *, from_us: int | None = None, until_us: int | None, reason: GapReason, detail: str = ""
    ) -> list[Gap]:
        """Declare every hole of a stream from `from_us` (None: since it was enabled) to `until_us`; the gaps it made.

        With `until_us` None a gap without end is opened after the last footage or gap, unless one is open.
        """
        ...

    async def gaps(self, stream: UUID, from_us: int, to_us: int) -> list[Gap]:
        """Gaps of a stream that overlap `[from_us, to_us)`, by start; unclipped, the open one with `end_us` None."""
        ...

    async def lacking(self, stream: UUID, from_us: int, to_us: int, step_us: int) -> list[int]:
        """Of the same steps as in `FootageReader.recorded`, those that a gap overlaps. A gap without end goes on."""
        ...

    async def events(self, stream: UUID, from_us: int, to_us: int) -> list[Event]:
        """What else the recorder observed of a stream in `[from_us, to_us)`, by time."""
        ...

    async def expected_since(self) -> dict[UUID, int]:
        """Every stream with footage, gaps or an enabled camera, and since when each instant of it is declared (I4)."""
        ...


class Expiry(Protocol):
    """Deletion in steps that may each be killed and repeated: mark, purge, (delete the object,) tombstone."""

    async def candidates(
        self,
        stream: UUID,
        *,
        marked: bool,
        limit: int,
        ended_by_us: int | None = None,
        ended_after_us: int | None = None,
    ) -> list[Expiring]:
        """The oldest segments of a stream that are visible, or that are marked, by start.

        Those that ended at or before `ended_by_us`, and after `ended_after_us`, where these are given.
        """
        ...

    async def unmarked(self, stream: UUID, *, ended_after_us: int, ended_by_us: int) -> tuple[int, int]:
        """How many visible segments of a stream ended in `(ended_after_us, ended_by_us]`, and their bytes."""
        ...

    async def mark(self, segment_ids: Sequence[UUID], *, now_us: int, policy: str, reason: str) -> int:
        """Intend to delete: any visible state -> marked, with the policy and the reason; how many changed."""
        ...

    async def unmark(self, segment_ids: Sequence[UUID]) -> int:
        """Take the intent back: marked -> stored, or spooled if its object was never verified; how many changed."""
        ...

    async def purge(self, segment_ids: Sequence[UUID]) -> list[Segment]:
        """The point of no return: marked -> purging; the rows of these that are purging now."""
        ...

    async def purging(self, limit: int) -> list[Segment]:
        """Segments whose deletion was begun and not finished, oldest first."""
        ...

    async def tombstone(self, segment_ids: Sequence[UUID], *, now_us: int) -> int:
        """Their objects are deleted: purging -> gone. Row and sample table go, a tombstone stays; how many changed."""
        ...

    async def tombstones(self, stream: UUID, from_us: int, to_us: int) -> list[Tombstone]:
        """Tombstones of a stream that overlap `[from_us, to_us)`, by start."""
        ...


class Outbox(Protocol):
    """Changes on their way into journal objects (storage/catalog_journal.py).

    A change of a site, policy, camera, stream, gap, tombstone, missing segment, run or event leaves a mark here in the
    transaction of the change itself, whichever method made it.
    """

    async def backlog(self) -> Backlog:
        """What waits."""
        ...

    async def head(self) -> JournalHead:
        """How far the journal was composed."""
        ...

    async def compose(self, *, writer: int, now_us: int) -> JournalObject | None:
        """The object that is to be written next: one that was composed before and not yet `written`, else a new one.

        A new one takes up to MOST_MARKS marks, the oldest first, and tells their rows as they are. None: nothing waits.
        """
        ...

    async def written(self, sequence: int) -> None:
        """Note that the store has the object; success if it was noted before."""
        ...


class Catalog(Protocol):
    """The five parts over one database."""

    @property
    def inventory(self) -> Inventory:
        """Sites, cameras, policies."""
        ...

    @property
    def footage(self) -> Footage:
        """Segments."""
        ...

    @property
    def gaps(self) -> Gaps:
        """Gaps, runs, events."""
        ...

    @property
    def expiry(self) -> Expiry:
        """Marks and tombstones."""
        ...

    @property
    def outbox(self) -> Outbox:
        """Changes that wait to be told."""
        ...

    async def close(self) -> None:
        """Finish what is under way and close the database."""
        ...

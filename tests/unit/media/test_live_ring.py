"""The newest units of a stream, bounded whoever watches."""

from __future__ import annotations

from media.live_ring import MOST_UNITS, LiveRing


def ring_of(syncs: str, *, most_bytes: int = 1000, size: int = 10) -> LiveRing[int]:
    """A ring that got one unit a letter: S for a sync sample."""
    ring: LiveRing[int] = LiveRing(most_bytes)
    for number, letter in enumerate(syncs):
        ring.append(number, size, sync=letter == "S")
    return ring


def kept(ring: LiveRing[int]) -> list[int]:
    """What is there."""
    return [ring[number] for number in range(ring.start, ring.end)]


def test_the_current_group_and_the_one_before_are_kept() -> None:
    """A third sync sample drops the first group whole; what came before any sync sample goes with it."""
    assert kept(ring_of("..S.S.")) == [0, 1, 2, 3, 4, 5]
    assert kept(ring_of("..S.S.S")) == [4, 5, 6]


def test_who_begins_begins_at_the_newest_sync_sample() -> None:
    """Or waits for one."""
    assert ring_of("S..S..").resume(None) == 3
    assert ring_of("...").resume(None) is None


def test_who_is_in_the_ring_goes_on_where_it_is() -> None:
    """Also at its end, where nothing is yet."""
    ring = ring_of("S..S..")
    assert [ring.resume(position) for position in (0, 2, 6)] == [0, 2, 6]


def test_who_fell_out_goes_on_at_the_newest_sync_sample() -> None:
    """Nothing else can be decoded."""
    ring = ring_of("S..S..S.")
    assert ring.start == 3
    assert ring.resume(1) == 6


def test_bytes_are_bounded_within_one_group() -> None:
    """A group that is larger than what may be kept loses its beginning, and nobody can begin with the rest."""
    ring = ring_of("S" + "." * 9, most_bytes=55)
    assert (kept(ring), ring.size_bytes) == ([5, 6, 7, 8, 9], 50)
    assert ring.newest_sync is None
    assert ring.resume(0) is None


def test_the_newest_unit_is_there_however_large() -> None:
    """Nothing else is, then."""
    ring = ring_of("SS", most_bytes=30)
    ring.append(2, 5000, sync=True)
    assert kept(ring) == [2]
    assert ring.resume(None) == 2


def test_a_bound_that_shrinks_holds_from_the_next_unit_on() -> None:
    """More cameras are watched, each gets less."""
    ring = ring_of("S.....")
    ring.most_bytes = 25
    ring.append(6, 10, sync=False)
    assert ring.size_bytes == 20


def test_a_flood_of_tiny_units_is_bounded_by_number() -> None:
    """Their bytes would never fill it."""
    ring = ring_of("S" + "." * (MOST_UNITS + 10), size=0)
    assert ring.end - ring.start == MOST_UNITS


def test_what_came_before_can_be_put_before() -> None:
    """Positions in the ring stay what they are; who waited begins with the sync sample that is there now."""
    ring = ring_of("..")
    assert ring.resume(None) is None
    assert ring.prepend([(-3, 10, True), (-2, 10, False), (-1, 10, False)])
    assert (kept(ring), ring.size_bytes, ring.resume(None)) == ([-3, -2, -1, 0, 1], 50, -3)
    assert ring.resume(1) == 1
    for letter in "S.S.S":
        ring.append(9, 10, sync=letter == "S")
    assert (ring.start, ring.size_bytes, ring.newest_sync) == (4, 30, 6)


def test_what_came_before_comes_whole_or_not_at_all() -> None:
    """Its beginning would be forgotten with the next unit."""
    ring = ring_of("..", most_bytes=45)
    assert not ring.prepend([(-3, 10, True), (-2, 10, False), (-1, 10, False)])
    assert (kept(ring), ring.size_bytes, ring.resume(None)) == ([0, 1], 20, None)
    assert not ring_of("").prepend([(0, 0, True)] * (MOST_UNITS + 1))

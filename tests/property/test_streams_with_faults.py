"""H.264, H.265 and AV1, with B-frames, open groups, several slices and no markers, over TCP and UDP, with faults.

Every picture is stored once as it was sent, or a gap lies where it should be, or the fragments around it say that they
are damaged; and what nothing happened to is there.
"""

from __future__ import annotations

import asyncio
from bisect import bisect, bisect_left
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from media.errors import GapReason
from tests.builders_story import Kept, Story

ACTS = ["play", "lose", "lose_edges", "lose_pictures", "repeat", "delay", "rename", "renumber", "resize", "pause"]
ACTS += ["cut", "fill"]


def check_stored(story: Story, kept: list[Kept]) -> None:
    """Each picture once and in order; as it was sent, or its fragment says that it is damaged."""
    assert [unit.number for unit in kept] == sorted({unit.number for unit in kept})
    for unit in kept:
        sent = story.sent[unit.number].units
        if unit.units != sent:
            remaining = iter(sent)
            assert unit.commit.lost_packets, f"picture {unit.number} altered without a word"
            assert all(part in remaining for part in unit.units), f"picture {unit.number}: what was not sent"
            assert story.near(unit.number), f"picture {unit.number} torn, though nothing happened to it"
        elif story.sent[unit.number].turn.sync:
            sets = sent[: len(story.pictures.sets)]
            assert all(one[1:] in unit.init for one in sets), f"picture {unit.number}: its file describes another"
        assert abs(unit.shown_us - story.sent_us[unit.number]) < 1_000_000
    commits = list({id(unit.commit): unit.commit for unit in kept}.values())
    assert all(before.end_wall_us <= after.wall_us for before, after in pairwise(commits))


def check_missing(story: Story, kept: list[Kept]) -> None:
    """Each picture that is missing lies in a gap, or beside damage and something that happened."""
    numbers = [unit.number for unit in kept]
    gaps = [gap for gap in story.rig.ledger(story.footage()).gaps if gap.reason is not GapReason.SHUTDOWN]
    unfinished = set() if story.markers else {max(story.sent)}
    for number in story.sent.keys() - set(numbers) - unfinished:
        picture = story.sent[number]
        leading = picture.turn.leading
        place = bisect(numbers, number)
        before, after = bisect_left(numbers, picture.sync_number) if leading else place, place
        from_us = kept[before - 1].commit.end_wall_us if before else 0
        until_us = kept[after].commit.wall_us if after < len(kept) else story.rig.clock.wall_us()
        if leading and place:
            until_us = max(until_us, kept[place - 1].commit.wall_us)
        if any(gap.start_us <= until_us and (gap.end_us or until_us) >= from_us for gap in gaps):
            continue
        around = kept[max(0, place - 1) : place + 1]
        assert any(unit.commit.lost_packets for unit in around), f"picture {number} is missing without a word"
        assert leading or story.near(number), f"picture {number} is missing, though nothing happened to it"


@settings(max_examples=250, deadline=None, derandomize=True)
@given(st.integers(0, 1 << 30), st.lists(st.tuples(st.sampled_from(ACTS), st.integers(1, 40)), max_size=6))
def test_nothing_is_lost_altered_or_stored_twice_without_a_word(seed: int, acts: list[tuple[str, int]]) -> None:
    """Whatever happens to its packets."""

    async def live() -> tuple[Story, list[Kept]]:
        story = Story(seed)
        story.play(8)
        for name, count in acts:
            getattr(story, name)(count)
        story.play(30)
        return story, story.kept()

    story, kept = asyncio.run(live())
    check_stored(story, kept)
    check_missing(story, kept)

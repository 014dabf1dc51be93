"""How long and how large a fragment and a segment may become, and why."""

from __future__ import annotations

FRAGMENT_US = 1_000_000
"""What a crash may cost is one fragment, one group commit and what is on its way: under 2 s."""

FRAGMENT_BYTES = 4 << 20

SYNC_CUT_US = 250_000
"""A stream of nothing but sync samples is not cut at each of them: 25 commits a second help nobody."""

OVERDUE_US = 1_300_000
"""A fragment is closed after this even if no further unit comes: slow cameras must be durable in time, too."""

REORDERED_OVERDUE_US = 2_600_000
"""The same where units are not sent in the order they are shown: rather wait a little, but not for ever."""

LONGEST_SEGMENT_US = 570_000_000
"""No segment is over 10 minutes (the catalog relies on it); a camera that sends no sync sample for so long is cut."""

LAST_UNIT_US = 580_000_000
"""What is shown later does not belong to the segment, however long the silence before it was: of the camera, or of a
host that stood still. Behind it there is room for the last frame of a fragment, and for the slew of ten minutes."""

MOST_SEGMENT_US = 540_000_000
"""No segment is due later, whatever was configured, so that a sync sample comes before the cut that needs none."""

MOST_UNITS = 10_000
"""Of a fragment: what a flood of tiny pictures may cost. A moof of 65 000 would be taken for damage."""

LEAD_S = 1
"""A picture that leads a sync sample of H.265 is shown less than so long before it."""

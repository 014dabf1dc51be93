"""What `hulta check` adds to the walk over the store."""

from __future__ import annotations

from server.cli_check import not_taken_in


def test_what_ship_cannot_take_in_is_a_finding() -> None:
    """A run outside the catalog is not in the books; what the walk found by itself is said once."""
    ship = {"faults": {"/spool/1234": "OverflowError", "/spool/1234/a.mp4": "its seal is damaged"}}
    found = not_taken_in(ship, {"file /spool/1234/a.mp4"})
    assert [str(each) for each in found] == ["not_taken_in: file /spool/1234: OverflowError"]
    assert not_taken_in(None, set()) == []

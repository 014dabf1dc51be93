"""The spools of this host, for a role that begins: on disks that keep what is synced, and on its own ones.

All are looked at whenever `record` or `ship` starts, so a disk that was unmounted meanwhile is refused then, too. One
that is refused keeps no other one from being used.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from media.errors import ConfigError
from server.spool_disk import check_spool_disk
from storage import spool_ownership

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.settings import Settings
    from storage.layout import Layout
    from storage.spool_ownership import ClaimedDisks

log = structlog.get_logger(__name__)


def with_disks(data: Layout, settings: Settings) -> Layout:
    """The data directory with the spools that are configured."""
    return replace(data, disks=tuple(map(Path, settings.spool.disks)))


def spools_to_read(data: Layout) -> list[Path]:
    """Where footage may lie: the spools that are recorded on, and those that were, for what is left there."""
    return [*data.spools, *spool_ownership.earlier_spools(data)]


def claim_spools(settings: Settings, data: Layout, spools: Sequence[Path]) -> ClaimedDisks:
    """Make sure of the spools' disks. ConfigError, SpoolError if none may be used: with what to do."""
    for warning in disk_warnings(settings, data):
        log.warning("spool_disk", warning=warning)
    claimed = spool_ownership.claim_disks(data, spools, settings.host.given_name)
    for spool, identity in claimed.here.items():
        log.info("spool_disk_claimed", spool=str(spool), disk=str(identity.disk), generation=identity.generation)
    for error in claimed.refused.values():
        log.error("spool_disk_refused", error=str(error), hint=error.hint or None)
    if not settings.spool.accept_loss:
        _require_disks_of_their_own([spool for spool in claimed.here if spool in data.spools])
    return claimed


def disk_warnings(settings: Settings, data: Layout) -> list[str]:
    """What may cost footage on the file systems of the data directory and its spools. ConfigError for what will."""
    accept_loss = settings.spool.accept_loss
    warnings = [check_spool_disk(directory, accept_loss=accept_loss) for directory in (data.root, *data.spools)]
    kinds = {warning.partition(" is on ")[2]: warning for warning in warnings if warning}
    return list(kinds.values())  # the same disk, said once


def _require_disks_of_their_own(spools: Sequence[Path]) -> None:
    """Two spools on one file system fail together and fill together."""
    devices = Counter(spool.stat().st_dev for spool in spools)
    shared = [str(spool) for spool in spools if devices[spool.stat().st_dev] > 1]
    if len(shared) > 1:
        raise ConfigError(
            f"spool.disks: {' and '.join(shared)} are on one file system",
            hint="each needs a disk of its own: is each of them mounted? `spool.accept_loss: true` is for trials",
        )

"""The spool of this host, for a role that begins: on a disk that keeps what is synced, and on its own one.

Both are looked at whenever `record` or `ship` starts, so a disk that was unmounted meanwhile is refused then, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from server.spool_disk import check_spool_disk
from storage.spool_ownership import require_own_disk

if TYPE_CHECKING:
    from server.settings import Settings
    from storage.layout import Layout

log = structlog.get_logger(__name__)


def claim_spool(settings: Settings, data: Layout) -> None:
    """Make sure of the spool's disk. ConfigError, SpoolError: with what to do."""
    for warning in disk_warnings(settings, data):
        log.warning("spool_disk", warning=warning)
    identity = require_own_disk(data, data.spool, settings.host.given_name)
    log.info("spool_disk_claimed", disk=str(identity.disk), generation=identity.generation)


def disk_warnings(settings: Settings, data: Layout) -> list[str]:
    """What may cost footage on the file systems of the data directory and its spool. ConfigError for what will."""
    accept_loss = settings.spool.accept_loss
    warnings = [check_spool_disk(directory, accept_loss=accept_loss) for directory in (data.root, data.spool)]
    kinds = {warning.partition(" is on ")[2]: warning for warning in warnings if warning}
    return list(kinds.values())  # the same disk, said once

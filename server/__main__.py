"""`hulta`, and `python -P -m server`: a command for people, or a role started by the supervisor."""

from __future__ import annotations

import logging
import resource
import sys

from server.parent import follow_parent


def main() -> int:
    """Be a role if the supervisor says so, else the command line. What is not needed is not imported."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would have every camera's password
    supervised = follow_parent()
    if supervised and sys.argv[1] != "simulate":
        from server.role import run_supervised  # noqa: PLC0415 - `record` starts a second sooner without the CLI

        return run_supervised(sys.argv[1:])
    from server import log  # noqa: PLC0415 - as above
    from server.cli import build  # noqa: PLC0415 - as above

    log.configure("cli", least=logging.WARNING)  # on stderr: stdout is for answers
    build(sys.argv[1:])(prog_name="hulta")
    return 0


if __name__ == "__main__":
    sys.exit(main())

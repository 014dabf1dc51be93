"""A camera nobody here wrote: VLC, which streams a file over RTSP and UDP, and over nothing else."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def vlc_camera(film: Path, port: int) -> Iterator[str]:
    """The URL of VLC playing `film` again and again, for the length of a block.

    VLC refuses to be root, so it runs as nobody where the tests are root, in a folder that it may read.
    """
    with tempfile.TemporaryDirectory(prefix="hulta-vlc-") as folder:
        copy = Path(folder) / film.name
        shutil.copy(film, copy)
        for path, mode in ((Path(folder), 0o755), (copy, 0o644)):
            path.chmod(mode)
        as_nobody = {"user": pwd.getpwnam("nobody").pw_uid, "extra_groups": []} if os.geteuid() == 0 else {}
        url = f"rtsp://127.0.0.1:{port}/cam"
        child = subprocess.Popen(
            [
                "cvlc",
                "-q",
                "-I",
                "dummy",
                "--no-audio",
                "--loop",
                str(copy),
                "--sout",
                f"#rtp{{sdp={url}}}",
                "--sout-keep",
            ],
            env={"HOME": folder, "PATH": os.environ["PATH"]},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            **as_nobody,  # type: ignore[arg-type]
        )
        try:
            yield url
        finally:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()

"""The system under storm: simulated cameras and `hulta run` as real processes, found and killed by process id.

Whatever is started here ends here, and nothing else is ever signalled: a role is killed only if it is a child of the
supervisor that this program started, or was one when it was listed.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.ports import free_port
from tests.scenario.verdict import RECOVERY_US

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROLES = ("record", "ship", "keep", "serve")
SUPERVISOR = "supervisor"
CHECK_S = 60
LOOK_S = 0.25


class StormFailed(Exception):  # noqa: N818 - the storm, not the program
    """The storm could not be carried out, so there is no verdict."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to do. `product` is the directory whose packages are tested: the repository, or a patched copy of it."""

    data: Path
    cameras: int
    seconds: int
    kill_every_s: float
    seed: int
    roles: tuple[str, ...] = (*ROLES, SUPERVISOR)
    product: Path = Path(__file__).resolve().parents[2]
    bitrate: str = "1M"
    fps: int = 25
    gop_us: int = 1_000_000
    segment_s: int = 10
    recovery_us: int = RECOVERY_US


@dataclass(slots=True, kw_only=True)
class System:
    """Simulator and product while they run."""

    plan: Plan
    port: int
    urls: list[str] = field(default_factory=list)
    supervisor: subprocess.Popen[bytes] | None = None

    @property
    def api(self) -> str:
        """Where the API answers."""
        return f"http://127.0.0.1:{self.port}/api/v1"

    @property
    def hulta_data(self) -> Path:
        """The product's data directory."""
        return self.plan.data / "hulta"

    @property
    def config(self) -> Path:
        """The generated configuration."""
        return self.plan.data / "hulta.yaml"

    @property
    def sent_log(self) -> Path:
        """What the simulated cameras sent."""
        return self.plan.data / "sent.log"

    def start(self) -> None:
        """Start the product, or start it again."""
        log = (self.plan.data / "hulta.log").open("ab")
        command = program("run", "--config", str(self.config), "--data", str(self.hulta_data))
        with log:
            self.supervisor = subprocess.Popen(
                command, env=self._environment(), stdout=log, stderr=log, cwd=self.plan.data
            )

    def roles(self) -> dict[str, int]:
        """The supervisor's living children by role, and itself."""
        if self.supervisor is None or self.supervisor.poll() is not None:
            return {}
        found = {SUPERVISOR: self.supervisor.pid}
        for pid in children(self.supervisor.pid):
            role = role_of(pid)
            if role is not None:
                found[role] = pid
        return found

    def kill(self, role: str, pid: int) -> int:
        """SIGKILL; returns when (microseconds UTC). The supervisor is started again at once, as systemd would."""
        at_us = time.time_ns() // 1000
        os.kill(pid, signal.SIGKILL)
        if role == SUPERVISOR:
            assert self.supervisor is not None
            self.supervisor.wait()
            self.start()
        return at_us

    def check(self) -> tuple[int, str]:
        """`hulta check`: its exit code and its last words."""
        command = program("check", "--data", str(self.hulta_data))
        done = subprocess.run(
            command,
            env=self._environment(),
            cwd=self.plan.data,
            capture_output=True,
            timeout=CHECK_S,
            check=False,
        )
        return done.returncode, (done.stdout + done.stderr).decode(errors="replace").strip()[-2000:]

    def simulator_command(self) -> list[str]:
        """The simulated cameras; what they send goes to the log that the product never sees."""
        plan = self.plan
        options = {
            "--cameras": plan.cameras,
            "--port": 0,
            "--bitrate": plan.bitrate,
            "--fps": plan.fps,
            "--gop": f"{plan.gop_us // 1000}ms",
            "--sent-log": self.sent_log,
        }
        return program("simulate", *(str(word) for option in options.items() for word in option))

    def write_config(self) -> None:
        """One site with all simulated cameras; segments are short, so that sealing and shipping meet kills, too."""
        cameras = [{"name": camera_name(url), "url": url} for url in self.urls]
        self.config.write_text(
            # JSON is YAML, and needs no library here.
            json.dumps(
                {
                    "host": {"name": "storm", "listen": f"127.0.0.1:{self.port}"},
                    "segments": {"seconds": self.plan.segment_s},
                    "spool": {"accept_loss": True},
                    "policies": {"default": {"keep_max": "1d"}},
                    "sites": [{"name": "storm", "networks": ["127.0.0.0/8"], "cameras": cameras}],
                },
                indent=1,
            )
        )

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(self.plan.product), "PYTHONDONTWRITEBYTECODE": "1"}


def program(*words: str) -> list[str]:
    """How to run a command of the product, whichever directory PYTHONPATH names."""
    return [sys.executable, "-P", "-m", "server", *words]


def camera_name(url: str) -> str:
    """`rtsp://127.0.0.1:40123/cam/0001` is the camera `cam-0001`."""
    return url.split("/", 3)[3].replace("/", "-")


@contextmanager
def storm_system(plan: Plan) -> Iterator[System]:
    """Simulator and product for the length of a block; both are ended, however the block ends."""
    plan.data.mkdir(parents=True, exist_ok=True)
    system = System(plan=plan, port=free_port())
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    with (plan.data / "simulator.log").open("ab") as log:
        simulator = subprocess.Popen(
            system.simulator_command(), env=environment, stdout=subprocess.PIPE, stderr=log, cwd=plan.data
        )
    try:
        system.urls = read_urls(simulator, plan.cameras)
        system.write_config()
        system.start()
        yield system
    finally:
        end(system.supervisor)
        end(simulator)
        if simulator.stdout is not None:
            simulator.stdout.close()


def read_urls(simulator: subprocess.Popen[bytes], count: int) -> list[str]:
    """One line for each camera, printed once all can be opened."""
    assert simulator.stdout is not None
    lines = [simulator.stdout.readline().decode().strip() for _ in range(count)]
    if not all(line.startswith("rtsp://") for line in lines):
        raise StormFailed(f"the simulator did not start: {lines}")
    return lines


def end(process: subprocess.Popen[bytes] | None, patience_s: float = 15) -> None:
    """SIGTERM, and SIGKILL for what does not listen."""
    if process is None or process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(patience_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def children(pid: int) -> list[int]:
    """The direct children of a process."""
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def role_of(pid: int) -> str | None:
    """Which role a process is, by its command line."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
    except OSError:
        return None
    return next((role for role in ROLES if "server" in words and role in words), None)


def wait(seconds: float, what: str, done: Callable[[], bool]) -> None:
    """Look again and again until something is so; StormFailed when it does not come about."""
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            raise StormFailed(f"waited {seconds} s in vain for {what}")
        time.sleep(LOOK_S)

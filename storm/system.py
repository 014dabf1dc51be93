"""The system under storm: simulated cameras and `hulta run` as real processes, from files that are written here.

Under the storm's directory:

    fleet.json, script.json    what the simulator gets       sent.log, faults.log    what it says, which the product
    hulta.yaml                 what the product gets                                 never sees
    hulta/                     its data directory            hulta.log, simulator.log
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from simulator.faults import Place
from storm.api import Api
from storm.links import proxied
from storm.plan import SUPERVISOR, StormFailed
from storm.processes import Handle, end, handle_of, program, start
from storm.spool_disk import spool_disk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from simulator.faults import Fault
    from storm.facts import Interval
    from storm.links import Links
    from storm.plan import StormPlan
    from storm.spool_disk import SpoolDisk

CHECK_S = 300
SIMULATOR_S = 120
"""Until the simulator answers: it encodes the films of all kinds of cameras first."""

LOOPBACK = "127.0.0.0/8"


class System:
    """Simulator and product while they run."""

    def __init__(self, plan: StormPlan, links: Links, disk: SpoolDisk | None = None) -> None:
        self.plan = plan
        self._links = links
        self._disk = disk
        self.api = Api(free_port())
        self.urls: dict[str, str] = {}
        self.simulator: subprocess.Popen[bytes] | None = None
        self.supervisor: subprocess.Popen[bytes] | None = None

    @property
    def hulta_data(self) -> Path:
        """The product's data directory."""
        return self.plan.data / "hulta"

    @property
    def sent_log(self) -> Path:
        """What the simulated cameras sent."""
        return self.plan.data / "sent.log"

    @property
    def fault_log(self) -> Path:
        """What was wrong with them."""
        return self.plan.data / "faults.log"

    @property
    def hulta_log(self) -> Path:
        """What the product said."""
        return self.plan.data / "hulta.log"

    def start_simulator(self) -> None:
        """Start the cameras; once they all answer, their URLs are known. StormFailed."""
        folder = self.plan.data
        command = program("simulate", "--port", "0", "--seed", str(self.plan.seed), "--sent-log", self.sent_log)
        command += ["--fleet", str(write_json(folder / "fleet.json", self.plan.fleet))]
        if self.plan.camera_script.get("steps"):
            script = write_json(folder / "script.json", self.plan.camera_script)
            command += ["--script", str(script), "--fault-log", str(self.fault_log), "--wait"]
        log = folder / "simulator.log"
        self.simulator = start(command, log=log, folder=folder, environment=environment(), talks=True)
        lines = read_lines(self.simulator, len(self.plan.cameras), SIMULATOR_S)
        self.urls = {unquote(line.rpartition("/")[2]): line for line in lines}
        wanted = {camera.name for camera in self.plan.cameras}
        if {*self.urls} != wanted:
            said = log.read_text(errors="replace").strip()[-1000:]
            raise StormFailed(f"the simulator does not serve the fleet: {said or sorted({*self.urls} ^ wanted)[:5]}")

    def begin_script(self) -> None:
        """Let the faults of the cameras begin."""
        if self.plan.camera_script.get("steps"):
            assert self.simulator is not None
            assert self.simulator.stdin is not None
            self.simulator.stdin.write(b"\n")
            self.simulator.stdin.flush()

    def require_simulator(self) -> None:
        """StormFailed unless the cameras are still there: without them nothing is proved."""
        if self.simulator is not None and self.simulator.poll() is not None:
            raise StormFailed(f"the simulator ended by itself with {self.simulator.returncode}")

    def start_product(self) -> None:
        """Start the product, or start it again, as systemd would."""
        config = self.plan.data / "hulta.yaml"
        if not config.exists():
            config.touch(0o600)  # it may have the keys of an object store
            write_json(config, self._config())
        command = program("run", "--config", config, "--data", self.hulta_data)
        self.supervisor = start(
            command, log=self.hulta_log, folder=self.plan.data, environment=environment(self.plan.product)
        )

    def role(self, name: str) -> Handle | None:
        """A handle of the process that has a role now; None while there is none."""
        if self.supervisor is None or self.supervisor.poll() is not None:
            return None
        return Handle(self.supervisor.pid) if name == SUPERVISOR else handle_of(self.supervisor.pid, name)

    def kill(self, role: str, process: Handle) -> None:
        """SIGKILL. The supervisor is started again at once."""
        process.signal(signal.SIGKILL)
        if role == SUPERVISOR:
            assert self.supervisor is not None
            self.supervisor.wait()
            self.start_product()

    def strain(self, what: str, fault: Fault) -> Callable[[], None]:
        """Begin a fault of a link, or of the spool's disk; what ends it."""
        if fault.kind.place is not Place.DISK:
            return self._links.begin(what, fault)
        assert self._disk is not None, "plans see to that"
        return self._disk.fill(fault.number("left") * 1_000_000)

    @property
    def full(self) -> list[Interval]:
        """When the spool's own disk was full; never, if it has none."""
        return [] if self._disk is None else self._disk.full

    def check(self) -> tuple[int, str]:
        """`hulta check`: its exit code and its last words; -1 if it did not end."""
        try:
            done = subprocess.run(  # noqa: S603 - our own command line
                program("check", "--config", self.plan.data / "hulta.yaml", "--data", self.hulta_data),
                env=environment(self.plan.product),
                cwd=self.plan.data,
                capture_output=True,
                timeout=CHECK_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return -1, f"no answer within {CHECK_S} s"
        return done.returncode, (done.stdout + done.stderr).decode(errors="replace").strip()[-2000:]

    def _config(self) -> dict[str, Any]:
        """The fleet's sites and policies, the simulator's URLs; short segments, so that sealing meets kills, too."""
        sites = [
            {
                **site,
                "networks": [LOOPBACK],
                "cameras": [{**camera, "url": self.urls[camera["name"]]} for camera in site["cameras"]],
            }
            for site in self.plan.product_config["sites"]
        ]
        return {
            **self._links.config,
            "host": {"name": "storm", "listen": f"127.0.0.1:{self.api.port}"},
            "segments": {"seconds": self.plan.segment_s},
            "spool": {"accept_loss": True},
            "sites": sites,
        }


@contextmanager
def storm_system(plan: StormPlan) -> Iterator[System]:
    """Simulator and product for the length of a block; both are ended, however the block ends."""
    plan.data.mkdir(parents=True, exist_ok=True)
    with ExitStack() as around:
        links, disk = around.enter_context(proxied(plan.product_config)), None
        if plan.spool_disk_bytes:
            point = plan.data / "hulta" / "spool"
            disk = around.enter_context(spool_disk(plan.data / "spool.img", point, plan.spool_disk_bytes))
        yield from _running(System(plan, links, disk))


def _running(system: System) -> Iterator[System]:
    try:
        system.start_simulator()
        system.start_product()
        yield system
    finally:
        try:
            end(system.supervisor)
        finally:
            end(system.simulator)
        for pipe in (system.simulator.stdin, system.simulator.stdout) if system.simulator is not None else ():
            if pipe is not None:
                pipe.close()


def environment(product: Path | None = None) -> dict[str, str]:
    """Ours without what would change the product's settings."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("HULTA_")}
    return own if product is None else {**own, "PYTHONPATH": str(product), "PYTHONDONTWRITEBYTECODE": "1"}


def write_json(path: Path, document: object) -> Path:
    """JSON is YAML, and needs no library here."""
    path.write_text(json.dumps(document, indent=1))
    return path


def read_lines(process: subprocess.Popen[bytes], count: int, seconds: float) -> list[str]:
    """The first lines that a program prints; fewer if it ends or is silent for too long."""
    assert process.stdout is not None
    descriptor, deadline, received = process.stdout.fileno(), time.monotonic() + seconds, b""
    while received.count(b"\n") < count:
        ready, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
        block = os.read(descriptor, 1 << 16) if ready else b""
        if not block:
            break
        received += block
    return received.decode(errors="replace").splitlines()[:count]


def free_port() -> int:
    """A TCP port on loopback that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port

"""The compose file, checked without a container engine."""

from __future__ import annotations

import subprocess
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent.parent


def test_the_compose_file_fits_its_schema() -> None:
    """docker-compose's own check accepts it."""
    command = ["docker-compose", "-f", "docker-compose.yml", "--profile", "grown", "config", "--quiet"]
    checked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_nothing_is_published_beyond_this_host_and_nothing_has_a_default_password() -> None:
    """Whoever starts it on a laptop in a café exposes nothing."""
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)
    environment = [name for service in services.values() for name in service.get("environment", {})]
    assert [name for name in environment if "PASSWORD" in name and not name.endswith("_FILE")] == []

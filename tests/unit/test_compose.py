"""The compose file, checked without a container engine."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import yaml

from server.settings import parse_settings

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
    environment = {name: value for each in services.values() for name, value in each.get("environment", {}).items()}
    secret = {name: value for name, value in environment.items() if re.search("PASSWORD|KEY", name)}
    assert secret
    assert all(value == f"${{{name}:-}}" or name.endswith("_FILE") for name, value in secret.items())


def test_whatever_goes_on_running_says_whether_it_is_well() -> None:
    """An image of ours in its Dockerfile, those of others here."""
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    lasting = {name: service for name, service in services.items() if service["restart"] == "unless-stopped"}
    assert {name for name, service in lasting.items() if "healthcheck" not in service} == {"hulta"}
    assert "HEALTHCHECK" in (ROOT / "Dockerfile").read_text()


def test_the_grown_example_opens_with_the_keys_that_were_made_for_it(tmp_path: Path) -> None:
    """Random ones, for nobody else to read; the servers are told the same, and a second time nothing changes."""
    script = ["sh", ROOT / "packaging/compose-secrets.sh"]
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        subprocess.run(script, cwd=folder, check=True, capture_output=True)
    made, other = (
        dict(line.split("=", 1) for line in (tmp_path / name / ".env").read_text().splitlines()) for name in "ab"
    )
    assert {name for name in made if made[name] == other[name]} == {"HULTA_YAML"}
    found = [path for path in (tmp_path / "a").rglob("*") if path.is_file()]
    assert {path.stat().st_mode & 0o777 for path in found} == {0o600}
    (identity,) = json.loads((tmp_path / "a/secrets/s3_identities.json").read_text())["identities"]
    assert identity["credentials"] == [{"accessKey": made["S3_ACCESS_KEY"], "secretKey": made["S3_SECRET_KEY"]}]
    assert (tmp_path / "a/secrets/postgres_password").read_text() == made["POSTGRES_PASSWORD"]
    before = {path: path.read_bytes() for path in found}
    assert subprocess.run(script, cwd=tmp_path / "a", check=False, capture_output=True).returncode == 1
    assert {path: path.read_bytes() for path in found} == before

    example = parse_settings((ROOT / made["HULTA_YAML"]).read_text(), file="grown.yaml", environment=made)
    postgres, s3 = example.catalog.postgres, example.store.s3
    assert postgres is not None
    assert s3 is not None
    assert (postgres.password, s3.access_key, s3.secret_key) == tuple(
        made[name] for name in ("POSTGRES_PASSWORD", "S3_ACCESS_KEY", "S3_SECRET_KEY")
    )
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    assert (postgres.host, s3.host) == ("postgres", "s3:8333")
    assert {postgres.host, s3.host.partition(":")[0]} <= set(services)
    assert f"-name {s3.bucket}'" in services["bucket"]["entrypoint"][-1]

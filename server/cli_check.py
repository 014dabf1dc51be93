"""`hulta check`: whether catalog, objects, spool and declared gaps agree."""

from __future__ import annotations

from server.cli_frame import DEFAULT_DATA, ConfigOption, DataOption, JsonOption, existing_data, load_settings


def check(config: ConfigOption = None, data: DataOption = DEFAULT_DATA, json: JsonOption = False) -> None:
    """Compare the catalog with the object store and the spool; changes nothing. Exit 1 if anything is wrong."""
    load_settings(config)
    existing_data(data)
    raise NotImplementedError(json)

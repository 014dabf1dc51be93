"""`hulta verify`: what segment files prove by themselves, anywhere, without the server they came from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from media.errors import HultaError, Mp4Error, UsageError
from media.verification import Verification, breaks, verify
from playback.timerange import format_instant
from server.cli_frame import FAILED, JsonOption, command, out
from storage import files

if TYPE_CHECKING:
    from collections.abc import Sequence

HEAD_CHARACTERS = 64


class Unreadable(HultaError):  # noqa: N818 - the file, not the program
    """There is nothing to verify in it."""


def verify_files(
    paths: Annotated[
        list[Path], typer.Argument(help="Segments (.mp4), in the order of their time.", metavar="FILE...")
    ],
    head: Annotated[
        str | None, typer.Option(help="The head of the chain, known from elsewhere: the last file must end in it.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Say whether segment files are what was recorded, and what that proves.

    It needs nothing but the files. Exit 1 if one is damaged, is not followed by the next, or does not end in --head.
    """
    if head is not None and not _is_head(head):
        raise UsageError(f"--head {head}: {HEAD_CHARACTERS} hexadecimal digits are a head")
    found = [_verify(path) for path in paths]
    broken = [f"{paths[each.before]} and {paths[each.after]}: {each.why}" for each in breaks(found)]
    if head is not None and found[-1].head.hex() != head.lower():
        broken.append(
            f"{paths[-1]} ends in another head than {head}: it is not the file that was meant, or not as it was"
        )
    if json:
        documents = [_document(path, each) for path, each in zip(paths, found, strict=True)]
        out.print_json(data={"files": documents, "broken": broken})
    else:
        for line in _lines(paths, found, broken, head=head):
            out.print(line, markup=False)
    if broken or not all(each.intact for each in found):
        raise typer.Exit(FAILED)


def _is_head(text: str) -> bool:
    return len(text) == HEAD_CHARACTERS and all(letter in "0123456789abcdefABCDEF" for letter in text)


def _verify(path: Path) -> Verification:
    try:
        fd = files.open_read(path)
        try:
            return verify(lambda offset, length: os.pread(fd, length, offset), os.fstat(fd).st_size)
        finally:
            files.close(fd)
    except OSError as error:
        raise Unreadable(f"{path}: {error.strerror}") from None
    except Mp4Error as error:
        hint = "only segments carry a proof: take them from the playlist or the bucket, not from an export"
        raise Unreadable(f"{path}: {error}", hint=hint) from None


def _document(path: Path, found: Verification) -> dict[str, Any]:
    identity, scan = found.scan.identity, found.scan
    return {
        "file": str(path),
        "intact": found.intact,
        "sealed": found.sealed,
        "segment": str(identity.segment_id),
        "camera": str(identity.camera),
        "stream": str(identity.stream),
        "epoch": identity.epoch,
        "run": f"{identity.run:016x}",
        "sequence": identity.sequence,
        "from": format_instant(scan.pictures[0].commit.wall_us),
        "to": format_instant(scan.end_us),
        "fragments": len(scan.fragments),
        "lost_packets": sum(commit.lost_packets for commit in scan.commits),
        "previous": found.previous.hex(),
        "head": found.head.hex(),
        "faults": list(found.faults),
        "torn": [list(each) for each in scan.torn],
    }


def _lines(
    paths: Sequence[Path], found: Sequence[Verification], broken: Sequence[str], *, head: str | None
) -> list[str]:
    lines = [line for path, each in zip(paths, found, strict=True) for line in _of_one(path, each)]
    lines += [f"NOT LINKED  {each}" for each in broken]
    if broken or not all(each.intact for each in found):
        return lines
    lines.append("Proven: every byte is as it was written, and no fragment between the first and the last is missing.")
    if not found[-1].sealed:
        lines.append("Not proven: that nothing followed; the last file has no seal.")
    if head is None:
        lines.append("Not proven: that nobody wrote them anew, chain and all. Give the --head that the catalog has.")
    return lines


def _of_one(path: Path, found: Verification) -> list[str]:
    document = _document(path, found)
    state = "intact" if found.intact else "DAMAGED"
    lines = [
        f"{state:<8}{path}{'' if found.sealed else ', not sealed'}",
        f"        camera {document['camera']}, run {document['run']}, segment {document['sequence']}",
        f"        {document['from']} to {document['to']}, {document['fragments']} fragments",
    ]
    if document["lost_packets"]:
        lines.append(f"        {document['lost_packets']} packets did not arrive from the camera")
    lines.append(f"        chain from {document['previous']}\n           to      {document['head']}")
    lines += [f"        {fault}" for fault in found.faults]
    return [*lines, *(f"        bytes {start} to {end} belong to nothing" for start, end in found.scan.torn)]


def register(app: typer.Typer) -> None:
    """Add this command."""
    command(app, verify_files, name="verify")

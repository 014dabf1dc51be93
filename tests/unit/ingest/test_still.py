"""A picture of a camera, by a decoder that is trusted with nothing."""

from __future__ import annotations

import io

import av
import numpy as np
import pytest

from ingest import still as still_module
from ingest.still import still
from media.errors import CodecError
from media.h264_parameters import ParameterSets
from media.nal import join_length_prefixed
from tests.builders_h264 import encode


def picture_of(jpeg: bytes) -> np.ndarray:
    """The luma of a JPEG."""
    with av.open(io.BytesIO(jpeg), format="jpeg_pipe") as container:
        return next(container.decode(video=0)).to_ndarray(format="gray").astype(np.float32)


async def test_a_sync_sample_becomes_its_picture() -> None:
    """Compared with what PyAV decodes from the byte stream, pixel by pixel."""
    nals = encode("320x240")
    sets = ParameterSets.from_nals(nals)
    assert sets is not None
    first = [nal for nal in nals if nal[0] & 31 == 5][:1]
    jpeg = await still(sets.track(), join_length_prefixed(first))
    stream = b"".join(b"\0\0\0\1" + nal for nal in [*sets.sps, *sets.pps, *first])
    with av.open(io.BytesIO(stream), format="h264") as container:
        shown = next(container.decode(video=0)).to_ndarray(format="gray").astype(np.float32)
    assert picture_of(jpeg).shape == shown.shape == (240, 320)
    assert np.abs(picture_of(jpeg) - shown).mean() < 4


@pytest.mark.parametrize("unit", [b"", b"\0\0\0\4junk", bytes(100_000), b"\xff" * 1000])
async def test_what_is_no_picture_is_a_sentence(unit: bytes) -> None:
    """A camera may send anything."""
    sets = ParameterSets.from_sprop("Z0LAHtoCgL/lhAAAAwAEAAADAMo8WLqA,aM4PyA==")
    assert sets is not None
    with pytest.raises(CodecError, match=r"^the picture cannot be decoded: "):
        await still(sets.track(), unit)


async def test_a_decoder_that_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its time is over before it has even started."""
    monkeypatch.setattr(still_module, "TIMEOUT_S", 0.01)
    sets = ParameterSets.from_sprop("Z0LAHtoCgL/lhAAAAwAEAAADAMo8WLqA,aM4PyA==")
    assert sets is not None
    with pytest.raises(CodecError, match="no picture after"):
        await still(sets.track(), b"\0\0\0\4junk")

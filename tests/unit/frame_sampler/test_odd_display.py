"""What no `display` can say of an original stands in its records, so that the original never condemns itself."""

from __future__ import annotations

from array import array
from pathlib import Path

from media.scene import render_scene
from tests.unit.frame_sampler.importing import UNSAMPLED, bring_in, kept, make_home
from tests.unit.media.surgery import changed, set_matrix
from verifier.recorded import RecordedSegment


def test_an_original_turned_by_an_odd_angle(tmp_path: Path) -> None:
    source = tmp_path / "clip.mp4"
    render_scene(source, pattern="IPPP", width=160, height=96)
    turned = changed(
        source, tmp_path / "turned.mp4", lambda moov: set_matrix(moov.find(b"trak", b"tkhd"), (0.8, 0.6, -0.6, 0.8))
    )
    home = make_home(tmp_path / "home", policy=UNSAMPLED)
    for path, noted in ((source, ()), (turned, ("odd_matrix",))):
        (segment,) = kept(home, bring_in(home, path))
        recorded = RecordedSegment.segment(
            segment.record, coded=b"", offsets=array("q"), flags=b"", sides=(), anchored=True
        )
        assert recorded.odd == noted

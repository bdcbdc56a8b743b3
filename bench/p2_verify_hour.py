"""P2: verify an hour of footage, all exact, beside c2pa-python validating the same pictures, in the same run.

The input is P1's: an hour of 1080p25 H.264 at 4 Mbit/s with synthetic slice payloads. It is sealed in segments of 10 s,
anchored on an embedded ledger, and verified through the same entry point as `veriframe verify`. For the peer the same
file is signed with a C2PA manifest that binds it by hash. Run: python bench/p2_verify_hour.py [--minutes 60]
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import sys
import tempfile
import time
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import c2pa
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from bench.p1_unit_digests import RATE, write_movie
from cli.recording import drain
from evidence.leaves import KEY
from evidence.policy import Policy
from evidence.records import HeaderAt
from frame_sampler.sealing import Columns, Moments, Recorder, seal_segment
from media.footage import Footage
from media.scan import scan
from sdk.acting import enrol_demo_camera
from sdk.home import Home
from sdk.init import init_home
from sdk.keys import load_key
from sdk.sealed import Sealed
from sdk.settings import Settings
from sdk.spool import Spool
from verifier.examine import examine
from verifier.model import State

START_US = 1_750_000_000_000_000
PICTURE_US = 1_000_000 // RATE
SEGMENT = 10 * RATE
ES256 = ec.ECDSA(hashes.SHA256())


def now_us() -> int:
    return time.time_ns() // 1000


def make_home(folder: Path, footage: Footage) -> Home:
    """A home in which the footage was recorded without keeping its media."""
    home = init_home(folder, demo=True, now=now_us).home
    entry = enrol_demo_camera(home, "gate-1", now=now_us).entry
    recorder = Recorder(
        camera=entry, signer=load_key(home.device_key("gate-1")), policy=Policy(), tap="import", clock="import",
        boot="bench", software="bench", decoder="none",
    )  # fmt: skip
    with Spool(home.spool, now=now_us) as spool, spool.hold("gate-1"):
        state = spool.open_import("gate-1", start_us=START_US, sha256=footage.sha256)
        for first in range(0, footage.count, SEGMENT):
            end = min(first + SEGMENT, footage.count)
            sealed = seal_segment(
                _columns(footage, first, end),
                recorder,
                state,
                Moments(
                    start_us=START_US + first * PICTURE_US,
                    end_us=START_US + end * PICTURE_US,
                    received_us=START_US,
                    sealed_us=START_US + end * PICTURE_US,
                ),
                kept="none",
                media=None,
                seed=bytes(32),
            )
            state = spool.append(Sealed(record=sealed.record, block=sealed.block, proof=sealed.proof))
    if not drain(home, Settings()).complete:
        raise SystemExit("the home could not be anchored")
    return home


def _columns(footage: Footage, first: int, end: int) -> Columns:
    return Columns(
        codec=footage.codec, width=footage.width, height=footage.height, display=footage.display, connection=0,
        source_us=first * PICTURE_US, coded=footage.coded[32 * first : 32 * end],
        offsets_us=array("q", [index * PICTURE_US for index in range(end - first)]),
        flags=bytes(KEY * key for key in footage.keys[first:end]), interval_us=PICTURE_US,
        headers=(HeaderAt(at=0, sha256=footage.headers[0][1]),), sides=(), looks=(), notes=(), mono_us=0, mono_end_us=0,
    )  # fmt: skip


def sign_for_peer(path: Path, signed: Path) -> None:
    """Put a C2PA manifest with a hash over the whole file into a copy of it."""
    key = ec.generate_private_key(ec.SECP256R1())
    root_key = ec.generate_private_key(ec.SECP256R1())
    chain = _certificate(key.public_key(), root_key, leaf=True) + _certificate(
        root_key.public_key(), root_key, leaf=False
    )
    source = "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"
    actions = [{"action": "c2pa.created", "digitalSourceType": source}]
    created = {"label": "c2pa.actions", "data": {"actions": actions}}
    manifest = {"claim_generator": "bench/1", "title": "hour", "format": "video/mp4", "assertions": [created]}
    signer = c2pa.Signer.from_callback(
        lambda data: _plain(key.sign(data, ES256)), c2pa.C2paSigningAlg.ES256, chain.decode()
    )
    with c2pa.Builder(json.dumps(manifest)) as builder:
        builder.sign_file(path, signed, signer)


def _plain(signature: bytes) -> bytes:
    """R and S one behind the other, as COSE has them."""
    r, s = decode_dss_signature(signature)
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def _certificate(key: ec.EllipticCurvePublicKey, root_key: ec.EllipticCurvePrivateKey, *, leaf: bool) -> bytes:
    issuer = x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "bench"), x509.NameAttribute(NameOID.COMMON_NAME, "root")]
    )
    subject = x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "bench"), x509.NameAttribute(NameOID.COMMON_NAME, "signer")]
    )
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject if leaf else issuer)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=not leaf, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(leaf, False, False, False, False, not leaf, not leaf, False, False), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False)
    )
    if leaf:
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
        builder = builder.add_extension(usage, critical=False)
    return builder.sign(root_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def ask_peer(path: Path) -> None:
    with c2pa.Reader(path) as reader:
        document = json.loads(reader.json())
    codes = json.dumps(document.get("validation_results", document.get("validation_status", "")))
    if "mismatch" in codes or "Hash.match" not in codes:
        raise SystemExit(f"the peer did not compare the file's hash: {codes[:400]}")


def verify(path: Path, home: Home) -> None:
    verdict = examine([path], source=home.path, trust="home")[0]
    if verdict.state is not State.VERIFIED:
        raise SystemExit(f"{verdict.state.name}: {verdict.sentence}")


def timed(work: Callable[[], None], repeats: int) -> float:
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best


def measure(folder: Path, minutes: float, repeats: int) -> dict[str, Any]:
    path, signed = folder / "hour.mp4", folder / "signed.mp4"
    write_movie(path, round(minutes * 60 * RATE))
    footage = scan(path)
    home = make_home(folder / "home", footage)
    ours = timed(lambda: verify(path, home), repeats)
    scanning = timed(lambda: scan(path) and None, repeats)
    sign_for_peer(path, signed)
    # The file given to the peer takes the place of ours on the disk's cache; each is read once before it is timed.
    peer = timed(lambda: ask_peer(signed), repeats)
    size = path.stat().st_size
    return {
        "measure": "P2",
        "input": {"bytes": size, "minutes": minutes, "pictures": footage.count},
        "seconds": {"verify": round(ours, 3), "of it scanning": round(scanning, 3), "c2pa": round(peer, 3)},
        "megabytes_per_s": {"verify": round(size / ours / 1e6, 1), "c2pa": round(size / peer / 1e6, 1)},
        "ratio_to_peer": round(peer / ours, 3),
        "goal": {"seconds": 3.0, "floor_seconds": 5.0, "ratio_to_peer": 1.0, "floor_ratio": 0.7},
        "machine": {"cores": os.cpu_count(), "python": platform.python_version(), "c2pa": c2pa.sdk_version()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Verify an hour of footage, beside c2pa-python.")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        result = measure(Path(directory), options.minutes, options.repeats)
    print(json.dumps(result, indent=2))
    print(f"{'':24}{'s':>8}{'MB/s':>10}", file=sys.stderr)
    for name, label in (("verify", "verify (ours)"), ("c2pa", "c2pa-python")):
        print(f"{label:24}{result['seconds'][name]:8.2f}{result['megabytes_per_s'][name]:10.0f}", file=sys.stderr)


if __name__ == "__main__":
    main()

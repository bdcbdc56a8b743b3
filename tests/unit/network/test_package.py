"""The same inputs give the same package, since its digest is the id under which peers know it."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from network.package import Package, make_package, write_builder

MAKE = """
from network.package import make_package
print(make_package("veriframe_1", address="h:1", root_pem="R", client_pem="C", client_key_pem="K").id)
"""


def package(**changed: str) -> Package:
    values = {"address": "h:1", "root_pem": "R", "client_pem": "C", "client_key_pem": "K", **changed}
    return make_package("veriframe_1", **values)


def test_the_same_package_has_the_same_id_on_every_day_and_machine() -> None:
    ids = {package().id}
    for seed, zone in (("1", "UTC"), ("77", "Pacific/Kiritimati")):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "TZ": zone, "PYTHONPATH": os.pathsep.join(sys.path)}
        run = subprocess.run([sys.executable, "-c", MAKE], env=environment, capture_output=True, text=True, check=True)
        ids.add(run.stdout.strip())
    assert len(ids) == 1


@pytest.mark.parametrize("changed", ["address", "root_pem", "client_pem", "client_key_pem"])
def test_another_address_or_certificate_is_another_package(changed: str) -> None:
    assert package(**{changed: "other"}).id != package().id


def test_a_package_holds_an_address_and_certificates_and_no_code() -> None:
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(package().data))) as outer:
        assert outer.getnames() == ["metadata.json", "code.tar.gz"]
        metadata = outer.extractfile("metadata.json")
        code = outer.extractfile("code.tar.gz")
        assert metadata is not None
        assert code is not None
        assert json.loads(metadata.read()) == {"type": "ccaas", "label": "veriframe_1"}
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(code.read()))) as inner:
            assert inner.getnames() == ["connection.json"]
            connection = inner.extractfile("connection.json")
            assert connection is not None
            members = json.loads(connection.read())
    # Real booleans: a peer that reads "true" as text would talk without TLS or not at all.
    assert members["tls_required"] is True
    assert members["client_auth_required"] is True
    assert members["address"] == "h:1"


def test_the_builder_takes_ccaas_and_nothing_else(tmp_path: Path) -> None:
    write_builder(tmp_path)
    source, meta, out = (tmp_path / name for name in ("source", "meta", "out"))
    for folder in (source, meta, out):
        folder.mkdir()
    (source / "connection.json").write_text("{}")

    def run(step: str, *folders: Path) -> int:
        return subprocess.run([tmp_path / "bin" / step, *folders], check=False).returncode

    (meta / "metadata.json").write_text('{"type": "ccaas", "label": "x"}')
    assert run("detect", source, meta) == 0
    (meta / "metadata.json").write_text('{"type": "golang", "label": "ccaas"}')
    assert run("detect", source, meta) != 0
    assert run("build", source, meta, out) == 0
    assert (out / "connection.json").read_text() == "{}"
    released = tmp_path / "released"
    assert run("release", out, released) == 0
    assert (released / "chaincode" / "server" / "connection.json").read_text() == "{}"

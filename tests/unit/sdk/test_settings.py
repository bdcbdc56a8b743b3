"""Settings: which source wins, and what `config check` says about each kind of mistake."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from evidence.errors import ConfigInvalid
from sdk.settings import ConfigFinding, check, known_keys, load, schema, show

RECIPIENTS = '["a", "b"]'


class Places:
    """A home, a user's folder and a `--config` file to write settings into."""

    def __init__(self, root: Path) -> None:
        self.home, self.user, self.config = root / "home", root / "user", root / "given.yaml"
        self.home.mkdir()
        (self.user / "veriframe").mkdir(parents=True)
        self.environment = {"XDG_CONFIG_HOME": str(self.user), "PATH": "/bin"}

    def in_home(self, text: str) -> None:
        (self.home / "veriframe.yaml").write_text(text)

    def in_user(self, text: str) -> None:
        (self.user / "veriframe" / "veriframe.yaml").write_text(text)

    def check(self, *, config: bool = False) -> Any:
        return check(config=self.config if config else None, home=self.home, environment=self.environment)

    def only_finding(self, text: str) -> ConfigFinding:
        self.in_home(text)
        (finding,) = self.check().findings
        return finding


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path)


def test_nothing_set_is_the_built_in(places: Places) -> None:
    settings = load(config=None, home=places.home, environment=places.environment)
    assert settings.store.url == "file:store"
    assert not settings.store.encrypted
    assert settings.recorder.anchoring == "auto"
    assert settings.verify.trust is None


def test_each_source_wins_over_those_after_it(places: Places) -> None:
    places.in_user("recorder: {identity: user}\nstore: {url: 'file:user'}\n")
    assert places.check().settings.recorder.identity == "user"
    places.in_home("recorder:\n  identity: home\n")
    assert places.check().settings.recorder.identity == "home"
    assert places.check().settings.store.url == "file:user"
    places.environment["VERIFRAME_RECORDER__IDENTITY"] = "environment"
    assert places.check().settings.recorder.identity == "environment"
    places.config.write_text("recorder:\n  identity: given\n")
    loaded = places.check(config=True)
    assert loaded.settings.recorder.identity == "given"
    assert loaded.origins["recorder.identity"] == f"{places.config}:2"
    shown = {key: (value, where) for key, value, where in show(loaded)}
    assert shown["store.url"][0] == "file:user"
    assert shown["store.immutable"] == (False, "built-in")


def test_a_trust_file_is_never_taken_from_beside_the_evidence(places: Places) -> None:
    places.in_home("verify:\n  trust: /evil/trust.json\n")
    loaded = places.check()
    assert loaded.settings.verify.trust is None
    (finding,) = loaded.findings
    assert (finding.level, finding.where) == ("warning", f"{places.home}/veriframe.yaml:2")
    assert "beside the evidence" in finding.cause


@pytest.mark.parametrize("source", ["user", "environment", "config"])
def test_a_trust_file_is_taken_from_the_examiners_own_places(places: Places, source: str) -> None:
    text = "verify:\n  trust: /mine/trust.json\n"
    if source == "user":
        places.in_user(text)
    elif source == "environment":
        places.environment["VERIFRAME_VERIFY__TRUST"] = "/mine/trust.json"
    else:
        places.config.write_text(text)
    assert places.check(config=source == "config").settings.verify.trust == "/mine/trust.json"


def test_a_misspelt_key_is_named_with_its_line_and_the_nearest_one(places: Places) -> None:
    finding = places.only_finding("recorder:\n  identity: r\nstore:\n  encrpted: true\n")
    assert finding.where == f"{places.home}/veriframe.yaml:4"
    assert finding.key == "store.encrpted"
    assert finding.fix == "did you mean store.encrypted?"
    with pytest.raises(ConfigInvalid, match=r"store.encrpted: no setting has this name") as error:
        load(config=None, home=places.home, environment=places.environment)
    assert error.value.where.endswith(":4")


def test_a_misspelt_section_is_named(places: Places) -> None:
    assert places.only_finding("stor:\n  url: x\n").fix == "did you mean store?"
    assert "known are" in places.only_finding("zzz:\n  url: x\n").fix


def test_a_wrong_value_is_named_with_what_is_allowed(places: Places) -> None:
    finding = places.only_finding("store:\n  url: 'file:x'\nrecorder:\n  anchoring: never\n")
    assert finding.where.endswith(":4")
    assert finding.key == "recorder.anchoring"
    assert "'auto', 'open' or 'sealed'" in finding.cause
    assert "one root per batch" in finding.fix
    assert places.only_finding("recorder: {batch_blocks: 501}\n").key == "recorder.batch_blocks"
    assert places.only_finding("store: {encrypted: [1]}\n").key == "store.encrypted"


def test_a_wrong_value_in_the_environment_is_named_by_its_variable(places: Places) -> None:
    places.environment["VERIFRAME_STORE__IMMUTABLE"] = "perhaps"
    (finding,) = places.check().findings
    assert (finding.where, finding.key) == ("VERIFRAME_STORE__IMMUTABLE", "store.immutable")


def test_an_unknown_variable_is_a_warning_with_the_nearest_name(places: Places) -> None:
    places.environment["VERIFRAME_STORE__ULR"] = "x"
    places.environment["VERIFRAME_HOME"] = "/somewhere"
    loaded = places.check()
    (finding,) = loaded.findings
    assert loaded.settings is not None
    assert (finding.level, finding.fix) == ("warning", "did you mean VERIFRAME_STORE__URL?")


def test_encryption_needs_two_recipients(places: Places) -> None:
    finding = places.only_finding("store:\n  encrypted: true\n  recipients: [a]\n")
    assert finding.where.endswith(":3")
    places.environment["VERIFRAME_STORE__RECIPIENTS"] = RECIPIENTS
    assert places.check().settings.store.recipients == ("a", "b")
    del places.environment["VERIFRAME_STORE__RECIPIENTS"]
    assert places.only_finding("store: {encrypted: true}\n").key == "store.recipients"


@pytest.mark.parametrize(
    ("text", "line", "cause"),
    [
        ("store:\n\turl: x\n", 2, "not YAML"),
        ("store: [\n", 2, "not YAML"),
        ("- a\n- b\n", 1, "not a list"),
        ("just words\n", 1, "not a list"),
        ("store: 5\n", 1, "is a section"),
        ("store:\n  url: a\n  url: b\n", 3, "second time"),
        ("a: &x [1]\nb: *x\n", 1, "anchors"),
        ("store: !!python/object:os.system {}\n", 1, "tags"),
        ("store: {1: 2}\n", 1, "not a plain word"),
        ("a: " + "[" * 60 + "]" * 60 + "\n", 1, "too deeply"),
    ],
)
def test_what_is_not_a_settings_file_is_named_by_line(places: Places, text: str, line: int, cause: str) -> None:
    finding = places.only_finding(text)
    assert finding.where.endswith(f":{line}")
    assert cause in finding.cause
    assert finding.fix


def test_odd_files_are_findings_not_exceptions(places: Places) -> None:
    path = places.home / "veriframe.yaml"
    for data, cause in (
        (b"\xff\xfe\x00", "UTF-8"),
        (b"#" * 300_000, "larger"),
        (b"store: {url: 2024-13-45}", "not YAML"),
    ):
        path.write_bytes(data)
        assert cause in places.check().findings[0].cause
    for data in (b"", b"# nothing set\n", b"store:\n", b"\xef\xbb\xbfstore: {}\n"):
        path.write_bytes(data)
        assert places.check().findings == ()
    path.unlink()
    path.mkdir()
    assert "not there" in places.check().findings[0].cause


def test_a_config_file_that_was_asked_for_must_be_there(places: Places) -> None:
    (finding,) = places.check(config=True).findings
    assert finding.level == "error"
    assert "not there" in finding.cause


def test_the_schema_names_every_key() -> None:
    described = schema()["$defs"]
    assert set(described) == {"StoreSettings", "RecorderSettings", "PeopleSettings", "VerifySettings"}
    assert sum(len(section["properties"]) for section in described.values()) == len(known_keys())
    assert all(p["description"] for section in described.values() for p in section["properties"].values())

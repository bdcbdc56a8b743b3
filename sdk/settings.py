"""Settings: what they are, where each value comes from, and what is wrong with them.

Precedence: `--config` > environment `VERIFRAME_SECTION__KEY` > `veriframe.yaml` in the home > the user's folder (XDG)
> built-in. `verify.trust` is not taken from the home: who keeps the evidence must not choose whom the examiner trusts.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from evidence.errors import ConfigInvalid
from sdk.home import user_settings
from sdk.yaml_lines import Document, read_document

PREFIX = "VERIFRAME_"
# Variables that are no settings: where the home is, and what the tests ask for.
_OTHER_VARIABLES = frozenset({"VERIFRAME_HOME", "VERIFRAME_REQUIRE", "VERIFRAME_FOOTAGE", "VERIFRAME_VECTORS"})
_NOT_FROM_HOME = ("verify", "trust")


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StoreSettings(_Section):
    """Where footage and proof are kept."""

    url: str = Field(
        default="file:store", description="file:PATH, relative to the home", examples=["file:/srv/veriframe"]
    )
    immutable: bool = Field(
        default=False, description="insist that the store cannot delete or overwrite; tested at start-up"
    )
    encrypted: bool = Field(default=False, description="encrypt media and private parts before they reach the store")
    recipients: tuple[str, ...] = Field(
        default=(),
        description="recovery keys (base64 of X25519 SubjectPublicKeyInfo) that can always decrypt; at least two",
    )


class RecorderSettings(_Section):
    """Who records, and how what was recorded is anchored."""

    identity: str = Field(
        default="", description="the identity of the home that signs anchoring transactions; empty: its only recorder"
    )
    anchoring: Literal["auto", "open", "sealed"] = Field(
        default="auto",
        description="open: every block on the ledger; sealed: one root per batch; auto: open up to 16 cameras",
    )
    batch_blocks: int = Field(default=500, ge=1, le=500, description="most blocks in one anchoring transaction")


class PeopleSettings(_Section):
    """Where the texts behind commitments are kept: reasons, purposes, names."""

    url: str | None = Field(
        default=None,
        description="a database that several machines share, as SQLAlchemy writes it; else a file of the home",
        examples=["postgresql+psycopg://host/veriframe"],
    )


class VerifySettings(_Section):
    """What the examiner brings."""

    trust: str | None = Field(
        default=None, description="path of the trust file; from --config, the environment or the user's folder only"
    )


class Settings(BaseSettings):
    """All settings; `load` reads them."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, env_prefix=PREFIX, env_nested_delimiter="__")

    store: StoreSettings = StoreSettings()
    recorder: RecorderSettings = RecorderSettings()
    people: PeopleSettings = PeopleSettings()
    verify: VerifySettings = VerifySettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        # Our own merge has already ordered the sources, and remembers where each value stood.
        return (init_settings,)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigFinding:
    """Something wrong with the settings: where it stands, why it is wrong, and what to do.

    Attributes:
        level: `error` stops every command that reads settings, `warning` does not.
        where: `path:line`, or the name of the environment variable.
        key: dotted name as written; empty when the whole file is meant.
    """

    level: Literal["error", "warning"]
    where: str
    key: str
    cause: str
    fix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """Settings and where they come from; `settings` is None when a finding is an error, `origins` is by dotted key."""

    settings: Settings | None
    origins: Mapping[str, str]
    findings: tuple[ConfigFinding, ...]


@dataclass(frozen=True, slots=True)
class _Value:
    value: Any
    where: str


def load(*, config: Path | None, home: Path | None, environment: Mapping[str, str]) -> Settings:
    """The settings in force.

    Raises:
        ConfigInvalid: the first error that `check` finds.
    """
    loaded = check(config=config, home=home, environment=environment)
    if loaded.settings is None:
        first = next(f for f in loaded.findings if f.level == "error")
        raise ConfigInvalid(
            f"{first.key}: {first.cause}" if first.key else first.cause, where=first.where, next_step=first.fix
        )
    return loaded.settings


def check(*, config: Path | None, home: Path | None, environment: Mapping[str, str]) -> Loaded:
    """Read all sources and say everything that is wrong with them. Never raises for what stands in a file."""
    findings: list[ConfigFinding] = []
    values: dict[tuple[str, ...], _Value] = {}
    # Weakest first: what comes later replaces what stands there.
    for path, required, from_home in (
        (user_settings(environment), False, False),
        (None if home is None else home / "veriframe.yaml", False, True),
    ):
        if path is not None:
            _take_file(path, values, findings, required=required, from_home=from_home)
    _take_environment(environment, values, findings)
    if config is not None:
        _take_file(config, values, findings, required=True, from_home=False)
    settings = _validate(values, findings)
    if any(f.level == "error" for f in findings):
        settings = None
    origins = {".".join(key): found.where for key, found in values.items()}
    return Loaded(settings=settings, origins=origins, findings=tuple(findings))


def known_keys() -> tuple[tuple[str, ...], ...]:
    """Every setting as (section, key)."""
    return tuple(
        (section, key)
        for section, field in Settings.model_fields.items()
        for key in getattr(field.annotation, "model_fields", {})
    )


def show(loaded: Loaded) -> Iterator[tuple[str, Any, str]]:
    """Every setting in force as (dotted key, value, where it comes from)."""
    if loaded.settings is not None:
        for section, key in known_keys():
            value = getattr(getattr(loaded.settings, section), key)
            yield f"{section}.{key}", value, loaded.origins.get(f"{section}.{key}", "built-in")


def schema() -> dict[str, Any]:
    """JSON Schema of the settings file."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Settings.model_json_schema()}


def _take_file(
    path: Path,
    values: dict[tuple[str, ...], _Value],
    findings: list[ConfigFinding],
    *,
    required: bool,
    from_home: bool,
) -> None:
    document = read_document(path, required=required)
    for line, cause, fix in document.problems:
        findings.append(ConfigFinding(level="error", where=_at(path, line), key="", cause=cause, fix=fix))
    for key, value in _leaves(document, findings, path):
        where = _at(path, document.lines.get(key, 0))
        if from_home and key == _NOT_FROM_HOME:
            findings.append(
                ConfigFinding(
                    level="warning",
                    where=where,
                    key="verify.trust",
                    cause="ignored here: a trust file is not taken from beside the evidence",
                    fix="use --trust, --config, VERIFRAME_VERIFY__TRUST, or the user's own settings file",
                )
            )
            continue
        values[key] = _Value(value, where)


def _leaves(document: Document, findings: list[ConfigFinding], path: Path) -> Iterator[tuple[tuple[str, ...], Any]]:
    sections = Settings.model_fields
    for section, members in document.value.items():
        line = document.lines.get((section,), 0)
        if section not in sections:
            findings.append(_unknown(_at(path, line), section, tuple((name,) for name in sections)))
        elif members is None:
            continue
        elif not isinstance(members, dict):
            findings.append(
                ConfigFinding(
                    level="error",
                    where=_at(path, line),
                    key=section,
                    cause=f"{section} is a section, not a value",
                    fix=f"write its keys indented below `{section}:`",
                )
            )
        else:
            for name, value in members.items():
                key = (section, name)
                if key in known_keys():
                    yield key, value
                else:
                    findings.append(_unknown(_at(path, document.lines.get(key, 0)), f"{section}.{name}", known_keys()))


def _take_environment(
    environment: Mapping[str, str], values: dict[tuple[str, ...], _Value], findings: list[ConfigFinding]
) -> None:
    known = {f"{PREFIX}{section}__{key}".upper(): (section, key) for section, key in known_keys()}
    for variable in sorted(environment):
        if not variable.upper().startswith(PREFIX) or variable in _OTHER_VARIABLES:
            continue
        key = known.get(variable.upper())
        if key is None:
            near = difflib.get_close_matches(variable.upper(), known, n=1)
            # A warning: the variable may belong to a newer or older version started from the same service file.
            findings.append(
                ConfigFinding(
                    level="warning",
                    where=variable,
                    key=variable,
                    cause="no setting has this name",
                    fix=f"did you mean {near[0]}?" if near else "remove it; `veriframe config show` lists the settings",
                )
            )
            continue
        values[key] = _Value(_from_text(key, environment[variable]), variable)


def _from_text(key: tuple[str, str], text: str) -> Any:
    """A list is JSON, everything else is what pydantic makes of text."""
    if key == ("store", "recipients"):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


def _validate(values: Mapping[tuple[str, ...], _Value], findings: list[ConfigFinding]) -> Settings | None:
    nested: dict[str, dict[str, Any]] = {}
    for (section, key), found in values.items():
        nested.setdefault(section, {})[key] = found.value
    try:
        settings = Settings(**nested)  # type: ignore[arg-type]  # pydantic turns the dictionaries into sections
    except ValidationError as error:
        for each in error.errors():
            path = tuple(str(part) for part in each["loc"])
            stands = values.get(path[:2])
            findings.append(
                ConfigFinding(
                    level="error",
                    where=stands.where if stands is not None else "settings",
                    key=".".join(path),
                    cause=f"{each['msg'][:1].lower()}{each['msg'][1:]}",
                    fix=_allowed(path[:2]),
                )
            )
        return None
    if settings.store.encrypted and len(set(settings.store.recipients)) < 2:
        found = values.get(("store", "recipients")) or values[("store", "encrypted")]
        findings.append(
            ConfigFinding(
                level="error",
                where=found.where,
                key="store.recipients",
                cause="an encrypted store needs at least two different recovery recipients",
                fix="make a second recovery key, keep it elsewhere, and list both public keys",
            )
        )
    return settings


def _allowed(key: tuple[str, ...]) -> str:
    section = Settings.model_fields[key[0]].annotation if key and key[0] in Settings.model_fields else None
    field = getattr(section, "model_fields", {}).get(key[1]) if len(key) > 1 else None
    return str(field.description) if field is not None and field.description else "see `veriframe config schema`"


def _unknown(where: str, key: str, known: tuple[tuple[str, ...], ...]) -> ConfigFinding:
    names = [".".join(each) for each in known]
    near = difflib.get_close_matches(key, names, n=1, cutoff=0.5)
    return ConfigFinding(
        level="error",
        where=where,
        key=key,
        cause="no setting has this name",
        fix=f"did you mean {near[0]}?" if near else f"known are {', '.join(names)}",
    )


def _at(path: Path, line: int) -> str:
    return f"{path}:{line}" if line else str(path)

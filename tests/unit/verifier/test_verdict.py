"""The verdict's JSON has exactly the form that the published schema promises."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from media.footage import Track
from verifier.model import OPERATIONS, Axis, Finding, Op, Operation, Origin, State
from verifier.verdict import AnchorFact, AxisResult, Exhibit, Result, TrustFact, Verdict, document_of, to_text

SCHEMAS = Path(__file__).resolve().parents[3] / "docs" / "schema"
NOON = 1_700_000_000_000_000


def schema(name: str) -> dict[str, object]:
    document: dict[str, object] = json.loads((SCHEMAS / name).read_bytes())
    return document


def check(document: dict[str, object], name: str = "verdict-1.json") -> None:
    registry = Registry().with_resource("verdict-1.json", Resource.from_contents(schema("verdict-1.json")))
    Draft202012Validator(schema(name), registry=registry).validate(document)


def full() -> Verdict:
    footage = Exhibit(
        name="copy.mp4",
        sha256=bytes(32),
        size_bytes=1000,
        container="mp4",
        codec="h264",
        width=1920,
        height=1080,
        pictures=12,
        tracks=(
            Track(index=0, kind="video", codec="h264", examined=True),
            Track(index=1, kind="audio", codec="aac", examined=False),
        ),
    )
    script = (
        Operation(op=Op.SAME, file=(0, 8), record=(100, 108), time_us=(NOON, NOON + 800_000), shown=(0, 8), chain=7),
        Operation(op=Op.MISSING, file=None, record=(109, 110), time_us=(NOON, NOON + 1), chain=8),
        Operation(
            op=Op.FOREIGN,
            file=(9, 10),
            shown=(9, 10),
            of=Origin(camera="gate-2", chain=9, record=(0, 1), time_us=(NOON, NOON + 1)),
        ),
        Operation(op=Op.UNKNOWN, file=(11, 11), shown=(11, 11), cause="cut_picture"),
    )
    return Verdict(
        state=State.INCOMPLETE,
        sentence="A sentence.",
        exhibits=(footage,),
        camera="gate-1",
        chain=7,
        interval_us=(NOON, NOON + 1_000_000),
        excerpt=True,
        axes={
            Axis.INTEGRITY: AxisResult(result=Result.PASS),
            Axis.TIME: AxisResult(result=Result.FAIL, reason="retimed"),
        },
        script=script,
        findings=(Finding.of("hidden", "Pictures 1 to 2 are hidden.", file=(1, 2), detail=(("edits", 2),)),),
        strip="." * 9 + "FF?",
        kept_by=("ControlRoomMSP",),
        exposure_us=12_440_000,
        proof=(
            AnchorFact(
                ledger="embedded:" + "a" * 64,
                camera="gate-1",
                chain=7,
                sequences=(0, 3),
                block=4,
                transaction="b" * 64,
                batch=None,
                anchored_by_us=NOON,
                anchored_by_source="operator",
                endorsers=("ControlRoomMSP",),
            ),
        ),
        trust=TrustFact(source="home", sha256="c" * 64, ledger="embedded:" + "a" * 64, single_operator=True),
        if_trusted=Verdict(state=State.VERIFIED, sentence="Another."),
        next_step="veriframe verify copy.mp4 --trust FILE",
        versions={"veriframe": "0.1.0"},
    )


def test_a_full_verdict_is_as_the_schema_says() -> None:
    document = full().to_json()
    check(document)
    assert document["exit_code"] == 11
    assert document["counts"] == {op.value: 0 for op in OPERATIONS} | {
        "same": 9,
        "missing": 2,
        "foreign": 2,
        "unknown": 1,
    }
    assert document["exposure_s"] == 12.4
    assert document["axes"]["sound"] == "not_covered"
    assert document["axis_reasons"] == {"time": "retimed"}


def test_entries_outside_the_first_chain_carry_their_chain() -> None:
    script = full().to_json()["script"]
    assert "chain" not in script[0]
    assert script[1]["chain"] == 8
    assert script[1]["file"] is None
    assert script[2]["of"] == {
        "camera": "gate-2",
        "chain": 9,
        "record": [0, 1],
        "time": ["2023-11-14T22:13:20.000Z", "2023-11-14T22:13:20.000Z"],
    }


def test_an_empty_verdict_is_as_the_schema_says() -> None:
    check(Verdict(state=State.UNDETERMINED, sentence="A sentence.").to_json())


def test_several_exhibits_stand_under_one_document() -> None:
    document = document_of([full(), Verdict(state=State.VERIFIED, sentence="A sentence.")])
    check(document, "verdicts-1.json")
    assert document["exit_code"] == 11
    assert document_of([full()])["schema"] == "veriframe/verdict/1"


@pytest.mark.parametrize(
    ("states", "exit_code"),
    [
        ((State.VERIFIED, State.NOT_ANCHORED), 12),
        ((State.NOT_ANCHORED, State.UNDETERMINED), 15),
        ((State.UNDETERMINED, State.SIMILAR_ONLY), 16),
        ((State.SIMILAR_ONLY, State.UNTRUSTED_PROOF), 14),
        ((State.UNTRUSTED_PROOF, State.INCOMPLETE), 11),
        ((State.INCOMPLETE, State.NO_MATCH), 13),
        ((State.NO_MATCH, State.ALTERED), 10),
    ],
)
def test_the_worst_exhibit_gives_the_exit_code(states: tuple[State, State], exit_code: int) -> None:
    verdicts = [Verdict(state=state, sentence="A sentence.") for state in states]
    assert document_of(verdicts)["exit_code"] == exit_code


def test_the_text_is_the_same_for_the_same_facts() -> None:
    assert to_text([full()]) == to_text([full()])
    assert json.loads(to_text([full()])) == full().to_json()


def test_the_schema_lists_what_the_code_lists() -> None:
    document = schema("verdict-1.json")
    properties = document["properties"]
    assert isinstance(properties, dict)
    assert properties["state"]["enum"] == [state.name for state in State]
    assert properties["exit_code"]["enum"] == sorted(state.exit_code for state in State)
    assert list(properties["axes"]["properties"]) == [axis.value for axis in Axis]
    definitions = document["$defs"]
    assert isinstance(definitions, dict)
    assert definitions["operation"]["properties"]["op"]["enum"] == [op.value for op in OPERATIONS]

"""The media child: whatever happens in there, the caller gets a result or one clear error, and soon."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

import pytest

from evidence.errors import ConfigInvalid, Malformed, UnsupportedMedia
from media.child import Limits, run
from media.frames import FrameReader, Message, frame

SHORT = Limits(wall_s=20.0, cpu_s=10, memory_bytes=1 << 30)


def test_arguments_and_columns_come_back_as_they_went() -> None:
    answer = run("selftest", {"as": "echo", "name": "Stra\u00dfe \udcff"}, limits=SHORT)
    assert answer.head["arguments"] == {"as": "echo", "name": "Stra\u00dfe \udcff"}
    assert answer.columns == (b"", b"column")


def test_messages_arrive_before_the_answer_in_order() -> None:
    heard: list[Message] = []
    run("selftest", {"as": "talk"}, limits=SHORT, on_message=heard.append)
    assert [(each.head["number"], each.columns) for each in heard] == [(n, (bytes([n]),)) for n in range(3)]


def test_a_crash_is_an_error_that_names_the_signal() -> None:
    with pytest.raises(Malformed, match=r"crashed the media library \(SIGSEGV\)"):
        run("selftest", {"as": "crash"}, limits=SHORT)


def test_a_hang_ends_when_its_time_is_up() -> None:
    start = time.monotonic()
    with pytest.raises(Malformed, match="stopped after"):
        run("selftest", {"as": "hang"}, limits=Limits(wall_s=0.5))
    assert time.monotonic() - start < 5


def test_silence_ends_a_task_that_should_talk() -> None:
    with pytest.raises(Malformed, match="stopped after"):
        run("selftest", {"as": "hang"}, limits=Limits(wall_s=None, idle_s=0.5))


def test_endless_work_ends_at_its_processor_time() -> None:
    with pytest.raises(Malformed, match="more than 1 s of processor time"):
        run("selftest", {"as": "spin"}, limits=Limits(wall_s=30.0, cpu_s=1))


def test_a_bomb_meets_the_memory_limit() -> None:
    with pytest.raises(Malformed, match="more memory than is allowed"):
        run("selftest", {"as": "bomb"}, limits=SHORT)


def test_an_answer_larger_than_agreed_is_refused() -> None:
    with pytest.raises(Malformed, match="larger than agreed"):
        run("selftest", {"as": "flood"}, limits=Limits(message_bytes=1 << 20))


def test_a_child_that_just_ends_is_told_with_its_last_words() -> None:
    with pytest.raises(UnsupportedMedia, match=r"status 3\): gone"):
        run("selftest", {"as": "leave"}, limits=SHORT)


def test_the_tasks_own_error_arrives_whole() -> None:
    with pytest.raises(UnsupportedMedia) as caught:
        run("selftest", {"as": "refuse"}, limits=SHORT)
    error = caught.value
    assert (error.detail, error.where, error.next_step) == ("it holds no pictures", "a.mp4", "name another file")


def test_a_bug_in_a_task_is_one_sentence_and_no_traceback() -> None:
    with pytest.raises(UnsupportedMedia, match=r"media reader failed \(KeyError"):
        run("selftest", {"as": "stumble"}, limits=SHORT)


def test_only_tasks_of_the_table_run() -> None:
    with pytest.raises(ConfigInvalid, match="no media task"):
        run("os:system", {}, limits=SHORT)


def children() -> set[int]:
    """Process ids of this process's children, ended ones that nobody has asked for included."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        if parent == os.getpid():
            found.add(int(stat.parent.name))
    return found


def test_a_listener_that_fails_leaves_no_child_behind() -> None:
    def fail(message: Message) -> None:
        raise RuntimeError("listener")

    before = children()
    with pytest.raises(RuntimeError, match="listener"):
        run("selftest", {"as": "talk"}, limits=SHORT, on_message=fail)
    assert children() <= before


def test_children_of_several_threads_do_not_disturb_each_other() -> None:
    answers: dict[int, object] = {}

    def ask(number: int) -> None:
        answers[number] = run("selftest", {"number": number}, limits=SHORT).head["arguments"]

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {number: {"number": number} for number in range(3)}


def test_a_module_beside_the_evidence_is_never_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('loaded')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    assert run("selftest", {}, limits=SHORT).columns


def test_frames_survive_any_cut() -> None:
    message = Message(head={"a": [1, None, "ü"]}, columns=(b"", b"\x00" * 5, b"xyz"))
    data = b"".join(frame(message)) * 2
    for size in (1, 3, 7, len(data)):
        reader = FrameReader(1 << 20)
        got = [each for at in range(0, len(data), size) for each in reader.feed(data[at : at + size])]
        assert got == [message, message]


@pytest.mark.parametrize(
    "data", [b"\xff" * 8, b"\x00\x00\x00\x02\x00\x00\x00\x00[]", b"\x00\x00\x00\x01\x00\x00\x00\x00{"]
)
def test_frames_of_a_child_that_was_taken_over_are_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        FrameReader(1 << 20).feed(data)

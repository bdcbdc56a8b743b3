"""Every error has an exit code and is said in words: what, where, next step."""

from __future__ import annotations

import errno

import pytest

from cli.exits import EXIT_CODES, INTERNAL, MEANINGS, USAGE, exit_code, say_error
from evidence import errors


def every_error() -> list[type[errors.VeriframeError]]:
    """Every class of the tree; what other modules derive from one ends like it."""
    found, todo = [], [errors.VeriframeError]
    while todo:
        kind = todo.pop()
        found += [kind] if kind is not errors.VeriframeError else []
        todo += [each for each in kind.__subclasses__() if each.__module__ == errors.__name__]
    return found


def test_what_is_derived_from_a_class_of_the_tree_ends_like_it() -> None:
    class Derived(errors.LedgerUnavailable):
        """As a module makes one for its own use."""

    assert exit_code(Derived("away")) == EXIT_CODES[errors.LedgerUnavailable]


@pytest.mark.parametrize("kind", every_error(), ids=lambda kind: kind.__name__)
def test_every_class_of_the_tree_has_a_row(kind: type[errors.VeriframeError]) -> None:
    assert EXIT_CODES[kind] in MEANINGS


@pytest.mark.parametrize("kind", [kind for kind in every_error() if kind.retryable], ids=lambda kind: kind.__name__)
def test_what_may_succeed_later_ends_in_5(kind: type[errors.VeriframeError]) -> None:
    assert EXIT_CODES[kind] == 5


def test_codes_of_states_are_never_used_for_errors() -> None:
    from verifier.model import State

    assert not {state.exit_code for state in State if state.exit_code} & set(EXIT_CODES.values())


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "clip.mp4"), USAGE),
        (PermissionError(errno.EACCES, "Permission denied", "clip.mp4"), 6),
        (OSError(errno.ENOSPC, "No space left on device", "store"), 6),
        (ZeroDivisionError("division by zero"), INTERNAL),
    ],
)
def test_errors_of_the_system_have_codes_too(error: BaseException, code: int) -> None:
    assert exit_code(error) == code


def test_an_error_says_what_where_and_the_next_step(capsys: pytest.CaptureFixture[str]) -> None:
    say_error(errors.ConfigInvalid("the rate is negative", where="veriframe.yaml:3", next_step="write 0 or more"))
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines() == [
        "error: the rate is negative",
        "  where: veriframe.yaml:3",
        "  next:  write 0 or more",
    ]


def test_a_full_disk_is_said_with_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    say_error(OSError(errno.ENOSPC, "No space left on device", "/srv/store"))
    assert capsys.readouterr().err.splitlines() == [
        "error: no space left on device",
        "  where: /srv/store",
        "  next:  free some space, then run the same command again; nothing that was acknowledged is lost",
    ]


def test_a_defect_is_said_in_one_line_without_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        raise KeyError("surprise\nover two lines")
    except KeyError as error:
        say_error(error)
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert said.startswith("error: internal error (KeyError: ")
    assert "defect of Veriframe" in said

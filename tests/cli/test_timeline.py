"""The picture of an execution's checkpoints."""

from __future__ import annotations

from cairn.cli.timeline import Line, timeline

FIRST = [("0", "start"), ("1", "Plan"), ("2", "Search"), ("3", "Report")]
REPLAY = [*FIRST, ("4", "Review")]
ROLLBACK = [*FIRST[:2], ("5", "Search"), ("6", "Report"), ("7", "Review")]


def drawn(*lines: Line, width: int = 72) -> str:
    return "\n".join(line.rstrip() for line in timeline(lines, width).plain.splitlines())


def test_each_reset_begins_a_column_beside_the_checkpoint_that_it_goes_back_to() -> None:
    picture = drawn(
        Line("first run", FIRST, ("✗", "failed", "red"), "red"),
        Line("replay", REPLAY, ("✓", "completed", "green"), "green"),
        Line("rollback", ROLLBACK, None, "cyan"),
    )
    assert picture == (
        "first run                replay                   rollback\n"
        "● start\n"
        "● Plan ───────────────────────────────────────────╮\n"
        "● Search                                          ● Search\n"
        "● Report ────────────────╮                        ● Report\n"
        "✗ failed                 ● Review                 ● Review\n"
        "                         ✓ completed"
    )


def test_a_line_may_begin_in_any_earlier_one_and_passes_behind_what_is_there() -> None:
    of_second = [*ROLLBACK[:3], ("8", "Report")]
    assert drawn(
        Line("a", REPLAY, None, ""), Line("b", ROLLBACK, None, ""), Line("c", of_second, None, ""), width=40
    ) == (
        "a             b             c\n"
        "● start\n"
        "● Plan ───────╮\n"
        "● Search      ● Search ─────╮\n"
        "● Report      ● Report      ● Report\n"
        "● Review      ● Review"
    )
    of_first = [*FIRST[:3], ("8", "Report")]
    assert drawn(
        Line("a", REPLAY, None, ""), Line("b", ROLLBACK, None, ""), Line("c", of_first, None, ""), width=40
    ) == (
        "a             b             c\n"
        "● start\n"
        "● Plan ───────╮\n"
        "● Search ─────● Search──────╮\n"
        "● Report      ● Report      ● Report\n"
        "● Review      ● Review"
    )


def test_names_that_are_too_long_are_cut() -> None:
    picture = drawn(Line("first", [("0", "start"), ("1", "x" * 99)], None, ""), Line("second", [], None, ""), width=30)
    assert max(len(line) for line in picture.splitlines()) <= 30
    assert "● xxxxxxxxxx…" in picture


def test_nothing_is_drawn_of_nothing() -> None:
    assert timeline([]).plain == ""

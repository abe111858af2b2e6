"""The times of schedules: what is let through Temporal takes too."""

from __future__ import annotations

import random
import uuid
from datetime import timedelta

import pytest
from installation import Cairn

from cairn.contracts.schedules import Calendar, Range, Spec
from cairn.domain.schedules.spec import wrong_values
from cairn.temporal.schedule_client import ScheduleClient, Timetable

BOUNDS = {"minute": (0, 59), "hour": (0, 23), "day": (1, 31), "month": (1, 12), "weekday": (0, 7)}
NAMES = {"month": ["jan", "DEC", "Sept"], "weekday": ["mon", "SUN", "Thursday"]}


def field(name: str, chance: random.Random) -> str:
    low, high = BOUNDS[name]
    pieces = []
    for _ in range(chance.randint(1, 3)):
        start = chance.randint(low, high)
        end = chance.randint(start, high)
        text = chance.choice(["*", str(start), f"{start}-{end}", *NAMES.get(name, [])])
        pieces.append(text + chance.choice(["", "/1", "/7"]))
    return ",".join(pieces)


async def test_what_is_let_through_temporal_takes(idle_cairn: Cairn) -> None:
    chance = random.Random(1)
    made = [" ".join(field(name, chance) for name in BOUNDS) for _ in range(200)]
    spec = Spec(cron=[*made, "@daily", "0 0 29 2 * 2028", "5 0 0 1 1 * 2030-2040/2"], time_zone="Asia/Kathmandu")
    assert wrong_values(spec) == []
    client = ScheduleClient(idle_cairn.client, idle_cairn.settings)
    timetable = Timetable(
        id=f"sched_{uuid.uuid4().hex}",
        tenant="acme",
        workflow_id="w",
        metadata={},
        summary="s",
        spec=spec,
        overlap="skip",
        catchup_window=timedelta(minutes=1),
        pause_on_failure=False,
        paused=True,
        note=None,
    )
    await client.put(timetable, set_state=True)
    assert await client.describe(timetable.id) is not None
    await client.delete(timetable.id)
    assert await client.describe(timetable.id) is None


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "* * * *",
        "* * * * * * * *",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * * 13 *",
        "* * * * 8",
        "* * * * * 1999",
        "5-4 * * * *",
        "*/0 * * * *",
        "1/2/3 * * * *",
        "1-2-3 * * * *",
        "-1 * * * *",
        "1, * * * *",
        "mon * * * *",
        "* * * * mondays",
        "* * * jä *",
        "\u0661 * * * *",
        "@reboot",
        "@every 5s",
        "TZ=UTC * * * * *",
        "*/999999999999 * * * *",
    ],
)
def test_what_is_no_cron_expression_is_refused(expression: str) -> None:
    (wrong,) = wrong_values(Spec(cron=["* * * * *", expression]))
    assert wrong.pointer == "/spec/cron/1" and wrong.message


def test_every_wrong_part_of_a_calendar_is_named() -> None:
    calendar = Calendar(hour=[Range(start=0), Range(start=3, end=24)], day_of_week=[Range(start=7)])
    found = wrong_values(Spec(calendar=[calendar], time_zone="../etc/passwd"))
    assert [each.pointer for each in found] == [
        "/spec/calendar/0/hour/1/end",
        "/spec/calendar/0/day_of_week/0/start",
        "/spec/time_zone",
    ]

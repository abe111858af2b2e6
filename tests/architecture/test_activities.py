"""The seam between workflows and activities: every reference has exactly one implementation, with the same types."""

from __future__ import annotations

import importlib
import pkgutil
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from temporalio import activity

import cairn.contracts
from activities.registry import Dependencies, activities
from cairn.contracts.activity_ref import ActivityRef
from cairn.persistence.session import Database, create_engine
from cairn.settings import Settings
from cairn.temporal.connection import connect


def references() -> dict[str, ActivityRef[Any, Any]]:
    modules = [
        importlib.import_module(f"cairn.contracts.{module.name}")
        for module in pkgutil.iter_modules(cairn.contracts.__path__)
    ]
    found = {
        id(value): value for module in modules for value in vars(module).values() if isinstance(value, ActivityRef)
    }
    counted = Counter(ref.name for ref in found.values())
    assert {name: count for name, count in counted.items() if count > 1} == {}
    return {ref.name: ref for ref in found.values()}


@pytest.fixture
async def implementations(sqlite_url: str, cairn_home: Path) -> AsyncIterator[list[Any]]:
    settings = Settings(home=cairn_home, database_url=sqlite_url)
    database = Database(create_engine(sqlite_url))
    yield activities(Dependencies(settings=settings, database=database, client=await connect(settings)))
    await database.dispose()


def name_of(function: Any) -> str:
    definition = activity._Definition.from_callable(function)
    assert definition and definition.name, f"{function} is no activity"
    return definition.name


def test_every_reference_has_exactly_one_implementation(implementations: list[Any]) -> None:
    assert sorted(name_of(function) for function in implementations) == sorted(references())


def test_the_types_are_those_of_the_reference(implementations: list[Any]) -> None:
    refs = references()
    for function in implementations:
        ref = refs[name_of(function)]
        hints = get_type_hints(function)
        result = hints.pop("return")
        assert (ref.name, list(hints.values()), result) == (ref.name, [ref.input], ref.output)

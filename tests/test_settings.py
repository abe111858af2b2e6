"""Settings that cannot be used are told by the name of their variable, all at once, and without their values."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cairn.errors import InvalidInput
from cairn.settings import VARIABLES, Settings, get_settings


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


def wrong() -> dict[str, str]:
    with pytest.raises(InvalidInput) as caught:
        get_settings()
    assert caught.value.code == "invalid_settings"
    return {error.pointer: error.message for error in caught.value.errors}


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("CAIRN_API_PORT", "abc", "integer"),
        ("CAIRN_API_PORT", "99999", "65535"),
        ("CAIRN_METRICS_PORT", "0", "greater than or equal to 1"),
        ("CAIRN_TOOL_MODULES", "shop.tools", "is no JSON"),
        ("CAIRN_TOOL_MODULES", '{"a": 1}', "list"),
        ("CAIRN_CODEC_ORIGINS", "https://ui.example.com", "is no JSON"),
        ("CAIRN_FAIRNESS_WEIGHTS", "acme", "is no JSON"),
        ("CAIRN_SANDBOX", "docker", "'eryx' or 'monty'"),
        ("CAIRN_LOG_LEVEL", "loud", "DEBUG"),
        ("CAIRN_RATE_LIMIT", "many", "100/minute"),
        ("CAIRN_DATABASE_URL", "postgresql://cairn@database:port/cairn", "postgresql://user:password@host/name"),
        ("CAIRN_DATABASE_URL", "sqlite+aiosqlite:///", "path"),
        ("CAIRN_DATABASE_URL", "sqlite+aiosqlite:///:memory:", "path"),
    ],
)
def test_one_that_cannot_be_used_is_named(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str
) -> None:
    monkeypatch.setenv(variable, value)
    told = wrong()
    assert list(told) == [variable]
    assert said in told[variable]


def test_all_of_them_are_told_and_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAIRN_DATABASE_URL", "mysql://cairn:hidden@database/cairn")
    monkeypatch.setenv("CAIRN_FAIRNESS_WEIGHTS", '{"acme": "much"}')
    told = wrong()
    assert list(told) == ["CAIRN_DATABASE_URL", "CAIRN_FAIRNESS_WEIGHTS/acme"]
    assert "postgresql://" in told["CAIRN_DATABASE_URL"]
    assert "hidden" not in str(told)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_postgresql_goes_by_each_of_its_names(scheme: str) -> None:
    found = Settings(database_url=f"{scheme}://cairn@database/cairn").database
    assert found == "postgresql+psycopg://cairn@database/cairn"


def test_an_empty_variable_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `${CAIRN_SECRET:-}` in a compose file makes them: an empty secret would be one that everybody knows."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    unset = Settings()
    for name in VARIABLES:
        monkeypatch.setenv(name, "")
    assert get_settings() == unset
    assert unset.secret is None


def test_lists_and_objects_are_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAIRN_TOOL_MODULES", '["shop.tools"]')
    monkeypatch.setenv("CAIRN_FAIRNESS_WEIGHTS", '{"acme": 2}')
    monkeypatch.setenv("CAIRN_LOG_LEVEL", "debug")
    found = get_settings()
    assert (found.tool_modules, found.fairness_weights, found.log_level) == (["shop.tools"], {"acme": 2.0}, "DEBUG")

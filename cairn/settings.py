"""Settings: environment variables with the prefix ``CAIRN_``. No ``.env`` is read: what is set is what is seen."""

from __future__ import annotations

import json
import logging
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from cairn.errors import FieldError, InvalidInput, plain_message

SandboxName: TypeAlias = Literal["eryx", "monty"]
Port: TypeAlias = Annotated[int, Field(ge=1, le=65535)]

_PREFIX = "CAIRN_"
_DATABASES = ("sqlite+aiosqlite:///", "postgresql+psycopg://")
_NAMES_OF_POSTGRESQL = ("postgres://", "postgresql://")

WORKER_ACTIVITIES = 100
"""How many activities a worker runs at a time when nobody says: the Temporal SDK's own number."""


class Settings(BaseSettings):
    """All settings of API, worker and command line.

    Connection to an existing Temporal is not here: it follows Temporal's own environment configuration
    (``TEMPORAL_ADDRESS``, ``TEMPORAL_NAMESPACE``, ``TEMPORAL_API_KEY``, ``TEMPORAL_TLS_*``, ``TEMPORAL_PROFILE``).
    """

    model_config = SettingsConfigDict(env_prefix=_PREFIX, env_ignore_empty=True, extra="ignore")

    home: Path = Field(default=Path(".cairn"), description="Folder of all data.")
    database_url: str | None = Field(
        default=None,
        description="sqlite+aiosqlite:///… or postgresql://…; default: $CAIRN_HOME/cairn.db.",
    )
    blob_url: str | None = Field(
        default=None,
        description="Where large payloads are kept (obstore URL, file:///… or s3://…); default: $CAIRN_HOME/blobs.",
    )
    blob_threshold: int = Field(default=64 * 1024, description="Payloads of at least so many bytes leave history.")
    storage_url: str | None = Field(
        default=None,
        description="Where uploaded files are kept (obstore URL, file:///… or s3://…); default: $CAIRN_HOME/files.",
    )
    skills_root: Path | None = Field(
        default=None, description="Folder of the skills, each a folder with a SKILL.md; default: $CAIRN_HOME/skills."
    )
    history_limit: int | None = Field(
        default=None,
        ge=20,
        description="Events of a run after which an execution goes on in a new run; none: when Temporal suggests it.",
    )
    payload_keys: SecretStr | None = Field(
        default=None,
        description="Keys that encrypt payloads: id:base64 of 32 bytes, separated by commas; the first encrypts, all "
        "decrypt; plain first: new payloads are not encrypted. None: off.",
    )
    payload_keys_file: Path | None = Field(default=None, description="File with the list of CAIRN_PAYLOAD_KEYS.")
    credential_keys: SecretStr | None = Field(
        default=None,
        description="Keys that encrypt the secrets of credentials, in the form of CAIRN_PAYLOAD_KEYS; default: one "
        "derived from CAIRN_SECRET.",
    )
    codec_origins: Annotated[list[str], NoDecode] = Field(
        default_factory=list,
        description="Origins whose pages may call the codec endpoint, JSON list; default: the Temporal Web UI's.",
    )

    api_host: str = "127.0.0.1"
    api_port: Port = 8000
    temporal_port: Port = 7233
    temporal_ui_port: Port = 8233
    temporal_patience: float = Field(
        default=120, gt=0, description="Seconds that a worker which starts waits for Temporal to answer; then it ends."
    )
    temporal_ui_url: str | None = Field(default=None, description="Base of links to the Temporal Web UI.")
    metrics_port: Port | None = Field(default=None, description="Port of the worker's /metrics; none: off.")
    metrics_host: str = Field(default="127.0.0.1", description="Address that the worker's /metrics listens on.")
    task_queue: str = "cairn"
    deployment_name: str = Field(
        default="cairn", pattern=r"^[^.:]+$", description="Name under which Temporal keeps the versions of the workers."
    )
    build_id: str | None = Field(
        default=None, description="Version of this worker's code, for Worker Versioning; none: versioning is off."
    )
    worker_workflow_tasks: int = Field(
        default=100, ge=2, description="How many executions a worker moves on at a time."
    )
    worker_activities: int | None = Field(
        default=None,
        ge=1,
        description="How many nodes a worker runs at a time; none: 100. Below 100 each waits for its tenant's turn, "
        "else the next node of an execution starts at once where there is room.",
    )
    fairness_weights: Annotated[dict[str, float], NoDecode] = Field(
        default_factory=dict[str, float], description="Share of a tenant in busy times, by tenant; JSON object; else 1."
    )

    secret: SecretStr | None = Field(
        default=None,
        description="Keys API keys' hashes and links' signatures; default: made once in $CAIRN_HOME/secret.",
    )
    body_limit: int = 10 * 1024 * 1024
    stream_patience: int = Field(
        default=60,
        ge=1,
        le=86_400,
        description="Seconds after which the connection of a client is closed that takes nothing of what it is sent.",
    )
    rate_limit: str | None = Field(default=None, description="For example 100/minute, per key; none: off.")

    default_model: str = Field(
        default="offline", description="Model of agent nodes that name none; provider:name or offline."
    )
    writing_timeout: float = Field(
        default=90, gt=0, le=1800, description="Seconds that a request waits for a graph that a model writes."
    )
    llm_timeout: float = Field(
        default=120,
        gt=0,
        le=1800,
        description="Seconds that a direct call of a model (/llm/chat and the like) may take.",
    )
    stream_models: bool = Field(
        default=True, description="Tell what models write while they write it; off for servers that cannot stream."
    )
    openai_base_url: str | None = None
    openai_api_key: SecretStr | None = None
    anthropic_base_url: str | None = None
    anthropic_api_key: SecretStr | None = None
    google_base_url: str | None = None
    google_api_key: SecretStr | None = None
    tool_modules: Annotated[list[str], NoDecode] = Field(
        default_factory=list, description="Python modules that register tools, JSON list."
    )
    http_allow_private: bool = Field(default=False, description="Let http nodes reach private addresses.")
    sandbox: SandboxName | None = Field(
        default=None, description="Where code nodes run; default: eryx, on Python 3.11 monty."
    )
    mcp_servers: Path | None = Field(
        default=None, description="JSON file with the servers that mcp nodes may call, in the form `mcpServers`."
    )

    monthly_budget: float | None = Field(
        default=None,
        ge=0,
        le=1e9,
        description="US dollars that a tenant may spend on models in a month, unless it has a budget of its own; "
        "none: any number.",
    )
    agentflow_admin_scopes: Annotated[list[str], NoDecode] = Field(
        default=["agentflow:admin"],
        validation_alias="agentflow_admin_scopes",
        description="AGENTFLOW_ADMIN_SCOPES, separated by commas or blanks: a person with one of these scopes may see "
        "the usage of the tenant and set its budgets.",
    )

    public_url: str | None = Field(
        default=None,
        description="Base URL under which others reach the API, for links in notifications; default: where it listens.",
    )
    webhook_secret: SecretStr | None = Field(
        default=None, description="Signs what is sent to others (Standard Webhooks, whsec_…); none: unsigned."
    )

    api_url: str | None = Field(
        default=None, description="API that the command line calls; default: http://127.0.0.1:$CAIRN_API_PORT."
    )
    api_key: SecretStr | None = Field(
        default=None, description="Key that the command line calls it with; default: the one in $CAIRN_HOME/dev-key."
    )

    log_level: str = "INFO"
    log_format: Literal["json", "console"] = "json"
    otlp_endpoint: str | None = Field(default=None, description="OTLP/HTTP endpoint of traces; none: off.")
    metrics: bool = Field(default=False, description="Serve Prometheus metrics at /metrics of the API.")

    @field_validator("agentflow_admin_scopes", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return value.replace(",", " ").split() if isinstance(value, str) else value

    @field_validator("codec_origins", "fairness_weights", "tool_modules", mode="before")
    @classmethod
    def _read_json(cls, value: object) -> object:
        try:
            return json.loads(value) if isinstance(value, str) else value
        except ValueError as error:
            raise ValueError(f"is no JSON: {error}") from None

    @field_validator("database_url")
    @classmethod
    def _name_driver(cls, value: str | None) -> str | None:
        for name in _NAMES_OF_POSTGRESQL:
            if value and value.startswith(name):
                value = f"postgresql+psycopg://{value.removeprefix(name)}"
        if value and not (value.startswith(_DATABASES) and _names_database(value)):
            raise ValueError("is neither postgresql://user:password@host/name nor sqlite+aiosqlite:///path")
        return value

    @field_validator("log_level")
    @classmethod
    def _know_level(cls, value: str) -> str:
        if value.upper() not in (levels := logging.getLevelNamesMapping()):
            raise ValueError(f"is none of {', '.join(levels)}")
        return value.upper()

    @field_validator("rate_limit")
    @classmethod
    def _know_limit(cls, value: str | None) -> str | None:
        from limits import parse  # the API's alone: other processes need not load it

        try:
            return value if value is None or parse(value) else None
        except ValueError:
            raise ValueError("is no limit, as 100/minute is") from None

    @property
    def database(self) -> str:
        """The SQLAlchemy URL in force."""
        return self.database_url or f"sqlite+aiosqlite:///{self.home.absolute() / 'cairn.db'}"

    @property
    def bounds_activities(self) -> bool:
        """Whether a worker runs fewer nodes at a time than by itself: then tenants are to take turns."""
        return self.worker_activities is not None and self.worker_activities < WORKER_ACTIVITIES

    @property
    def links(self) -> str:
        """Base of the links that are sent to others, without a slash at its end."""
        host = "127.0.0.1" if self.api_host in ("0.0.0.0", "::") else self.api_host
        return (self.public_url or f"http://{host}:{self.api_port}").rstrip("/")

    @property
    def blobs(self) -> str:
        """The obstore URL in force."""
        return self.blob_url or (self.home.absolute() / "blobs").as_uri()

    @property
    def storage(self) -> str:
        """The obstore URL of uploaded files in force."""
        return self.storage_url or (self.home.absolute() / "files").as_uri()

    @property
    def skills(self) -> Path:
        """The folder of skills in force."""
        return self.skills_root or self.home.absolute() / "skills"


def _names_database(url: str) -> bool:
    from sqlalchemy.engine import make_url  # who asks for the default need not load it
    from sqlalchemy.exc import ArgumentError

    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        return False
    return parsed.get_backend_name() != "sqlite" or parsed.database not in (None, "", ":memory:")


def _variable(name: str) -> str:
    """Return the environment variable of a field."""
    alias = Settings.model_fields[name].validation_alias
    return (alias if isinstance(alias, str) else _PREFIX + name).upper()


VARIABLES = frozenset(_variable(name) for name in Settings.model_fields)
"""The environment variables that are read."""


@lru_cache
def get_settings() -> Settings:
    """Return the process's settings, read once.

    Raises:
        InvalidInput: variables cannot be used; the errors name each, and never its value.
    """
    try:
        return Settings()
    except ValidationError as error:
        wrong = [FieldError(_place(each["loc"]), plain_message({**each})) for each in error.errors()]
        raise InvalidInput("Not every setting can be used.", code="invalid_settings", errors=wrong) from None


def _place(loc: tuple[int | str, ...]) -> str:
    """Return the environment variable of a place in the settings, and where in its value."""
    name, *inside = (str(part) for part in loc)
    return "/".join([_variable(name) if name in Settings.model_fields else name.upper(), *inside])

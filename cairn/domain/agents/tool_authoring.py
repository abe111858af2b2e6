"""Making tools for agents: what a model, a sandbox or an MCP server is asked before there is one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cairn.contracts.json import Json, JsonObject
from cairn.contracts.tool_trials import McpToolRef, ToolTrial, TrialError, Tried
from cairn.domain.agents.tools import AgentTools
from cairn.domain.tools.authored.drafts import ToolDraft
from cairn.domain.tools.authored.spec import McpCall, ToolSpec, problems_of_schema, read_spec
from cairn.domain.tools.authored.writing import ToolWriter
from cairn.errors import FieldError, InvalidInput
from cairn.graph.nodes.code import CodeError, signature_of_run
from cairn.graph.schema import validate_json
from cairn.temporal.tool_trials import ToolTrialClient


@dataclass(frozen=True, slots=True)
class DryRun:
    """What is tried: a draft, or code with its schema."""

    arguments: JsonObject
    draft_id: str | None = None
    function_code: str | None = None
    args_schema: JsonObject | None = None
    execution_timeout: int = 30


class ToolAuthoring:
    """Makes tools for the agents of a tenant; the workers do what takes a model, a sandbox or a server."""

    def __init__(self, tools: AgentTools, trials: ToolTrialClient, writer: ToolWriter) -> None:
        """Take the tools, and who asks the workers."""
        self._tools = tools
        self._trials = trials
        self._writer = writer
        self._tenant = tools.agents.scope.tenant

    async def describe(self, mcp: McpCall, key: str | None = None) -> JsonObject:
        """Return what an MCP server says of a tool of its, as members of a ``ToolSpec``.

        Args:
            mcp: the tool.
            key: names the request over all its tries.

        Raises:
            InvalidInput: there is no such server, or no such tool.
            BadGateway, Unavailable: it cannot be asked.
        """
        found = await self._trials.describe(McpToolRef(tenant=self._tenant, server=mcp.server, tool=mcp.tool), key)
        # Some servers leave the type out where a tool has no arguments.
        return {"description": found.description[:2000], "args_schema": {"type": "object", **found.args_schema}}

    async def generate(
        self, agent: str, description: str, examples: Sequence[Json], key: str | None = None
    ) -> ToolDraft:
        """Have a model write a tool, and keep it as a draft of the agent. Raises as ``ToolWriter.write``."""
        written = await self._writer.write(description, examples, key)
        return await self._tools.keep_draft(agent, written.spec, written.tests)

    async def prepare(self, agent: str, asked: DryRun) -> ToolTrial | Tried:
        """Return what is to be run, or, when that cannot be, what comes of it.

        Raises:
            NotFound: the scope has no such agent, or that has no such draft.
            InvalidInput: neither a draft nor code with a schema is given.
        """
        await self._tools.agents.get(agent)
        code, schema, seconds = asked.function_code, asked.args_schema, asked.execution_timeout
        if asked.draft_id is not None:
            spec = (await self._tools.drafts.get(agent, asked.draft_id)).spec
            code, schema, seconds = spec.function_code, spec.args_schema, spec.execution_timeout
        if code is None or schema is None:
            errors = [FieldError("/function_code", "Give draft_id, or function_code and args_schema")]
            raise InvalidInput("There is nothing to run.", errors=errors, code="invalid_tool")
        if problems := problems_of_schema(schema):
            raise InvalidInput(
                "The tool is not valid.", errors=[FieldError(*each) for each in problems], code="invalid_tool"
            )
        if error := _refused(code, schema, asked.arguments):
            return Tried(error=error, duration_ms=0)
        return ToolTrial(tenant=self._tenant, code=code, arguments=asked.arguments, timeout=seconds)

    async def run(self, trial: ToolTrial | Tried, key: str | None = None) -> Tried:
        """Return what comes of it; arguments as of ``describe``.

        Raises:
            BadGateway, Unavailable: no worker can run it.
        """
        return trial if isinstance(trial, Tried) else await self._trials.run(trial, key)

    async def spec_to_persist(self, agent: str, given: JsonObject, draft: str | None) -> ToolSpec:
        """Return what is to be kept: a draft with what is given instead of its own, or what is given alone.

        Raises:
            NotFound: the scope has no such agent, or that has no such draft.
            InvalidInput: it cannot be called.
        """
        await self._tools.agents.get(agent)
        said = {} if draft is None else (await self._tools.drafts.get(agent, draft)).spec.model_dump()
        return read_spec({**said, **given, "kind": "python"})


def _refused(code: str, schema: JsonObject, arguments: JsonObject) -> TrialError | None:
    """Return why ``run`` of some code cannot be called with some arguments."""
    try:
        signature_of_run(code, "run(**arguments)")
    except CodeError as error:
        return TrialError(type="SyntaxError", message=str(error), line=error.line)
    broken = validate_json(schema, arguments)
    said = "; ".join(f"{each.pointer or '/'}: {each.message}" for each in broken)
    return TrialError(type="InvalidArguments", message=said) if broken else None

"""An installation of real processes that tests kill and start again."""

from __future__ import annotations

import functools
import os
import signal
import uuid
from pathlib import Path

import httpx2
from crash import steps
from served import Caller, Callers
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.service import RPCError

from cairn.contracts.json import JsonObject
from cairn.contracts.operations import reset_workflow_id
from cairn.persistence import migrate
from cairn.persistence.session import Database, create_engine
from cairn.ports import find_free
from cairn.settings import Settings
from cairn.temporal.connection import connect
from cairn.temporal.events import WasReset
from cairn.temporal.executions import ExecutionClient
from cairn.temporal.history import read
from chaos.ledger import VARIABLE, Ledger
from chaos.programs import Program, environment, listening, stop_all, until

KILLED = -signal.SIGKILL
SOON = 60.0
"""Seconds that anything here may take on a busy machine."""


class Site:
    """Temporal, API and worker of one installation, a ledger, and a caller."""

    caller: Caller

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ledger = Ledger(folder)
        self.settings = Settings(
            home=folder,
            api_port=find_free(),
            temporal_port=find_free(),
            temporal_ui_port=find_free(),
            task_queue=f"crash-{uuid.uuid4().hex}",
            tool_modules=["chaos.tools"],
        )
        variables = {**environment(self.settings), VARIABLE: str(folder)}
        self.temporal, self.api, self.worker = (
            Program(name, [name], variables, folder / f"{name}.log") for name in ("temporal", "api", "worker")
        )
        self.database = Database(create_engine(self.settings.database))
        self.callers = Callers(f"http://127.0.0.1:{self.settings.api_port}", self.database, self.settings)

    async def open(self) -> None:
        await migrate.upgrade_async(self.settings.database)
        self.caller = await self.callers.new()
        await self.up()

    async def close(self) -> None:
        await self.callers.close()
        await self.database.dispose()
        await stop_all([self.temporal, self.api, self.worker])

    async def up(self, *, worker: bool = True) -> None:
        """Have everything run."""
        for program, port in ((self.temporal, self.settings.temporal_port), (self.api, self.settings.api_port)):
            if not program.alive:
                program.start()
            await listening(program, port, SOON)
        if worker and not self.worker.alive:
            self.worker.start()

    async def will_crash(self, program: Program, step: str) -> None:
        """Start the program anew; it will die at the step."""
        await program.stop()
        program.prepare = functools.partial(steps.crash_at, step)
        await self._start(program)

    async def restart(self, program: Program) -> None:
        """Start the program that died, in its usual form."""
        program.prepare = None
        await self._start(program)

    async def _start(self, program: Program) -> None:
        program.start()
        if program is self.api:
            await listening(program, self.settings.api_port, SOON)

    async def post(self, path: str, body: JsonObject, key: str | None = None) -> httpx2.Response:
        headers = {"Idempotency-Key": key} if key else {}
        return await self.caller.http.post(f"/api/v1{path}", json=body, headers=headers)

    async def post_again(self, path: str, body: JsonObject, key: str) -> httpx2.Response:
        """Send a request again until the try that died has lost its lease."""

        async def answered() -> httpx2.Response | None:
            reply = await self.post(path, body, key)
            return None if reply.status_code == 409 and reply.json()["code"] == "idempotency_in_flight" else reply

        return await until(answered, SOON, "the end of the lease")

    async def command(self, execution_id: str, name: str) -> JsonObject:
        """Send a command until something answers it: a task may still be offered to a worker that is dead."""

        async def answered() -> JsonObject | None:
            reply = await self.post(f"/executions/{execution_id}/{name}", {}, key)
            if reply.status_code == 503:
                assert reply.headers["Retry-After"]
                return None
            assert reply.status_code == 200, reply.text
            return reply.json()

        key = new_key()
        return await until(answered, SOON, f"an answer to {name}")

    async def reach(self, execution_id: str, status: str, seconds: float = SOON) -> JsonObject:
        async def reached() -> JsonObject | None:
            reply = await self.caller.http.get(f"/api/v1/executions/{execution_id}")
            if reply.status_code != 200:
                return None
            now = reply.json()
            return now if now["status"] == status else None

        return await until(reached, seconds, f"{execution_id} being {status}")

    async def tagged(self, tag: str) -> list[JsonObject]:
        """Return the executions of this tag, as the list has them."""
        reply = await self.caller.http.get("/api/v1/executions", params={"metadata.tag": tag})
        return reply.json()["items"]

    async def resets(self, execution_id: str) -> list[str]:
        """Return the reasons of all resets of the execution, whatever run they were made in."""
        client = await connect(self.settings, lazy=False)
        found: list[str] = []
        handle = client.get_workflow_handle(execution_id)
        run_id: str | None = (await handle.describe()).run_id
        while run_id:
            history = await client.get_workflow_handle(execution_id, run_id=run_id).fetch_history()
            made = [e for e in await read(history.events, client.data_converter) if isinstance(e, WasReset)]
            last = made[-1] if made else None
            # A run begins with the history of the one it was made from; what is new in it is its last reset.
            run_id = last.base_run_id if last else None
            found += [last.reason] if last else []
        return found[::-1]

    async def reset_by_hand(self, execution_id: str, name: str) -> None:
        """Reset the execution to a checkpoint as an operator does, by Temporal's default."""
        client = await connect(self.settings, lazy=False)
        temporal = ExecutionClient(client, self.settings)
        now = await temporal.require(execution_id)
        point = next(each.point for each in (await temporal.project(now)).checkpoints if each.name == name)
        await client.workflow_service.reset_workflow_execution(
            ResetWorkflowExecutionRequest(
                namespace=client.namespace,
                workflow_execution=WorkflowExecution(workflow_id=execution_id, run_id=now.run_id),
                reason="by hand",
                workflow_task_finish_event_id=point or 0,
                request_id=new_key(),
            )
        )

    async def reset_is_open(self, execution_id: str) -> bool:
        """Whether a reset of the execution is under way."""
        client = await connect(self.settings)
        try:
            found = await client.get_workflow_handle(reset_workflow_id(execution_id)).describe()
        except RPCError:
            return False
        return found.close_time is None

    async def start(self, graph: JsonObject | str, **more: JsonObject) -> str:
        """Start an execution of a graph, published first unless it is an id; return its id."""
        workflow = graph if isinstance(graph, str) else (await self.caller.publish(graph))["uuid"]
        reply = await self.post("/executions", {"workflow_id": workflow, "input_data": {}, **more})
        assert reply.status_code == 201, reply.text
        return reply.json()["id"]

    async def called(self, name: str, execution_id: str, times: int = 1) -> None:
        """Wait until a tool was called so often."""
        await until(lambda: len(self.calls(name, execution_id)) >= times, SOON, f"call {times} of {name}")

    def calls(self, name: str, execution_id: str) -> list[str]:
        return self.ledger.keys("call", name, execution_id)

    def effects(self, name: str, execution_id: str) -> list[str]:
        return self.ledger.keys("effect", name, execution_id)

    async def died(self, program: Program) -> None:
        assert await program.ended(SOON) == KILLED, program.log.read_text()[-2000:]


def new_key() -> str:
    return os.urandom(8).hex()

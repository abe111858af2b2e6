"""The workflow written by hand (``bench/handwritten.py``), whose worker the driver has started."""

from __future__ import annotations

import sys
import uuid
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import uvloop
from handwritten import TASK_QUEUE, HandWritten, Work
from talk import Job, check, serve, timed
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest

from cairn import orderly
from cairn.settings import Settings
from cairn.temporal.connection import connect

SCHEDULED = EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED


async def main() -> None:
    """Serve the driver."""
    client = await connect(Settings(), lazy=False)

    async def execute(job: Job) -> None:
        work = Work(
            steps=job.steps,
            tool="bench",
            arguments={"work": job.work, "size": job.size},
            keep=job.keep,
            wait=job.work == "wait",
        )
        if job.work == "wait":
            id = f"bench-{uuid.uuid4()}"
            await client.start_workflow(HandWritten.run, work, id=id, task_queue=TASK_QUEUE)
            return
        done = await client.execute_workflow(HandWritten.run, work, id=f"bench-{uuid.uuid4()}", task_queue=TASK_QUEUE)
        check(job, done.steps, done.size)

    async def travel(job: Job) -> dict[str, float]:
        work = Work(steps=job.steps, tool="bench", arguments={"work": job.work, "size": job.size})
        id = f"bench-{uuid.uuid4()}"
        handle = await client.start_workflow(HandWritten.run, work, id=id, task_queue=TASK_QUEUE)
        await handle.result()
        events = [each async for each in handle.fetch_history_events() if each.event_type == SCHEDULED]
        target = events[-1].activity_task_scheduled_event_attributes.workflow_task_completed_event_id

        async def reset() -> None:
            await client.workflow_service.reset_workflow_execution(
                ResetWorkflowExecutionRequest(
                    namespace=client.namespace,
                    workflow_execution=WorkflowExecution(workflow_id=id),
                    reason="bench",
                    request_id=str(uuid.uuid4()),
                    workflow_task_finish_event_id=target,
                )
            )
            done = await client.get_workflow_handle_for(HandWritten.run, id).result()
            check(job, done.steps, done.size)

        return {"replay": await timed(reset())}

    await serve(execute, travel=travel)


if __name__ == "__main__":
    orderly.run(lambda: uvloop.run(main()))

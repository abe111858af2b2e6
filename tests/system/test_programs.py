"""Random programs run live, with commands at random moments: the same comes of them as of a plain model.

And what a history tells is what the workflow knew: both are compared for every run that there was.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator

import hypothesis
import pytest
from hypothesis import HealthCheck, given
from installation import Cairn, until
from live import LiveProgram, model_reply, publish_other, workers
from programs import Block, programs
from pydantic import SecretStr
from servers.openai_server import KEY, OpenAIServer
from temporalio.client import WorkflowExecution, WorkflowHistory

import workflows.graph_execution
from cairn.contracts.executions import Phase
from cairn.graph.engine import Engine
from cairn.settings import Settings
from cairn.temporal.checkpoints import Projection
from cairn.temporal.history import read
from cairn.temporal.replay import replayer

AT_ONCE = 6
FAILED_ONCE: list[tuple[Block, int]] = []
"""Programs and seeds that found a fault; as a failure prints them."""


@pytest.fixture
async def server() -> AsyncGenerator[OpenAIServer]:
    async with OpenAIServer.running() as made:
        made.will(model_reply)
        yield made


@pytest.fixture(params=[None, 60], ids=["one run", "many runs"])
def history_limit(request: pytest.FixtureRequest) -> int | None:
    """After how many events an execution goes on in a new run."""
    return request.param


@pytest.fixture
def settings(settings: Settings, server: OpenAIServer, history_limit: int | None) -> Settings:
    told = {
        "history_limit": history_limit,
        "openai_base_url": server.url,
        "openai_api_key": SecretStr(KEY),
        "default_model": "openai:gpt-4o-mini",
        "tool_modules": ["program_tools"],
    }
    return settings.model_copy(update=told)


def drawn(count: int, seed: int) -> list[tuple[Block, int]]:
    """Draw programs, each with the seed of what is done to it; the same for the same seed."""
    found: list[tuple[Block, int]] = []

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=count,
        database=None,
        phases=[hypothesis.Phase.generate],
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(programs())
    def draw(program: Block) -> None:
        found.append((program, seed * 1000 + len(found)))

    draw()
    return found


async def play(cairn: Cairn, world, examples: list[tuple[Block, int]], seed: int) -> None:
    """Run programs, several at a time; then compare every history with what the workflow knew."""
    other = await publish_other(cairn)
    places = asyncio.Semaphore(AT_ONCE)

    async def one(number: int, program: Block, of: int) -> None:
        async with places:
            await LiveProgram(cairn, program, of, f"p{number}_").run(other, world)

    async with workers(cairn, random.Random(seed)):
        ended = await asyncio.gather(*(one(n, *each) for n, each in enumerate(examples)), return_exceptions=True)
        faults = [each for each in ended if isinstance(each, BaseException)]
        if faults:
            raise ExceptionGroup(
                f"{len(faults)} of {len(examples)} programs", [e for e in faults if isinstance(e, Exception)]
            )
        # While there are workers: a child that is just being cancelled ends by them alone.
        histories = await until(lambda: every_history(cairn))
    await compare(cairn, histories)


async def compare(cairn: Cairn, histories: list[WorkflowHistory]) -> None:
    """Replay all histories: the workflow knows in the end what the fold of its history says."""
    engines: list[Engine] = []

    class Told(Engine):
        def __init__(self, *args) -> None:
            super().__init__(*args)
            engines.append(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workflows.graph_execution, "Engine", Told)
        async with replayer(cairn.client.data_converter).workflow_replay_iterator(iterate(histories)) as results:
            async for result in results:
                history = result.history
                assert result.replay_failure is None, (history.workflow_id, history.run_id, result.replay_failure)
                if engines:
                    await same(cairn, history, engines[-1])
                engines.clear()


async def every_history(cairn: Cairn) -> list[WorkflowHistory]:
    """Return the histories of all runs; none while one is under way."""
    query = f"TaskQueue = '{cairn.settings.task_queue}'"
    runs: list[WorkflowExecution] = [run async for run in cairn.client.list_workflows(query)]
    if any(run.close_time is None for run in runs):
        return []
    return [await cairn.history(run.id, run.run_id) for run in runs]


async def iterate(histories: list[WorkflowHistory]) -> AsyncIterator[WorkflowHistory]:
    for history in histories:
        yield history


async def same(cairn: Cairn, history: WorkflowHistory, engine: Engine) -> None:
    projection = Projection(run_id=history.run_id)
    projection.feed(await read(history.events, cairn.client.data_converter))
    projection.settle()
    fold, where = projection.engine, (history.workflow_id, history.run_id)
    assert fold.started == engine.started, where
    if not fold.started:
        return
    assert (fold.lineage, fold.revision) == (engine.lineage, engine.revision), where
    assert projection.closed is not None, where
    if projection.closed.phase is not Phase.CANCELLED:  # which ends while its children do, and takes no more of them
        told = {"notices": []}  # what people are still being told goes to the next run, by no turn of the engine
        assert fold.state.dump() | told == engine.state.dump() | told, where
    match projection.closed.phase:
        case Phase.COMPLETED:
            assert projection.closed.result is not None, where
            assert (fold.phase, fold.state.output) == (Phase.COMPLETED, projection.closed.result.output), where
        case Phase.FAILED:
            assert fold.phase is Phase.FAILED, where
            assert fold.failure == engine.failure, where
        case _:
            pass  # cancelled and cut off: the engine is told of neither


@pytest.mark.timeout(600)
async def test_whatever_happens_on_the_way_the_same_comes_of_it(idle_cairn: Cairn, world, history_limit) -> None:
    examples = drawn(25, 1)
    await play(idle_cairn, world, [*FAILED_ONCE, *(examples[:10] if history_limit else examples[10:])], 1)


@pytest.mark.chaos
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("batch", range(12))
async def test_whatever_happens_to_programs_that_nobody_has_seen(idle_cairn: Cairn, world, batch: int) -> None:
    seed = random.SystemRandom().randrange(2**31)
    await play(idle_cairn, world, drawn(25, seed), seed)

"""What code may do in a sandbox, and what it may not: on every sandbox that this machine has."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import psutil
import pytest
from installation import until

from cairn.providers.sandbox import (
    STDOUT_LIMIT,
    CodeFailure,
    Observed,
    Program,
    Sandbox,
    SandboxMissing,
    Series,
    find_problem,
    open_sandbox,
)
from cairn.providers.sandbox.registry import default_sandbox
from cairn.settings import Settings

NAMES = ("eryx", "monty")
HERE = [name for name in NAMES if find_problem(Settings(sandbox=name)) is None]  # pyright: ignore
SECRET = "open-sesame"
LONG, SHORT = 20.0, 1.0


@pytest.fixture(params=HERE)
async def sandbox(request: pytest.FixtureRequest) -> Sandbox:
    return open_sandbox(Settings(sandbox=request.param))


async def run(sandbox: Sandbox | Series, code: str, *, seconds: float = LONG, **arguments: Any) -> Any:
    program = Program(code, [{"text": "grüß", "n": 3}, {"seen": [1]}], arguments)
    return json.loads(await sandbox.run(program, seconds))


async def fail(sandbox: Sandbox | Series, code: str, *, seconds: float = LONG) -> CodeFailure:
    with pytest.raises(CodeFailure) as caught:
        await run(sandbox, code, seconds=seconds)
    return caught.value


def test_one_is_there_by_default() -> None:
    assert find_problem(Settings()) is None
    assert default_sandbox() == ("eryx" if sys.version_info >= (3, 12) else "monty")


def test_a_sandbox_that_is_not_there_is_not_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for name in NAMES:
        with pytest.raises(SandboxMissing, match=f"The sandbox {name} is not installed"):
            open_sandbox(Settings(sandbox=name))  # pyright: ignore


async def test_run_sees_input_state_and_arguments(sandbox: Sandbox) -> None:
    code = "def run(input, state, *, factor, extra=None):\n    return [input, state, factor * input['n'], extra]"
    assert await run(sandbox, code, factor=2) == [{"text": "grüß", "n": 3}, {"seen": [1]}, 6, None]


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("import json, re, math\ndef run(input, state): return [math.floor(2.5), re.findall('[a-z]', 'a1b')]",
         [2, ["a", "b"]]),
        ("from collections import Counter\ndef run(input, state): return Counter('aab').most_common(1)", [["a", 2]]),
        ("def helper(x): return x + 1\ndef run(input, state): return helper(input['n'])", 4),
        ("class P:\n    def __init__(self, x):\n        self.x = x\ndef run(input, state): return P(5).x", 5),
        ("def run(input, state):\n    input['n'] = 9\n    return input['n']", 9),
        ("def run(input, state):\n    print('hello')", None),
        ("def run(input, state): return {1: 'a', 'b': (1, 2)}", {"1": "a", "b": [1, 2]}),
        ("def run(input, state):\n    try:\n        1 / 0\n    except ZeroDivisionError as e:\n        return str(e)",
         "division by zero"),
    ],
)  # fmt: skip
async def test_ordinary_code_runs(sandbox: Sandbox, code: str, value: Any) -> None:
    assert await run(sandbox, code) == value


async def test_an_exception_is_told_with_its_place(sandbox: Sandbox) -> None:
    failure = await fail(
        sandbox, "def check(n):\n    raise ValueError(f'not {n}')\n\ndef run(input, state):\n    check(input['n'])"
    )
    assert (failure.code, failure.message) == ("code_error", "ValueError: not 3")
    assert failure.trace is not None
    assert [line.partition(":")[0] for line in failure.trace.splitlines()] == ["line 5, in run", "line 2, in check"]


@pytest.mark.parametrize("code", ["def run(input state): pass", "x = ", "def other(input, state): pass", "import nope"])
async def test_code_that_has_no_run_fails(sandbox: Sandbox, code: str) -> None:
    assert (await fail(sandbox, code)).code == "code_error"


@pytest.mark.parametrize("value", ["float('nan')", "float('inf')", "{1}", "b'x'", "lambda: 1", "1j", "run"])
async def test_a_result_is_json(sandbox: Sandbox, value: str) -> None:
    failure = await fail(sandbox, f"def run(input, state):\n    return {value}")
    assert failure.code in ("invalid_result", "code_error")


# What a break-out would return or do; each must fail, and with no secret in its message.
ATTACKS = {
    "reads a file": "def run(input, state): return open(PATH).read()",
    "reads a file by pathlib": "import pathlib\ndef run(input, state): return pathlib.Path(PATH).read_text()",
    "reads a file by os": "import os\ndef run(input, state): return os.read(os.open(PATH, 0), 100).decode()",
    "reads a file by io": "import io\ndef run(input, state): return io.FileIO(PATH).read().decode()",
    "reads a file through the loader": (
        "import importlib.util\ndef run(input, state):\n"
        "    return importlib.util.spec_from_file_location('x', PATH).loader.get_data(PATH).decode()"
    ),
    "lists a folder": "import os\ndef run(input, state): return os.listdir(FOLDER)",
    "writes a file": "def run(input, state): return open(FOLDER + '/written', 'w').write('x')",
    "removes a file": "import os\ndef run(input, state): os.remove(PATH)",
    "makes a link": "import os\ndef run(input, state): os.symlink(PATH, '/tmp/link')",
    "reads the parent's environment": "def run(input, state): return open('/proc/self/environ').read()",
    "reads the parent's memory": "def run(input, state): return open('/proc/self/mem', 'rb').read(10).decode()",
    "connects": "import socket\ndef run(input, state): socket.create_connection(('127.0.0.1', PORT), 1)",
    "connects by urllib": "import urllib.request\ndef run(input, state): urllib.request.urlopen(f'http://127.0.0.1:{PORT}')",
    "connects by asyncio": (
        "import asyncio\ndef run(input, state):\n    asyncio.run(asyncio.open_connection('127.0.0.1', PORT))"
    ),
    "starts a program": "import subprocess\ndef run(input, state): subprocess.run(['touch', FOLDER + '/written'])",
    "starts a program by os": "import os\ndef run(input, state): return [os.system('touch ' + FOLDER + '/written')][2]",
    "forks": "import os\ndef run(input, state): return os.fork()",
    "execs": "import os\ndef run(input, state): os.execv('/bin/sh', ['sh', '-c', 'touch ' + FOLDER + '/written'])",
    "kills": "import os\ndef run(input, state): os.kill(PID, 9)",
    "loads a library": "import ctypes\ndef run(input, state): return ctypes.CDLL(None).getpid()",
    "unpickles a call": (
        "import pickle, os\nclass A:\n    def __reduce__(self):\n"
        "        return (os.system, ('touch ' + FOLDER + '/written',))\n"
        "def run(input, state): return pickle.loads(pickle.dumps(A())) or 1 / 0"
    ),
    "climbs to a loaded class": (
        "def run(input, state):\n    for c in ().__class__.__base__.__subclasses__():\n"
        "        if c.__name__ == 'Popen':\n            return c(['touch', FOLDER + '/written'])\n    raise LookupError"
    ),
    "climbs the frames": (
        "import sys\ndef run(input, state):\n    frame = sys._getframe()\n    while frame:\n"
        "        if 'SECRET' in frame.f_globals: return frame.f_globals['SECRET']\n"
        "        frame = frame.f_back\n    1 / 0"
    ),
    "imports Cairn": "from cairn.settings import get_settings\ndef run(input, state): return str(get_settings())",
    "calls the sandbox's host": "def run(input, state): return invoke('anything', '{}')",
    "ends the interpreter": "import os\ndef run(input, state): os._exit(0)",
    "exits": "import sys\ndef run(input, state): sys.exit(0)",
    "overflows the stack": "import sys\nsys.setrecursionlimit(10**9)\ndef run(input, state): return run(input, state)",
    "recurses": "def run(input, state): return run(input, state)",
    "nests without end": "def run(input, state):\n    x = []\n    for i in range(100000): x = [x]\n    return x",
    "uses all memory": "def run(input, state):\n    x = []\n    while True: x.append('a' * 1000000 + str(len(x)))",
    "doubles without end": "def run(input, state):\n    x = 'a'\n    while True: x += x",
    "allocates at once": "def run(input, state): return len([0] * 10**10)",
    "makes a large number": "def run(input, state): return str(9 ** 9 ** 9)[:1]",
    "does not end": "def run(input, state):\n    while True: pass",
    "does not end and catches": (
        "def run(input, state):\n    while True:\n        try:\n            while True: pass\n"
        "        except BaseException: pass"
    ),
    "sleeps": "import time\ndef run(input, state):\n    while True: time.sleep(1000)",
    "starts threads": (
        "import threading\ndef run(input, state):\n    threading.Thread(target=print).start()\n    raise SystemExit"
    ),
    "prints without end": "def run(input, state):\n    while True: print('x' * 100000)",
    "writes to its output without end": "import os\ndef run(input, state):\n    while True: os.write(1, b'x' * 100000)",
    "backtracks": "import re\ndef run(input, state): return re.match('(a+)+$', 'a' * 60 + 'b').group()",
}  # fmt: skip


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a secret in it; another one is in the environment."""
    (tmp_path / "secret").write_text(SECRET)
    monkeypatch.setenv("CAIRN_SECRET_OF_TESTS", SECRET)
    return tmp_path


@pytest.mark.parametrize("attack", ATTACKS)
async def test_no_way_out(sandbox: Sandbox, place: Path, attack: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0)
        names = {
            "PATH": str(place / "secret"), "FOLDER": str(place), "PORT": listener.getsockname()[1], "PID": os.getpid()
        }  # fmt: skip
        defined = "\n".join(f"{key} = {value!r}" for key, value in names.items())
        failure = await fail(sandbox, f"{defined}\n{ATTACKS[attack]}", seconds=SHORT)
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert SECRET not in f"{failure.message}{failure.trace}"
    assert os.listdir(place) == ["secret"]


async def test_the_environment_holds_nothing_of_the_machine(sandbox: Sandbox, place: Path) -> None:
    try:
        seen = await run(sandbox, "import os\ndef run(input, state): return dict(os.environ)")
    except CodeFailure:
        return
    assert SECRET not in str(seen)
    assert seen.keys() <= {"PYTHONHOME", "PYTHONPATH", "PYTHONUNBUFFERED"}


LEAVING = pytest.mark.parametrize(
    ("leaves", "takes"),
    [
        ("import json\ndef run(input, state):\n    json.left = 'x'",
         "import json\ndef run(input, state): return json.left"),
        ("import builtins\ndef run(input, state):\n    builtins.left = 'x'", "def run(input, state): return left"),
        ("left = 'x'\ndef run(input, state): pass", "def run(input, state): return left"),
        ("def run(input, state): open('/tmp/left', 'w').write('x')",
         "def run(input, state): return open('/tmp/left').read()"),
    ],
)  # fmt: skip


@LEAVING
async def test_a_run_sees_nothing_of_another(sandbox: Sandbox, leaves: str, takes: str) -> None:
    with contextlib.suppress(CodeFailure):
        await run(sandbox, leaves)
    assert (await fail(sandbox, takes)).code == "code_error"


@LEAVING
async def test_what_is_run_in_a_series_sees_nothing_of_another(sandbox: Sandbox, leaves: str, takes: str) -> None:
    series = sandbox.series()
    try:
        with contextlib.suppress(CodeFailure):
            await run(series, leaves)
        assert (await fail(series, takes)).code == "code_error"
        assert await run(series, "def run(input, state): return 1") == 1
    finally:
        await series.rest()


async def test_a_series_has_one_process_at_a_time_and_lets_go_of_it(sandbox: Sandbox) -> None:
    await run(sandbox, "def run(input, state): pass")  # starts what there is one of a worker
    before = set(psutil.Process().children(recursive=True))

    def processes() -> list[psutil.Process]:
        return [each for each in psutil.Process().children(recursive=True) if each not in before]

    series = sandbox.series()
    code = "def run(input, state, i): return i"
    for i in range(3):
        assert await run(series, code, i=i) == i
        assert len(processes()) <= 1
    await series.rest()
    await until(lambda: not processes())
    assert await run(series, code, i=4) == 4
    with pytest.raises(CodeFailure):
        await run(series, "def run(input, state):\n    while True: pass", seconds=SHORT)
    await until(lambda: not processes())
    assert await run(series, code, i=5) == 5
    await series.rest()
    await until(lambda: not processes())


async def test_series_take_turns_when_there_are_more_of_them_than_places(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cairn.providers.sandbox.monty.processes_at_once", lambda: 1)
    monkeypatch.setattr("cairn.providers.sandbox.eryx.processes_at_once", lambda: 1)
    monkeypatch.setattr("cairn.providers.sandbox.monty._TURN", 0.0)
    ended: list[int] = []

    async def some(number: int) -> None:
        series = sandbox.series()
        for _ in range(3):
            await run(series, "def run(input, state): return 1")
            ended.append(number)
        await series.rest()

    await asyncio.gather(some(1), some(2))
    assert sorted(ended) == [1, 1, 1, 2, 2, 2] and ended != sorted(ended)


async def test_code_cannot_lie_about_its_end(sandbox: Sandbox) -> None:
    code = "import json\ndef run(input, state):\n    json.dumps = lambda *a, **k: 'no JSON'\n    return 1"
    with pytest.raises((CodeFailure, ValueError)):
        await run(sandbox, code)


async def test_a_cancelled_run_leaves_no_process(sandbox: Sandbox) -> None:
    await run(sandbox, "def run(input, state): pass")  # starts what there is one of a worker
    before = set(psutil.Process().children(recursive=True))

    def started() -> list[psutil.Process]:
        return [each for each in psutil.Process().children(recursive=True) if each not in before]

    task = asyncio.create_task(run(sandbox, "def run(input, state):\n    while True: pass"))
    await until(started)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: not started())


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel must see to it")
@pytest.mark.parametrize("name", HERE)
async def test_code_does_not_outlive_a_killed_worker(name: str) -> None:
    worker = textwrap.dedent(f"""
        import asyncio
        from cairn.providers.sandbox import Program, open_sandbox
        from cairn.settings import Settings
        program = Program("def run(input, state):\\n    while True: pass", [None, {{}}], {{}})
        asyncio.run(open_sandbox(Settings(sandbox={name!r})).run(program, 100))
    """)
    process = await asyncio.to_thread(subprocess.Popen, [sys.executable, "-c", worker])

    def computing() -> list[psutil.Process]:
        return [each for each in psutil.Process(process.pid).children() if each.cpu_times().user > 0.3]

    code = (await until(computing))[0]
    process.send_signal(signal.SIGKILL)
    await asyncio.to_thread(process.wait)
    await until(lambda: not code.is_running())


async def test_many_run_side_by_side(sandbox: Sandbox) -> None:
    code = "def run(input, state, i): return i"
    assert await asyncio.gather(*(run(sandbox, code, i=i) for i in range(12))) == list(range(12))


async def test_what_code_prints_is_seen_whether_it_comes_to_a_result_or_not(sandbox: Sandbox) -> None:
    for code in (
        "print('grüß', 1)\ndef run(): return print('two')",
        "def run():\n    print('grüß 1\\ntwo')\n    1 / 0",
    ):
        observed = Observed()
        with contextlib.suppress(CodeFailure):
            await sandbox.run(Program(code, [], {}), LONG, observed)
        assert observed.stdout == "grüß 1\ntwo\n"
        assert observed.memory_bytes is None or observed.memory_bytes > 0


async def test_of_what_code_prints_a_part_is_kept(sandbox: Sandbox) -> None:
    observed = Observed()
    code = "def run():\n    for i in range(300):\n        print('x' * 1000)\n    return 1"
    assert await sandbox.run(Program(code, [], {}), LONG, observed) == "1"
    assert len(observed.stdout) == STDOUT_LIMIT


async def test_what_prints_without_end_is_stopped(sandbox: Sandbox) -> None:
    observed = Observed()
    with pytest.raises(CodeFailure):
        await sandbox.run(Program("def run():\n    while True: print('x' * 1000)", [], {}), 3 * SHORT, observed)
    assert len(observed.stdout) <= STDOUT_LIMIT

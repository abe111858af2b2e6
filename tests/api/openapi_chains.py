"""How schemathesis follows links: in which order, and with bodies that get a chain further.

Left to chance, most steps begin something that the chain makes no use of, the same few links are followed again and
again, and hardly anything is made that there could be more of. What bodies may look like, the other phases try.
"""

from __future__ import annotations

import json
import os
import uuid
from collections import Counter
from collections.abc import Iterator
from typing import ClassVar, NamedTuple

import requests
import schemathesis
from schemathesis.generation import GenerationMode
from schemathesis.generation.meta import TestPhase
from schemathesis.generation.stateful.control import TransitionController
from schemathesis.specs.openapi import stateful


class Step(NamedTuple):
    """A link between two operations, or the beginning of a chain with one (no source)."""

    source: str | None
    target: str


class LeastFollowedFirst(TransitionController):
    """Lets a chain take the steps that all chains together have taken least.

    Of equals, what deletes comes after what uses, and something new is begun last: so a chain goes to the end of what
    it has made, and only then comes back to it, or begins with something else.
    """

    taken: ClassVar[Counter[Step]] = Counter()

    def __init__(self, machine: stateful.OpenAPIStateMachine) -> None:
        super().__init__(machine._transitions, machine._root_labels)
        self._machine = machine

    def record_step(self, input, recorder) -> None:
        super().record_step(input, recorder)
        if input.case.meta is None or input.case.meta.generation.mode == GenerationMode.POSITIVE:
            parent = input.transition and recorder.cases[input.transition.parent_id].value
            self.taken[Step(parent and parent.operation.label, input.case.operation.label)] += 1

    def allow_root_transition(self, source, bundles) -> bool:
        return not self._is_skipped(source) and self._is_least(Step(None, source))

    def allow_transition(self, source, target) -> bool:
        return not self._is_skipped(target) and self._is_least(Step(source, target))

    def _is_least(self, step: Step) -> bool:
        return self._order(step) == min(map(self._order, self._possible()))

    def _order(self, step: Step) -> tuple[int, bool, bool]:
        return self.taken[step], step.source is None, step.target.startswith("DELETE ")

    def _possible(self) -> Iterator[Step]:
        yield from (Step(None, label) for label in self.roots if not self._is_skipped(label))
        for source, transitions in self.transitions.operations.items():
            for link in transitions.outgoing:
                known = self._machine.bundle(f"{source} -> {link.status_code}")
                if known and not self._is_skipped(link.target.label):
                    yield Step(source, link.target.label)


class Chains(stateful.OpenAPIStateMachine):
    """Chains of requests in this order."""

    def __init__(self) -> None:
        super().__init__()
        self.control = LeastFollowedFirst(self)


def begins(operation, node, produced) -> bool:
    """Tell whether a chain can begin with an operation: whether nothing has to be there that its path names."""
    return not operation.path_parameters


stateful.OpenAPIStateMachine = Chains
stateful.is_likely_root_transition = begins


RETIRED = {
    "DELETE /api/v1/tools/{tool_uuid}": "archived",
    "DELETE /api/v1/approvals/{approval_id}": "cancelled",
}
"""Operations after which what they were about can still be read, with this status."""
_retired: dict[str, str] = {}


@schemathesis.hook
def after_call(context, case, response) -> None:
    """Note what was retired."""
    if case.operation.label in RETIRED and response.status_code < 300:
        _retired[case.formatted_path] = RETIRED[case.operation.label]


@schemathesis.check
def what_is_retired_says_so(ctx, response, case) -> None:
    """What DELETE takes out of use, in place of deleting it, is read as out of use."""
    if case.method.upper() == "GET" and case.formatted_path in _retired and response.status_code < 300:
        told = response.json()["status"]
        assert told == _retired[case.formatted_path], f"It was retired, and is told as {told!r}"


WITH_A_MESSAGE = ("/rollback", "/fork", "/replay")
"""Ends of paths of conversations that go back to one of their messages."""


def _in_a_chain(case) -> bool:
    return (
        case.meta is not None
        and case.meta.phase.name == TestPhase.STATEFUL
        and case.meta.generation.mode == GenerationMode.POSITIVE
    )


@schemathesis.hook("before_call")
def bodies_that_lead_on(context, case, kwargs) -> None:
    """Have what chains make be of things that are there, with names of its own."""
    known = json.loads(os.environ["KNOWN_BODIES"].replace("UNIQUE", uuid.uuid4().hex))
    if _in_a_chain(case) and (body := known.get(case.operation.label)) is not None:
        case.body = body


@schemathesis.hook("before_call")
def messages_that_are_there(context, case, kwargs) -> None:
    """Have conversations go back to a message of theirs: a new one has none."""
    goes_back = case.path.startswith("/api/v1/conversations/{") and case.path.endswith(WITH_A_MESSAGE)
    if goes_back and _in_a_chain(case):
        case.body = {"message_id": uuid.uuid4().hex}
        there = case.formatted_path.rpartition("/")[0]
        said = {"content": "How much is 6 * 7?", **case.body}
        key = {"X-API-Key": os.environ["KNOWN_KEY"]}
        requests.post(f"{os.environ['KNOWN_URL']}{there}/messages", json=said, headers=key, timeout=10)


@schemathesis.hook("before_call")
def whole_lists(context, case, kwargs) -> None:
    """Have chains go on: they read lists from the beginning, without filters, or most would find nothing to follow."""
    if case.method.upper() == "GET" and case.meta is not None and case.meta.phase.name == TestPhase.STATEFUL:
        wanted = {each.name for each in case.operation.query if each.is_required}
        case.query = {name: value for name, value in (case.query or {}).items() if name in wanted}

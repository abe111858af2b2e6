"""What rollbacks of a story went back over."""

from __future__ import annotations

from chaos.records import Found, Story


def discarded(story: Story) -> tuple[set[str], set[str]]:
    """Return the keys of the effects that rollbacks had to undo, and of those that they may have undone or not.

    The second are those of which they said that nobody knows, what a replay before may have kept, and what a child
    did that was at work at the checkpoint and was cancelled since: it is done anew.
    """
    found = {each.execution_id: each for each in story.found}
    due, open_ = set[str](), set[str]()
    for execution in story.found:
        runs = {run.run_id: run for run in execution.runs}
        resets = {run.operation: run for run in reversed(execution.runs) if run.operation is not None}
        for operation, made in resets.items():
            if made.base_run_id not in runs:
                continue
            line, last = [runs[made.base_run_id]], made.base_run_id
            while after := next((r for r in execution.runs if r.continues == last and r.operation is None), None):
                line, last = [*line, after], after.run_id
            gone = {key for run in line for key in run.completed} - made.completed
            if operation not in execution.rollbacks:
                open_ |= gone  # a replay may have kept it, and a rollback then goes back over what was kept
                continue
            left = [child for run in line for child in run.children]
            for name in [child for child in left if child not in made.children]:
                gone |= _all_of(found, name)
            for name in made.children & set(left):
                if name in found and found[name].got.status == "cancelled":
                    open_ |= _all_of(found, name)
            said = execution.rollbacks[operation]
            unknown = {(each.execution_id, each.node_id, str(each.visit)) for each in said if each.status != "done"}
            for key in gone:
                (open_ if tuple(key.split("/")[:3]) in unknown else due).add(key)
    return due, open_


def _all_of(found: dict[str, Found], execution_id: str) -> set[str]:
    """Return the keys of all that an execution did, and what is below it."""
    if execution_id not in found:
        return set()
    runs = found[execution_id].runs
    return {key for run in runs for key in run.completed}.union(
        *[_all_of(found, child) for run in runs for child in run.children]
    )

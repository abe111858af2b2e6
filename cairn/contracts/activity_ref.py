"""References to activities: how a workflow names one without importing its code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

Input = TypeVar("Input")
Output = TypeVar("Output")


@dataclass(frozen=True, slots=True)
class ActivityRef(Generic[Input, Output]):
    """One activity: its name in history and its types.

    Attributes:
        name: the activity type in Temporal; never changes once released.
        input: type of the single argument.
        output: type of the result.
    """

    name: str
    input: type[Input]
    output: type[Output]

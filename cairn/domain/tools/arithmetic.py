"""Arithmetic on numbers alone, bounded in cost."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable
from typing import Any, TypeAlias, cast

# The library carries no type stubs; what it returns is checked below.
from simpleeval import (  # pyright: ignore[reportMissingTypeStubs]
    InvalidExpression,
    OperatorNotDefined,
    SimpleEval,
)

Number: TypeAlias = int | float

_MAX_BITS = 4_096


def evaluate(expression: str) -> Number:
    """Return the value of an arithmetic expression.

    Raises:
        ValueError: it is no arithmetic expression, or its value is too large.
        ArithmeticError: division by zero, a root of a negative number, overflow.
    """
    try:
        evaluator = SimpleEval(
            operators=_OPERATORS, functions=_FUNCTIONS, names={"pi": math.pi, "e": math.e}, allowed_attrs={}
        )
        # Parsed here, since the library takes the first of several expressions and ignores the rest.
        parsed = ast.parse(expression.strip(), mode="eval").body
        value = cast("object", evaluator.eval(expression, previously_parsed=parsed))
    except SyntaxError as error:
        raise ValueError("it is no single expression") from error
    except OperatorNotDefined as error:
        raise ValueError("an operator is unknown; a power is written **") from error
    except (InvalidExpression, TypeError, KeyError, AttributeError, RecursionError, MemoryError) as error:
        raise ValueError(str(error).partition("\n")[0] or "it is too deep") from error
    return _checked(value)


def _checked(value: object) -> Number:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("only numbers can be calculated with")
    if isinstance(value, int) and value.bit_length() > _MAX_BITS:
        raise ValueError("a number grows too large")
    if isinstance(value, float) and not math.isfinite(value):
        raise OverflowError("a number grows too large")
    return value


def _power(base: Number, exponent: Number) -> Number:
    if isinstance(base, int) and isinstance(exponent, int) and base.bit_length() * abs(exponent) > _MAX_BITS:
        raise ValueError("a number grows too large")
    return _checked(base**exponent)


def _divide(dividend: Number, divisor: Number) -> Number:
    return dividend / divisor


def _floor(dividend: Number, divisor: Number) -> Number:
    return dividend // divisor


def _remainder(dividend: Number, divisor: Number) -> Number:
    return dividend % divisor


def _on_numbers(function: Callable[..., Any]) -> Callable[..., Number]:
    def checked(*operands: object) -> Number:
        return _checked(function(*map(_checked, operands)))

    return checked


_OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: _on_numbers(operator.add),
    ast.Sub: _on_numbers(operator.sub),
    ast.Mult: _on_numbers(operator.mul),
    ast.Div: _on_numbers(_divide),
    ast.FloorDiv: _on_numbers(_floor),
    ast.Mod: _on_numbers(_remainder),
    ast.Pow: _on_numbers(_power),
    ast.USub: _on_numbers(operator.neg),
    ast.UAdd: _on_numbers(operator.pos),
}
_FUNCTIONS = {
    function.__name__: _on_numbers(function)
    for function in (
        abs,
        round,
        min,
        max,
        math.ceil,
        math.floor,
        math.sqrt,
        math.exp,
        math.log,
        math.log10,
        math.sin,
        math.cos,
        math.tan,
    )
}

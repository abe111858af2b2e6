"""What each type of n8n's nodes is here."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

from pydantic import ValidationError

from cairn.contracts.json import Json, JsonObject
from cairn.graph.expressions import ExpressionError, compile_expression
from cairn.graph.imports.drafting import as_object, as_objects
from cairn.graph.imports.n8n_expressions import Expressions, NotMapped, comparison, literal
from cairn.graph.nodes import KINDS
from cairn.graph.templates import TemplateError, compile_text

_SECONDS = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86400}
_PROVIDERS = {"lmChatOpenAi": "openai", "lmChatAnthropic": "anthropic", "lmChatGoogleGemini": "google"}
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_TOOLS = {"toolCalculator": "calculate"}


@dataclass(frozen=True, slots=True)
class Made:
    """A node of n8n as it is here.

    Attributes:
        kind: the node kind.
        data: its data, without the name.
        ways: expression of each output, None for the else; empty: one plain output.
        partly: what is left to be done.
    """

    kind: str
    data: JsonObject
    ways: tuple[str | None, ...] = ()
    partly: tuple[str, ...] = ()


def short_type(node: JsonObject) -> str:
    """Return the last part of a node's type: ``httpRequest`` of ``n8n-nodes-base.httpRequest``."""
    return str(node.get("type") or "").rpartition(".")[2]


def is_trigger(node: JsonObject) -> bool:
    """Whether workflows begin there."""
    kind = short_type(node)
    return kind in ("webhook", "start", "cron", "interval") or kind.endswith("Trigger")


def trigger_note(node: JsonObject) -> str | None:
    """Say what takes the trigger's place."""
    kind = short_type(node)
    if kind in ("scheduleTrigger", "cron", "interval"):
        return "Make a schedule of the published graph in its place."
    if kind in ("manualTrigger", "start", "executeWorkflowTrigger"):
        return None
    return "Executions are started over the API; what it gave is the input."


def make(node: JsonObject, expressions: Expressions, attached: dict[str, list[JsonObject]]) -> Made | None:
    """Return the counterpart of a node, None when there is none.

    Args:
        node: the node.
        expressions: translates its expressions.
        attached: models and tools that are plugged into it, by the kind of plug (``ai_languageModel``, ``ai_tool``).

    Raises:
        NotMapped: its type has a counterpart, and what its parameters say has not.
    """
    parameters: JsonObject = node.get("parameters") or {}
    kind = short_type(node)
    if kind in ("agent", "chainLlm", "openAi", "anthropic", "googleGemini"):
        return _agent(kind, parameters, expressions, attached)
    maker = _MAKERS.get(kind)
    return maker(parameters, expressions) if maker else None


def check(made: Made) -> None:
    """See to it that a counterpart can be run.

    Raises:
        NotMapped: its data is not of the form, or an expression or text is none.
    """
    kind = KINDS[made.kind]
    try:
        data = kind.Data.model_validate({"name": "-", **made.data})
        for source in (*(source for _, source in kind.expressions(data)), *filter(None, made.ways)):
            compile_expression(source)
        for _, source in kind.texts(data):
            compile_text(source)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise NotMapped(f"its {first['loc'][0]} is not given or cannot be read") from None
    except (ExpressionError, TemplateError) as error:
        raise NotMapped(f"an expression cannot be written here ({error})") from None


def _http(parameters: JsonObject, expressions: Expressions) -> Made:
    partly: list[str] = []
    url = expressions.text(parameters.get("url") or "")
    query = [(name, expressions.text(value)) for name, value in _pairs(parameters, "queryParameters")]
    if parameters.get("sendQuery", True) and query:
        url += ("&" if "?" in url else "?") + "&".join(f"{_percent(name)}={_encoded(value)}" for name, value in query)
    method = str(parameters.get("method") or parameters.get("requestMethod") or "GET").removeprefix("=").strip().upper()
    data: JsonObject = {"method": method, "url": url}
    headers = {name: expressions.text(value) for name, value in _pairs(parameters, "headerParameters")}
    if parameters.get("sendHeaders", True) and headers:
        data["headers"] = headers
    if parameters.get("sendBody") or parameters.get("jsonParameters"):
        data["body"] = _body(parameters, expressions)
    if parameters.get("authentication", "none") != "none":
        partly.append("It names credentials of n8n: make one here, and write it as credential_uuid.")
    timeout = as_object(parameters.get("options")).get("timeout")
    if isinstance(timeout, int | float) and timeout > 0:
        data["timeout"] = timeout / 1000
    return Made("http", data, partly=tuple(partly))


def _encoded(text: str) -> str:
    return text if "{{" in text else _percent(text)


def _percent(text: str) -> str:
    """Encode a text for a query (RFC 3986)."""
    return "".join(chr(byte) if chr(byte) in _UNRESERVED else f"%{byte:02X}" for byte in text.encode())


def _body(parameters: JsonObject, expressions: Expressions) -> str:
    if parameters.get("specifyBody") == "json" or "jsonBody" in parameters:
        body: Json = parameters.get("jsonBody")
        if isinstance(body, str) and not body.startswith("="):
            try:
                return literal(json.loads(body))
            except ValueError:
                return literal(body)
        return expressions.cel(body)
    members = ", ".join(f"{literal(n)}: {expressions.cel(v)}" for n, v in _pairs(parameters, "bodyParameters"))
    return "{" + members + "}"


def _pairs(parameters: JsonObject, member: str) -> Iterator[tuple[str, Any]]:
    for pair in as_objects(as_object(parameters.get(member)).get("parameters")):
        yield str(pair.get("name") or ""), pair.get("value")


def _if(parameters: JsonObject, expressions: Expressions) -> Made:
    return Made("condition", {}, (_holds(parameters, expressions), None))


def _filter(parameters: JsonObject, expressions: Expressions) -> Made:
    return Made("condition", {}, (_holds(parameters, expressions), None), ("What it keeps out goes to the end.",))


def _holds(parameters: JsonObject, expressions: Expressions) -> str:
    conditions: JsonObject = parameters.get("conditions") or {}
    if isinstance(conditions.get("conditions"), list):  # version 2
        singles = [_condition(each, expressions) for each in cast("list[JsonObject]", conditions["conditions"])]
        joint = conditions.get("combinator", "and")
    else:
        singles = [
            _old_condition(kind, each, expressions)
            for kind, found in conditions.items()
            for each in cast("list[JsonObject]", found)
        ]
        joint = "or" if parameters.get("combineOperation") == "any" else "and"
    if not singles:
        raise NotMapped("it has no condition")
    return f" {'||' if joint == 'or' else '&&'} ".join(
        f"({single})" if len(singles) > 1 else single for single in singles
    )


def _condition(condition: JsonObject, expressions: Expressions) -> str:
    operator: JsonObject = condition.get("operator") or {}
    left, right = expressions.cel(condition.get("leftValue")), expressions.cel(condition.get("rightValue"))
    number = operator.get("type") == "number" and operator.get("operation") in ("equals", "notEquals")
    return comparison(str(operator.get("operation") or ""), left, right, number=number)


def _old_condition(kind: str, condition: JsonObject, expressions: Expressions) -> str:
    left, right = expressions.cel(condition.get("value1")), expressions.cel(condition.get("value2"))
    default = "smaller" if kind == "number" else "equal"
    return comparison(str(condition.get("operation") or default), left, right, number=kind == "number")


def _switch(parameters: JsonObject, expressions: Expressions) -> Made:
    rules: JsonObject = parameters.get("rules") or {}
    ways: list[str | None] = []
    if isinstance(rules.get("values"), list):  # version 3
        ways += [_holds(rule, expressions) for rule in cast("list[JsonObject]", rules["values"])]
        if (parameters.get("options") or {}).get("fallbackOutput") == "extra":
            ways.append(None)
    elif isinstance(rules.get("rules"), list):
        value = expressions.cel(parameters.get("value1"))
        number = parameters.get("dataType", "number") == "number"
        for rule in cast("list[JsonObject]", rules["rules"]):
            operation = str(rule.get("operation") or "equal")
            ways.append(comparison(operation, value, expressions.cel(rule.get("value2")), number=number))
    if not ways:
        raise NotMapped("it has no rules that can be read")
    return Made("condition", {}, tuple(ways))


def _set(parameters: JsonObject, expressions: Expressions) -> Made:
    given = as_objects(as_object(parameters.get("assignments")).get("assignments"))
    given += [each for found in as_object(parameters.get("values")).values() for each in as_objects(found)]
    if not given and parameters.get("mode") == "raw":
        return Made("transform", {"set": _raw(parameters.get("jsonOutput"))})
    named = {str(each.get("name")): expressions.cel(each.get("value")) for each in given if each.get("name")}
    return Made("transform", {"set": named})


def _raw(source: Json) -> JsonObject:
    """Return the members of raw JSON, each as an expression."""
    try:
        value: Any = json.loads(source) if isinstance(source, str) and not source.startswith("=") else source
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise NotMapped("it sets raw JSON that an expression makes")
    return {name: literal(each) for name, each in cast("JsonObject", value).items()}


def _wait(parameters: JsonObject, expressions: Expressions) -> Made:
    resume = parameters.get("resume", "timeInterval")
    if resume == "webhook":
        return Made("wait", {"event": {"name": "resume"}}, partly=("Send it the event `resume` to go on.",))
    if resume == "specificTime":
        return Made("wait", {"until": expressions.cel(parameters.get("dateTime"))})
    unit = _SECONDS.get(str(parameters.get("unit") or "hours"))
    amount: Json = parameters.get("amount", 1)
    if unit is None or resume != "timeInterval":
        raise NotMapped(f"it resumes by {resume}")
    if isinstance(amount, int | float):
        return Made("wait", {"seconds": amount * unit})
    return Made("wait", {"seconds": f"double({expressions.cel(amount)}) * {float(unit)}"})


def _nothing(parameters: JsonObject, expressions: Expressions) -> Made:
    return Made("transform", {"set": {}})


def _subgraph(parameters: JsonObject, expressions: Expressions) -> Made:
    named: Any = parameters.get("workflowId")
    named = cast("JsonObject", named).get("value") if isinstance(named, dict) else named
    left = "It runs another workflow: import that too, and write its id as workflow_id."
    return Made("subgraph", {"workflow_id": str(named or "unknown")}, partly=(left,))


def _respond(parameters: JsonObject, expressions: Expressions) -> Made:
    if parameters.get("respondWith", "firstIncomingItem") == "json" and parameters.get("responseBody"):
        return Made("transform", {"set": {"response": expressions.cel(parameters["responseBody"])}})
    return Made("transform", {"set": {"response": expressions.cel("={{ $json }}")}})


def _agent(kind: str, parameters: JsonObject, expressions: Expressions, attached: dict[str, list[JsonObject]]) -> Made:
    partly: list[str] = []
    if parameters.get("resource", "text") not in ("text", "chat", "message"):
        raise NotMapped(f"it works on {parameters['resource']}, not on text")
    system, said = _messages(parameters, expressions)
    data: JsonObject = {"prompt": said or expressions.text("={{ $json }}")} | ({"system": system} if system else {})
    models = [parameters] if kind in ("openAi", "anthropic", "googleGemini") else []
    for model in attached.get("ai_languageModel", []):
        models.append({**(model.get("parameters") or {}), "provider": _PROVIDERS.get(short_type(model))})
    for model in models:
        name = _model(model, kind)
        if name is None:
            partly.append("Its model has no counterpart: the deployment's default answers.")
        else:
            data["model"] = name
    tools = [_TOOLS.get(short_type(tool)) for tool in attached.get("ai_tool", [])]
    if known := [tool for tool in tools if tool]:
        data["tools"] = known
    partly += ["It has tools without a counterpart."] if None in tools else []
    partly += [
        f"What is plugged in as {plug} is left out." for plug in sorted(set(attached) - {"ai_languageModel", "ai_tool"})
    ]
    return Made("agent", data, partly=tuple(partly))


def _messages(parameters: JsonObject, expressions: Expressions) -> tuple[str, str]:
    """Return what a model is told of its work, and what it is asked."""
    given: Any = parameters.get("text") or parameters.get("prompt")
    listed = [
        *as_objects(as_object(parameters.get("messages")).get("values")),
        *as_objects(as_object(parameters.get("messages")).get("messageValues")),
        *as_objects(as_object(given).get("messages")),
    ]
    system: list[Any] = [as_object(parameters.get("options")).get("systemMessage")]
    asked: list[Any] = [given if isinstance(given, str) else None]
    for each in listed:
        # Messages of a chain are of the system unless they say otherwise.
        role = each.get("role") or each.get("type") or ("system" if "message" in each else "user")
        words = each.get("content") or each.get("message")
        (system if "system" in str(role).lower() else asked).append(words)
    return _joined(system, expressions), _joined(asked, expressions)


def _joined(parts: list[Any], expressions: Expressions) -> str:
    texts = (expressions.text(part) for part in parts if part)
    return "\n".join(text for text in texts if text.strip())


def _model(parameters: JsonObject, kind: str) -> str | None:
    provider = parameters.get("provider") or {"openAi": "openai", "anthropic": "anthropic"}.get(kind)
    named: Any = parameters.get("model") or parameters.get("modelId") or parameters.get("modelName")
    named = cast("JsonObject", named).get("value") if isinstance(named, dict) else named
    return f"{provider}:{str(named).removeprefix('models/')}" if provider and named else None


_MAKERS: dict[str, Callable[[JsonObject, Expressions], Made]] = {
    "httpRequest": _http,
    "if": _if,
    "filter": _filter,
    "switch": _switch,
    "set": _set,
    "wait": _wait,
    "noOp": _nothing,
    "merge": _nothing,
    "executeWorkflow": _subgraph,
    "respondToWebhook": _respond,
}

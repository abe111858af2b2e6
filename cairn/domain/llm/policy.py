"""Which model a call uses: what is named, a default, and what the tenant allows."""

from __future__ import annotations

from cairn.domain.llm.model import BYO_PROVIDERS, Choice, Config
from cairn.errors import Conflict, FieldError, Forbidden, InvalidInput
from cairn.providers.llm.catalogue import CLOUDS, find_known
from cairn.settings import Settings

_PLATFORM = (*CLOUDS, "local", "offline")
PROVIDERS = (*dict.fromkeys((*_PLATFORM, *BYO_PROVIDERS)),)
"""Those of the installation, and those that tenants can have keys for."""


def choose(config: Config, settings: Settings, use_case: str, named: str | None) -> Choice:
    """Return the model to use.

    Args:
        config: the tenant's.
        settings: with the installation's default model.
        use_case: what for.
        named: what the caller names: an id (``openai:gpt-5.2``), or a name that one provider alone has.

    Raises:
        Conflict: mode byok, and there is no key for the model (``llm_key_missing``).
        Forbidden: the tenant does not allow the model (``model_not_allowed``).
        InvalidInput: no such model (``unknown_model``), or none is named and there is no default (``model_required``).
    """
    if config.mode == "byok":
        return _own(config, use_case, named)
    provider, name = _split(config, named or settings.default_model)
    if provider not in _PLATFORM:
        where = f"Models of {provider} are used with a key of your own, in mode byok."
        raise unknown_model(where if provider in BYO_PROVIDERS else f"No provider {provider!r}.")
    kept = config.provider(provider)
    if kept is not None and not kept.allows(name):
        raise _not_allowed(config, kept.model_id(name))
    return Choice(f"{provider}:{name}" if name else provider)


def _own(config: Config, use_case: str, named: str | None) -> Choice:
    if not config.providers:
        message = "The mode is byok, and no key is kept. Save one, or switch the mode to platform."
        raise Conflict(message, code="llm_key_missing")
    wanted = named or config.defaults.get(use_case) or next(iter(config.allowlist), None)
    if wanted is None:
        message = f"Name a model: no default is set for {use_case}."
        raise InvalidInput(message, code="model_required", errors=[FieldError("/model", message)])
    provider, name = _split(config, wanted)
    kept = config.provider(provider)
    if kept is None:
        if provider in BYO_PROVIDERS:
            raise Conflict(f"The mode is byok, and no key for {provider} is kept.", code="llm_key_missing")
        raise _not_allowed(config, wanted)
    if not name:
        raise unknown_model(f"Name a model of {provider}, as {provider}:name.")
    if not kept.allows(name):
        raise _not_allowed(config, wanted)
    return Choice(kept.model_id(name), kept)


def _split(config: Config, named: str) -> tuple[str, str]:
    """Return provider and name of a model."""
    provider, _, name = named.partition(":")
    if provider in PROVIDERS:
        return provider, name
    listed = [each.provider for each in config.providers if named in each.models]
    if len(listed) == 1:
        return listed[0], named
    known = find_known(named)
    if known is None and config.mode == "byok" and len(config.providers) == 1:
        return config.providers[0].provider, named
    if known is None:
        raise unknown_model(f"No model {named!r} is known. Write provider:model.")
    return known.provider, known.name


def unknown_model(message: str, pointer: str = "/model") -> InvalidInput:
    """Return the error for a model that is none."""
    return InvalidInput(message, code="unknown_model", errors=[FieldError(pointer, message)])


def _not_allowed(config: Config, model: str) -> Forbidden:
    return Forbidden(
        f"The model {model!r} is not allowed.", code="model_not_allowed", extra={"allowed": config.allowlist}
    )

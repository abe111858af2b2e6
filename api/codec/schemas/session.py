"""Signing in."""

from __future__ import annotations

from pydantic import BaseModel, Field


class SignIn(BaseModel):
    """Who signs in."""

    key: str = Field(min_length=1, max_length=255, description="API key with the scope `codec:decode`.")

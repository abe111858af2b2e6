"""Signing in for the pages of the Temporal Web UI, which send cookies but no key."""

from __future__ import annotations

from datetime import timedelta

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from api.codec.conventions import COOKIE, require_named
from api.codec.schemas.session import SignIn
from api.kit.auth import holder
from api.kit.route import PublicRoute

router = APIRouter(prefix="/codec", tags=["session"], route_class=PublicRoute)

_LASTS = timedelta(hours=12)
_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Cairn codec server</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body { font: 16px sans-serif; max-width: 36em; margin: 4em auto; padding: 0 1em }</style>
</head><body>
<h1>Cairn codec server</h1>
<p>Sign in with an API key that has the scope <code>codec:decode</code>. This browser then sees what payloads hold in
the Temporal Web UI, where <em>Data Encoder</em> must be set to <em>Include cross-origin credentials</em>.</p>
<form id="form"><label>API key <input id="key" type="password" autocomplete="off" required></label>
<button>Sign in</button> <button type="button" id="out">Sign out</button></form>
<p id="said" role="status"></p>
<script>
const said = document.getElementById("said"), key = document.getElementById("key");
async function call(method, body, done) {
  const headers = { "Content-Type": "application/json" };
  const reply = await fetch("/codec/session", { method, headers, body: body && JSON.stringify(body) });
  said.textContent = reply.ok ? done : (await reply.json()).message;
  key.value = "";
}
document.getElementById("form").onsubmit = (event) => {
  event.preventDefault();
  call("POST", { key: key.value }, "Signed in for twelve hours.");
};
document.getElementById("out").onclick = () => call("DELETE", undefined, "Signed out.");
</script></body></html>
"""


@router.get("", response_class=HTMLResponse)
async def page() -> str:
    """Show the sign-in page."""
    return _PAGE


@router.post("/session", status_code=204, responses={401: {}, 403: {}})
async def sign_in(request: Request, response: Response, body: SignIn) -> None:
    """Keep an operator's key in a cookie that only this codec server gets."""
    require_named(await holder(body.key, request.app.state.context), "codec:decode")
    secure = request.url.scheme == "https"
    response.set_cookie(
        COOKIE, body.key, int(_LASTS.total_seconds()), path="/codec", secure=secure, httponly=True, samesite="strict"
    )


@router.delete("/session", status_code=204)
async def sign_out(response: Response) -> None:
    """Forget the key."""
    response.delete_cookie(COOKIE, path="/codec")

"""Errors of the API as `application/problem+json` (RFC 9457): title, status, and a detail with what, got, wanted."""

from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from streaming import metrics
from streaming.codec import demand

RETRY = {"Retry-After": "1"}


class Problem(Exception):
    """Ends a request with this answer."""

    def __init__(self, status: int, title: str, detail: str, *, headers: dict[str, str] | None = None) -> None:
        """`title` says which kind of problem it is, `detail` this one in a sentence."""
        super().__init__(detail)
        self.status, self.title, self.detail, self.headers = status, title, detail, headers


def busy(title: str, detail: str) -> Problem:
    """Not now: the client should ask again."""
    return Problem(503, title, detail, headers=RETRY)


def respond(problem: Problem) -> Response:
    """The answer to the client."""
    metrics.REJECTED.labels(problem.title, str(problem.status)).inc()
    body = {"type": "about:blank", "title": problem.title, "status": problem.status, "detail": problem.detail}
    return Response(orjson.dumps(body), problem.status, problem.headers, "application/problem+json")


def handle_problems(app: FastAPI) -> None:
    """Let every error of the app, and of the framework below it, leave in this form."""

    async def ours(_: Request, error: Exception) -> Response:
        assert isinstance(error, Problem)  # noqa: S101  # registered for it alone
        return respond(error)

    async def wrong_input(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101
        return respond(Problem(422, "The request is not valid", _first(error.errors()[0])))

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101
        title = HTTPStatus(error.status_code).phrase
        detail = f"{request.method} {request.url.path}: {error.detail}"
        return respond(Problem(error.status_code, title, detail, headers=dict(error.headers or {})))

    async def unexpected(request: Request, _: Exception) -> Response:
        detail = f"{request.method} {request.url.path} failed here; the reason is in the log"
        return respond(Problem(500, "Something went wrong", detail))

    app.add_exception_handler(Problem, ours)
    app.add_exception_handler(RequestValidationError, wrong_input)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(Exception, unexpected)


def _first(error: dict[str, Any]) -> str:
    where = ".".join(str(part) for part in error["loc"] if part != "body")
    if error["type"] == "json_invalid":
        return f"the body is not JSON: {error['ctx']['error']}"
    if error["type"] == "missing":
        return f"{where or 'the body'} is missing"
    if isinstance(error["input"], bytes):  # it was not even looked at
        return "the body must be sent with the header content-type: application/json"
    return f"{where or 'the body'} must {demand(error['msg'])}, got {repr(error['input'])[:80]}"

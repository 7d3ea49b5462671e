"""Cronium's helpers for Python; the standard library is all they need.

    import cronium
    name = cronium.input()["name"]
    cronium.output({"greeting": f"hello {name}"})

`cronium.aio` has the same functions as coroutines. Every value goes out and comes back as JSON: False, 0, "" and None stay
what they are. Calls are tried 3 times, 1 s and 2 s apart, when the connection fails, the answer takes too long, or its
status is 500 or higher; other answers raise CroniumError at once.
"""

import asyncio as _asyncio
import functools as _functools
import http.client as _client
import json as _json
import os as _os
import sys as _sys
import time as _time
import types as _types
import urllib.error as _error
import urllib.parse as _parse
import urllib.request as _request
import uuid as _uuid

_TRIES = 3
_TIMEOUT_SECONDS = 30
_UPLOAD_TIMEOUT_SECONDS = 300
# The runtime API is in the job's own network: a proxy in the environment is not for it.
_opener = _request.build_opener(_request.ProxyHandler({}))


class CroniumError(Exception):
    """A call to the runtime API failed. `status` is the HTTP status, None when no answer came."""

    def __init__(self, message, status=None):
        super().__init__(message)
        self.status = status


def _request_once(method, path, headers, body=None, file=None):
    base = _os.environ.get("CRONIUM_RUNTIME_API", "http://runtime-api:8081")
    request = _request.Request(base + path, data=body, method=method, headers=headers)
    request.add_header("Authorization", "Bearer " + _os.environ.get("CRONIUM_EXECUTION_TOKEN", ""))
    if file is None:
        with _opener.open(request, timeout=_TIMEOUT_SECONDS) as answer:
            return _json.loads(answer.read() or b"null")
    with open(file, "rb") as handle:
        request.data = handle
        request.add_header("Content-Length", str(_os.fstat(handle.fileno()).st_size))
        with _opener.open(request, timeout=_UPLOAD_TIMEOUT_SECONDS) as answer:
            return _json.loads(answer.read())


def _reason(error):
    text = error.read().decode("utf-8", "replace")
    try:
        problem = _json.loads(text)
        parts = [problem.get("detail") or problem.get("title") or text]
        return " ".join(parts + [f"{wrong['path']}: {wrong['message']}" for wrong in problem.get("errors", [])])
    except (ValueError, AttributeError):
        return text[:300]


def _call(method, path, body=None, file=None):
    # The key is the same in all tries, so that what must not happen twice can be told apart.
    headers = {"Idempotency-Key": str(_uuid.uuid4())}
    if file is not None:
        headers["Content-Type"] = "application/octet-stream"
    elif body is not None:
        headers["Content-Type"] = "application/json"
    failure = None
    for attempt in range(_TRIES):
        if attempt > 0:
            _time.sleep(2 ** (attempt - 1))
        try:
            return _request_once(method, path, headers, body, file)
        except _error.HTTPError as error:
            failure = CroniumError(f"{method} {path}: {error.code} {_reason(error)}", error.code)
            if error.code < 500:
                raise failure from None
        except (_error.URLError, _client.HTTPException, ConnectionError, TimeoutError, ValueError) as error:
            failure = CroniumError(f"{method} {path}: no answer after {_TRIES} tries: {error}")
    raise failure


def _execution():
    try:
        return "/executions/" + _os.environ["CRONIUM_EXECUTION_ID"]
    except KeyError:
        raise CroniumError("this is not a Cronium job: CRONIUM_EXECUTION_ID is not set") from None


def _send(method, path, value):
    try:
        body = _json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        # Half a surrogate pair has no UTF-8, only an escape.
        body = _json.dumps(value, allow_nan=False).encode()
    return _call(method, path, body)


def _variable(key):
    if key in ("", ".", ".."):
        raise CroniumError('a variable\'s key is not empty, "." or ".."')
    return _execution() + "/variables/" + _parse.quote(key, safe="")


def _or_if_missing(function, fallback):
    try:
        return function()
    except CroniumError as error:
        if error.status == 404:
            return fallback
        raise


def input():
    """The job's input."""
    return _call("GET", _execution() + "/input")["data"]


def output(data):
    """Sets the job's output: anything that JSON can hold, at most 5 MiB."""
    _send("POST", _execution() + "/output", {"data": data})


def get_variable(key, default=None):
    """A variable's value; `default` when there is none."""
    return _or_if_missing(lambda: _call("GET", _variable(key))["data"]["value"], default)


def variable_version(key):
    """A variable's version, for `set_variable(…, if_version=…)`; None when there is none."""
    return _or_if_missing(lambda: _call("GET", _variable(key))["data"]["version"], None)


def set_variable(key, value, if_version=None):
    """Sets a variable and returns its version. With `if_version`, raises (409) when it is at another version."""
    body = {"value": value}
    if if_version is not None:
        body["ifVersion"] = if_version
    return _send("PUT", _variable(key), body)["data"]["version"]


def delete_variable(key):
    """Deletes a variable; there need not be one."""
    _or_if_missing(lambda: _call("DELETE", _variable(key)), None)


def variable_exists(key):
    """Is there a variable of that name?"""
    return _or_if_missing(lambda: bool(_call("GET", _variable(key))), False)


def increment_variable(key, by=1):
    """Adds to a variable atomically; returns the new value."""
    return _send("POST", _variable(key) + "/increment", {"by": by})["data"]["value"]


def append_variable(key, text, separator=""):
    """Appends to a variable atomically; returns the new value."""
    return _send("POST", _variable(key) + "/append", {"text": text, "separator": separator})["data"]["value"]


def set_condition(condition):
    """Sets the job's condition, which flows branch on."""
    _send("POST", _execution() + "/condition", {"condition": bool(condition)})


def event():
    """What this execution is: ids, name, type, labels, start."""
    return _call("GET", _execution() + "/context")["data"]


def event_field(name, default=None):
    """One field of `event()`."""
    return event().get(name, default)


def secret(name):
    """A secret that the job names."""
    return _call("GET", _execution() + "/secrets/" + _parse.quote(name, safe=""))["data"]["value"]


def progress(percent=None, message=None):
    """Tells how far the job is: 0 to 100, and a sentence."""
    body = {"percent": percent, "message": message}
    _send("POST", _execution() + "/progress", {name: value for name, value in body.items() if value is not None})


def artifact(file, name=None):
    """Stores a file; returns {path, bytes, sha256}. Its name is its path, without the folders when that is absolute."""
    file = _os.fspath(file)
    if name is None:
        name = _os.path.basename(file) if _os.path.isabs(file) else file.removeprefix("./")
    path = "/".join(_parse.quote(part, safe="") for part in name.split("/"))
    return _call("PUT", f"{_execution()}/artifacts/{path}", file=file)["data"]


def execute_tool_action(tool, action, config=None):
    """Runs a tool's action; returns what the tool answered."""
    body = {"tool": tool, "action": action, "config": config or {}}
    return _send("POST", "/tool-actions/execute", body)["data"]


def _message(tool, config, credential):
    if credential is not None:
        config = {"credential": credential, **config}
    return execute_tool_action(tool, "send-message", config)


def send_email(to, subject, text, credential=None, **more):
    """Sends an e-mail; `more` may have html, cc, bcc and replyTo. Without a credential, the one called email is used."""
    return _message("email", {"to": to, "subject": subject, "text": text, **more}, credential)


def send_slack_message(text, credential=None):
    """Sends a message to Slack. Without a credential, the one called slack is used."""
    return _message("slack", {"text": text}, credential)


def send_discord_message(text, credential=None):
    """Sends a message to Discord. Without a credential, the one called discord is used."""
    return _message("discord", {"content": text}, credential)


def info():
    """Ids and addresses of this execution; never the token."""
    names = {
        "jobId": "CRONIUM_JOB_ID",
        "executionId": "CRONIUM_EXECUTION_ID",
        "jobType": "CRONIUM_JOB_TYPE",
        "executionMode": "CRONIUM_EXECUTION_MODE",
        "runtimeApi": "CRONIUM_RUNTIME_API",
        "traceparent": "TRACEPARENT",
    }
    return {name: _os.environ.get(variable) for name, variable in names.items()}


def _as_coroutine(function):
    @_functools.wraps(function)
    async def wrapper(*args, **kwargs):
        return await _asyncio.to_thread(function, *args, **kwargs)

    return wrapper


aio = _types.ModuleType("cronium.aio", "The helpers as coroutines.")
for _name, _function in list(globals().items()):
    if isinstance(_function, _types.FunctionType) and not _name.startswith("_"):
        setattr(aio, _name, _as_coroutine(_function))
aio.CroniumError = CroniumError
_sys.modules["cronium.aio"] = aio

"""The stand-ins reject what the real APIs reject: a request the bot may not send comes back as a 400."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from time import sleep
from typing import Any

import httpx
import pytest

from standins.anthropic_api import CUT, DRIP, HANG, AnthropicStandin
from standins.perplexity_api import PerplexityStandin
from standins.server import Fault

SCHEMA = {"type": "object", "properties": {"a": {"type": "number"}}, "required": ["a"], "additionalProperties": False}
GOOD: dict[str, Any] = {
    "model": "claude-opus-5-5", "max_tokens": 100, "messages": [{"role": "user", "content": "hello"}],
    "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}},
}  # fmt: skip


@pytest.fixture(scope="module")
def server() -> Iterator[AnthropicStandin]:
    with AnthropicStandin(say=lambda body: {"a": 1}) as api:
        yield api


def post(server: AnthropicStandin, body: Any, **headers: str) -> httpx.Response:
    sent = {"authorization": f"Bearer {server.key}", "anthropic-version": "2026-10-21"} | headers
    return httpx.post(f"{server.url}/v1/messages", json=body, headers={k: v for k, v in sent.items() if v})


def schema(**changed: Any) -> dict[str, Any]:
    return {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA | changed}}}


def system(*marks: Any) -> dict[str, Any]:
    return {"system": [{"type": "text", "text": "x", "cache_control": mark} for mark in marks]}


def test_a_good_request_is_answered(server: AnthropicStandin) -> None:
    answer = post(server, GOOD)
    assert answer.status_code == 200
    assert [block["type"] for block in answer.json()["content"]] == ["thinking", "text"]


@pytest.mark.parametrize(
    "changed",
    [
        {"temperature": 1}, {"top_p": 1}, {"top_k": 5}, {"budget": 1}, {"max_tokens": None}, {"messages": []},
        {"messages": [{"role": "assistant", "content": "x"}]},
        {"messages": [*GOOD["messages"], {"role": "assistant", "content": "{"}]},
        {"thinking": {"type": "disabled"}}, {"thinking": {"type": "enabled", "budget_tokens": 1024}},
        {"tool_choice": {"type": "any"}}, {"tool_choice": {"type": "tool", "name": "x"}},
        {"output_config": {"effort": "huge"}}, {"output_config": {"form": {}}},
        schema(additionalProperties=True), schema(required=["b"]), schema(type="array"),
        schema(properties={"a": {"type": "number", "minimum": 0}}),
        schema(properties={"a": {"type": "object", "properties": {}}}),
        schema(properties={"a": {"$ref": "#/$defs/gone"}}),
        system({"type": "forever"}), system({"type": "ephemeral", "ttl": "2h"}), system(*[{"type": "ephemeral"}] * 5),
        system({"type": "ephemeral", "ttl": "5m"}, {"type": "ephemeral", "ttl": "1h"}),
    ],
)  # fmt: skip
def test_a_bad_request_is_rejected(server: AnthropicStandin, changed: dict[str, Any]) -> None:
    body = {key: value for key, value in (GOOD | changed).items() if value is not None}
    answer = post(server, body)
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"authorization": ""}, 401), ({"authorization": "Bearer wrong"}, 401),
        ({"authorization": "", "x-api-key": "sk-ant-standin"}, 401), ({"anthropic-version": ""}, 400),
        ({"anthropic-version": "2019-01-01"}, 400),
    ],
)  # fmt: skip
def test_headers_are_checked(server: AnthropicStandin, headers: dict[str, str], status: int) -> None:
    assert post(server, GOOD, **headers).status_code == status


def test_an_unknown_model_is_not_found(server: AnthropicStandin) -> None:
    assert post(server, GOOD | {"model": "claude-opus-9"}).status_code == 404


@pytest.mark.parametrize(
    ("changed", "key", "status"),
    [
        ({}, "pplx-standin", 200), ({}, "wrong", 401), ({"model": "gpt"}, "pplx-standin", 400),
        ({"search_recency_filter": "decade"}, "pplx-standin", 400), ({"system": "x"}, "pplx-standin", 400),
        ({"messages": [{"role": "assistant", "content": "x"}]}, "pplx-standin", 400),
    ],
)  # fmt: skip
def test_perplexity_checks_too(changed: dict[str, Any], key: str, status: int) -> None:
    body = {"model": "sonar-pro", "messages": [{"role": "user", "content": "why?"}]} | changed
    with PerplexityStandin() as api:
        answer = httpx.post(f"{api.url}/chat/completions", json=body, headers={"authorization": f"Bearer {key}"})
    assert answer.status_code == status


@pytest.mark.parametrize("fault", [HANG, DRIP, CUT], ids=["hang", "drip", "cut"])
def test_a_server_that_ends_in_the_middle_of_an_answer_does_not_complain(
    fault: Fault, capfd: pytest.CaptureFixture[str]
) -> None:
    """Its traceback would stand in the terminal of whoever ends it by Ctrl-C."""
    with ThreadPoolExecutor(1) as client:
        with AnthropicStandin(say=lambda body: {"a": 1}) as api:
            api.faults.append(fault)
            waiting = client.submit(post, api, GOOD)
            while not (api.requests or waiting.done()):
                sleep(0.001)
            assert api.requests
            thread = api._thread
        assert not thread.is_alive()
        error = waiting.exception()
    assert error is None or isinstance(error, httpx.TransportError)
    assert "Traceback" not in capfd.readouterr().err

import json

import pytest
from aiohttp import web

from outlive import http_client, idempotency_key
from outlive.effects.current import CurrentCall, current_call
from outlive.testing.loopback import LoopbackServer, json_response


async def seen(request: web.BaseRequest) -> web.StreamResponse:
    return json_response({"key": request.headers.get("Idempotency-Key")})


async def keys(*methods: str, **headers: str) -> list[str | None]:
    found = []
    async with LoopbackServer(seen) as server, http_client() as client:
        for method in methods:
            async with client.request(method, server.address, headers=headers) as response:
                found.append(json.loads(await response.read())["key"])
    return found


@pytest.fixture
def call():
    made = CurrentCall(key="abc", attempt=1, tell=lambda *_: None)
    token = current_call.set(made)
    yield made
    current_call.reset(token)


async def test_requests_that_change_something_carry_the_key_of_the_call_each_its_own(call):
    assert await keys("POST", "GET", "PUT", "DELETE") == ["abc", None, "abc.2", "abc.3"]
    assert idempotency_key() == "abc"


async def test_a_key_that_is_given_is_left_alone(call):
    assert await keys("POST", **{"Idempotency-Key": "mine"}) == ["mine"]


async def test_outside_of_a_call_nothing_is_added():
    assert await keys("POST") == [None]

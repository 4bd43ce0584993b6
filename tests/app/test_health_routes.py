"""Does the server say how it is?"""

from typing import Any

from nemotron_app.drain import Drain
from nemotron_backend.echo import EchoEngine


async def nothing(_: Any) -> Any:
    raise AssertionError("no request is made here")
    yield


async def test_a_process_that_runs_is_live(serve: Any, scripted: Any) -> None:
    engine = scripted(nothing)
    engine.state = "failed"
    api = await serve(engine)
    response = await api.get("/v1/health/live")
    assert response.status_code == 200
    assert response.json() == {"object": "health.response", "message": "live"}


async def test_a_ready_engine_is_ready(serve: Any) -> None:
    answer = (await (await serve(EchoEngine())).get("/v1/health/ready")).json()
    assert answer["state"] == "ready"
    assert answer["engine"]["name"] == "echo"
    assert answer["engine"]["num_running"] == 0


async def test_a_starting_engine_tells_its_progress_in_every_place_clients_look(
    serve: Any, scripted: Any
) -> None:
    engine = scripted(nothing)
    engine.state = "starting"
    response = await (await serve(engine)).get("/v1/health/ready")
    assert response.status_code == 503
    assert response.headers["retry-after"]
    answer = response.json()
    assert (answer["state"], answer["progress"]) == ("starting", "half way there")
    assert answer["error"]["code"] == "engine_starting"
    assert answer["error"]["progress"] == answer["detail"] == "half way there"


async def test_a_failed_engine_is_not_ready(serve: Any, scripted: Any) -> None:
    engine = scripted(nothing)
    engine.state = "failed"
    answer = (await (await serve(engine)).get("/v1/health/ready")).json()
    assert answer["error"]["code"] == "engine_failed"


async def test_an_engine_that_starts_and_serves_nothing_yet_is_no_missing_model(
    serve: Any, scripted: Any
) -> None:
    engine = scripted(nothing, variants=())
    body = {"model": "echo", "messages": [{"role": "user", "content": "hi"}]}
    api = await serve(engine)
    for state, status in (("starting", 503), ("failed", 502), ("ready", 404)):
        engine.state = state
        assert (await api.post("/v1/chat/completions", json=body)).status_code == status


async def test_a_draining_server_is_not_ready_and_takes_no_work(serve: Any, drain: Drain) -> None:
    api = await serve(EchoEngine())
    await drain.run(0.01)
    response = await api.get("/v1/health/ready")
    assert response.status_code == 503
    assert response.json()["state"] == "draining"
    refused = await api.post("/v1/chat/completions", json={})
    assert refused.status_code == 503
    assert refused.json()["error"]["code"] == "draining"
    assert refused.headers["retry-after"] == "5"
    assert (await api.get("/v1/models")).status_code == 200

"""Is what the page writes exact, and never markup by accident?"""

import httpx2
import pytest
from openai import APIConnectionError, BadRequestError
from openai.types.chat import ChatCompletionChunk

from nemotron_app.ui.answer import Answer
from nemotron_app.ui.api import Readiness
from nemotron_app.ui.code import listing
from nemotron_app.ui.controls import stop_strings
from nemotron_app.ui.evidence import facts_of, strip, thought
from nemotron_app.ui.markup import element
from nemotron_app.ui.notice import obstacle, pill
from nemotron_app.ui.trouble import trouble_of


def _chunk(**fields: object) -> ChatCompletionChunk:
    head = {
        "id": "c1",
        "object": "chat.completion.chunk",
        "created": 0,
        "model": "m:full:bf16:autoregressive",
    }
    return ChatCompletionChunk.model_validate({**head, "choices": [], **fields})


def _delta(finish: str | None = None, **delta: str) -> ChatCompletionChunk:
    return _chunk(choices=[{"index": 0, "delta": delta, "finish_reason": finish}])


def test_an_answer_grows_by_its_chunks() -> None:
    usage = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
    metrics = {"ttft_ms": 12.0, "forwards": 1, "tokens_per_forward": 1.0}
    answer = Answer().and_then(
        [
            _delta(role="assistant", content=""),
            _delta(reasoning_content="hm"),
            _delta(content="Par"),
            _delta(content="is"),
            _delta(finish="stop"),
            _chunk(usage=usage, nvext={"metrics": metrics, "recipe": {"seed": 3}}),
        ]
    )
    assert (answer.text, answer.reasoning, answer.finish) == ("Paris", "hm", "stop")
    response = answer.as_response()
    assert response["choices"][0]["message"] == {
        "role": "assistant",
        "content": "Paris",
        "reasoning_content": "hm",
    }
    assert response["nvext"]["recipe"] == {"seed": 3}


def test_the_strip_leaves_out_what_the_server_did_not_tell() -> None:
    labels = [fact.label for fact in facts_of(Answer(id="c1", text="half an ans"), seed=3)]
    assert labels == ["Seed"]
    assert "<dd>3</dd>" in strip(facts_of(Answer(), seed=3))


def test_text_is_escaped_wherever_it_stands() -> None:
    assert (
        element("b", "<script>", title='"><script>')
        == '<b title="&#34;&gt;&lt;script&gt;">&lt;script&gt;</b>'
    )
    assert "<script>" not in listing("print('<script>')", "python")
    assert "<script>" not in pill(Readiness(state="<script>", progress="<script>"))


def test_stop_strings_are_lines_with_escapes() -> None:
    assert stop_strings("END\n\n\\n\\n\n\\\\n\n  keep spaces ") == ("END", "\n\n", "\\n", "  keep spaces ")


@pytest.mark.parametrize(
    ("state", "progress", "words"),
    [
        ("starting", "reading weights", "reading weights. Send wakes up"),
        ("starting", "", "still loading. Send wakes up"),
        ("failed", "out of memory", "out of memory."),
        ("unreachable", "", "does not answer"),
    ],
)
def test_what_keeps_send_off_is_said(state: str, progress: str, words: str) -> None:
    assert words in obstacle(Readiness(state=state, progress=progress), None)


def test_an_error_keeps_the_servers_words_and_gets_a_way_out() -> None:
    request = httpx2.Request("POST", "http://127.0.0.1/v1")
    response = httpx2.Response(400, request=request, headers={"x-request-id": "req_1"})
    body = {"message": "too long by 3", "code": "context_length_exceeded"}
    trouble = trouble_of(BadRequestError("Error code: 400", response=response, body=body))
    assert trouble.message == "too long by 3"
    assert "new chat" in trouble.way_out
    assert trouble.request_id == "req_1"
    assert "did not answer" in trouble_of(APIConnectionError(request=request)).title


def _call(index: int, arguments: str, name: str | None = None) -> ChatCompletionChunk:
    call = {"index": index, "function": {"name": name, "arguments": arguments}}
    return _chunk(choices=[{"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": None}])


def test_calls_of_tools_grow_by_their_chunks_and_read_as_tables() -> None:
    answer = Answer().and_then(
        [_call(0, "", "get_weather"), _call(0, '{"city": '), _call(0, '"Oslo"}'), _call(1, "{}", "now")]
    )
    assert [call.name for call in answer.calls] == ["get_weather", "now"]
    assert answer.calls[0].as_table() == "| Argument | Value |\n| --- | --- |\n| `city` | Oslo |"
    assert answer.calls[1].as_table() == "*No arguments.*"
    assert answer.as_response()["choices"][0]["message"]["tool_calls"][0]["function"]["name"] == "get_weather"


def test_a_call_that_is_no_object_is_shown_as_it_stands() -> None:
    (call,) = Answer().and_then([_call(0, '{"city": ', "get_weather")]).calls
    assert '{"city": ' in call.as_table()
    (call,) = Answer().and_then([_call(0, '{"a": "x|y\\nz"}', "f")]).calls
    assert r"x\|y z" in call.as_table()


PHASES = [
    {"kind": "thinking", "size": "2m", "tokens": 41, "ttft_ms": 3.0, "ms": 1234.0},
    {"kind": "answer", "size": "4m", "tokens": 1, "ttft_ms": 2.0, "ms": 40.0},
]


def test_the_fold_of_thoughts_tells_how_long_they_took_and_who_had_them() -> None:
    assert thought(Answer(text="so far")) == ""
    assert thought(Answer(nvext={"metrics": {"phases": PHASES}})) == "Thought for 41 tokens, 1.23 s, with 2m"
    alone = [{**phase, "size": "4m"} for phase in PHASES]
    assert thought(Answer(nvext={"metrics": {"phases": alone}})) == "Thought for 41 tokens, 1.23 s"


def test_the_strip_tells_phases_and_acceptance() -> None:
    drafts = {"speculative_decoding": {"num_draft_tokens": 80, "num_accepted_draft_tokens": 60}}
    answer = Answer(nvext={"metrics": {"phases": PHASES}}, further=drafts)
    facts = {fact.label: fact.value for fact in facts_of(answer, seed=3)}
    assert facts["Thinking (2m)"] == "41 tokens, 1.23 s"
    assert facts["Answer (4m)"] == "1 token, 40 ms"
    assert facts["Accepted"] == "75% of 80"


def test_the_trace_of_all_chunks_is_one_and_canvases_pass() -> None:
    def traced(kind: str) -> ChatCompletionChunk:
        canvas = {"position": 0, "tokens": []}
        return _chunk(nvext={"trace": [{"kind": kind, "ms": 1.0, "tokens": []}], "canvas": canvas})

    response = Answer().and_then([traced("prefill"), traced("decode")]).as_response()
    assert [forward["kind"] for forward in response["nvext"]["trace"]] == ["prefill", "decode"]
    assert "canvas" not in response["nvext"]

"""Does the official Python client find all that it expects?"""

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types.chat import ChatCompletionFunctionToolParam, ChatCompletionMessageParam
from openai.types.responses import FunctionToolParam

WEATHER: ChatCompletionFunctionToolParam = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "hello"}]


@pytest.fixture
def client(echo_url: str) -> OpenAI:
    return OpenAI(base_url=echo_url, api_key="none", max_retries=0)


def test_a_whole_answer_is_typed(client: OpenAI) -> None:
    with client:
        answer = client.chat.completions.create(model="echo", messages=HELLO, n=2, logprobs=True)
    assert [choice.message.content for choice in answer.choices] == ["hello", "hello"]
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.total_tokens == 15
    assert answer.usage.prompt_tokens_details is not None
    assert answer.choices[0].logprobs is not None
    assert answer.choices[0].logprobs.content is not None
    assert [token.token for token in answer.choices[0].logprobs.content] == list("hello")
    assert answer.system_fingerprint
    assert answer._request_id is not None
    assert answer._request_id.startswith("req_")


def test_a_stream_ends_with_usage(client: OpenAI) -> None:
    with client:
        stream = client.chat.completions.create(
            model="echo", messages=HELLO, stream=True, stream_options={"include_usage": True}
        )
        chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == "hello"
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 5


async def test_the_helper_that_gathers_a_stream_works(echo_url: str) -> None:
    async with (
        AsyncOpenAI(base_url=echo_url, api_key="none", max_retries=0) as client,
        client.chat.completions.stream(model="echo", messages=HELLO) as stream,
    ):
        answer = await stream.get_final_completion()
    assert answer.choices[0].message.content == "hello"


def test_the_knobs_ride_in_the_extra_body(client: OpenAI) -> None:
    with client:
        raw = client.chat.completions.with_raw_response.create(
            model="echo", messages=HELLO, extra_body={"nvext": {"precision": "bf16", "trace": True}}
        )
    assert raw.headers["x-nemo-precision"] == "bf16"
    answer = raw.parse()
    assert answer.model == "echo:full:bf16:autoregressive"
    assert answer.model_extra is not None
    assert len(answer.model_extra["nvext"]["trace"]) == 5


def test_plain_completions_are_typed(client: OpenAI) -> None:
    with client:
        answer = client.completions.create(model="echo", prompt=["ab", "cd"], logprobs=1)
    assert [choice.text for choice in answer.choices] == ["ab", "cd"]
    assert answer.choices[0].logprobs is not None
    assert answer.choices[0].logprobs.tokens == ["a", "b"]


def test_thoughts_and_calls_of_tools_are_found(client: OpenAI) -> None:
    call = (
        "<tool_call>\n<function=get_weather>\n<parameter=city>\nOslo\n</parameter>\n</function>\n</tool_call>"
    )
    question: list[ChatCompletionMessageParam] = [{"role": "user", "content": f"which?</think>\n{call}"}]
    with client:
        answer = client.chat.completions.create(model="echo-thinker", messages=question, tools=[WEATHER])
        stream = client.chat.completions.create(
            model="echo-thinker", messages=question, tools=[WEATHER], stream=True
        )
        deltas = [choice.delta for chunk in stream for choice in chunk.choices]
    (choice,) = answer.choices
    assert choice.finish_reason == "tool_calls"
    assert choice.message.model_extra is not None
    assert choice.message.model_extra["reasoning_content"] == "which?"
    assert choice.message.tool_calls is not None
    (made,) = choice.message.tool_calls
    assert made.type == "function"
    assert (made.function.name, made.function.arguments) == ("get_weather", '{"city": "Oslo"}')
    assert answer.usage is not None
    assert answer.usage.completion_tokens_details is not None
    assert answer.usage.completion_tokens_details.reasoning_tokens == len("which?\n") + 1
    told = [piece.function for delta in deltas for piece in delta.tool_calls or () if piece.function]
    assert "".join(function.arguments or "" for function in told) == made.function.arguments
    thoughts = [(delta.model_extra or {}).get("reasoning_content", "") for delta in deltas]
    assert "".join(thoughts) == "which?"


async def test_the_helper_gathers_streamed_calls(echo_url: str) -> None:
    call = (
        "<tool_call>\n<function=get_weather>\n<parameter=city>\nOslo\n</parameter>\n</function>\n</tool_call>"
    )
    async with (
        AsyncOpenAI(base_url=echo_url, api_key="none", max_retries=0) as client,
        client.chat.completions.stream(
            model="echo-thinker", messages=[{"role": "user", "content": call}], tools=[WEATHER]
        ) as stream,
    ):
        answer = await stream.get_final_completion()
    assert answer.choices[0].message.tool_calls is not None
    assert answer.choices[0].message.tool_calls[0].function.arguments == '{"city": "Oslo"}'


def test_a_response_is_typed(client: OpenAI) -> None:
    with client:
        answer = client.responses.create(model="echo", instructions="Repeat.", input="hello", store=False)
    assert answer.output_text == "hello"
    assert answer.status == "completed"
    assert answer.model_extra is not None
    assert answer.model_extra["store"] is False
    assert answer.usage is not None
    assert answer.usage.total_tokens == 10
    assert answer._request_id is not None


def test_the_events_of_a_response_are_typed(client: OpenAI) -> None:
    with client:
        stream = client.responses.create(model="echo", input="hello", stream=True)
        told = list(stream)
    assert "".join(event.delta for event in told if event.type == "response.output_text.delta") == "hello"
    assert [event.sequence_number for event in told] == list(range(len(told)))
    assert told[-1].type == "response.completed"
    assert told[-1].response.output_text == "hello"


async def test_the_helper_gathers_thoughts_and_calls_of_a_response(echo_url: str) -> None:
    call = (
        "<tool_call>\n<function=get_weather>\n<parameter=city>\nOslo\n</parameter>\n</function>\n</tool_call>"
    )
    function = WEATHER["function"]
    tool: FunctionToolParam = {
        "type": "function",
        "name": function["name"],
        "parameters": dict(function["parameters"]),
        "strict": False,
    }
    async with (
        AsyncOpenAI(base_url=echo_url, api_key="none", max_retries=0) as client,
        client.responses.stream(
            model="echo-thinker", input=f"which?</think>\n{call}", tools=[tool]
        ) as stream,
    ):
        answer = await stream.get_final_response()
        thought, made = answer.output
        assert thought.type == "reasoning"
        assert thought.content is not None
        assert thought.content[0].text == "which?"
        assert made.type == "function_call"
        assert made.arguments == '{"city": "Oslo"}'
        # All of it is sent back, with the call's result, as nothing of it is kept.
        further = await client.responses.create(
            model="echo-thinker",
            input=[
                {"role": "user", "content": "Oslo?"},
                *(item.to_dict() for item in answer.output),  # type: ignore[list-item]  # as the guide has it
                {"type": "function_call_output", "call_id": made.call_id, "output": "rain"},
            ],
            tools=[tool],
        )
    assert further.status == "completed"
    assert "rain" in str(further.output)


def test_an_unkept_response_is_a_typed_error(client: OpenAI) -> None:
    with client:
        with pytest.raises(openai.NotFoundError, match="no response is kept"):
            client.responses.retrieve("resp_1")
        with pytest.raises(openai.BadRequestError, match="close the connection"):
            client.responses.cancel("resp_1")
        with pytest.raises(openai.BadRequestError) as caught:
            client.responses.create(model="echo", input="x", previous_response_id="resp_1")
    assert caught.value.param == "previous_response_id"


def test_models_are_listed(client: OpenAI) -> None:
    with client:
        assert "echo" in {model.id for model in client.models.list()}
        assert client.models.retrieve("echo").id == "echo"


def test_a_bad_field_is_a_typed_error(client: OpenAI) -> None:
    with client, pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="echo", messages=HELLO, temperature=9)
    assert caught.value.param == "temperature"
    assert caught.value.type == "invalid_request_error"
    assert caught.value.request_id is not None


@pytest.mark.parametrize("stream", [False, True])
def test_an_unknown_model_is_a_typed_error(client: OpenAI, stream: bool) -> None:
    with client, pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="gpt-9", messages=HELLO, stream=stream)
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")


def test_a_context_that_is_too_small_is_told_by_its_code(client: OpenAI) -> None:
    with client, pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="echo", messages=HELLO, max_tokens=9000)
    assert caught.value.code == "context_length_exceeded"

// What does the official client see? Prints one JSON object about everything it was asked to try.
import OpenAI, { BadRequestError, NotFoundError } from "openai";

const client = new OpenAI({ baseURL: process.argv[2], apiKey: "none", maxRetries: 0 });
const messages = [{ role: "user", content: "hello" }];

async function streamed() {
  const stream = await client.chat.completions.create({
    model: "echo",
    messages,
    stream: true,
    stream_options: { include_usage: true },
  });
  const seen = { text: "", finish: null, usage: null };
  for await (const chunk of stream) {
    seen.text += chunk.choices[0]?.delta?.content ?? "";
    seen.finish = chunk.choices[0]?.finish_reason ?? seen.finish;
    seen.usage = chunk.usage ?? seen.usage;
  }
  return seen;
}

async function responded() {
  const stream = await client.responses.create({ model: "echo", input: "hello", stream: true });
  const seen = { types: [], text: "", final: null };
  for await (const event of stream) {
    seen.types.push(event.type);
    seen.text += event.type === "response.output_text.delta" ? event.delta : "";
    seen.final = event.response ?? seen.final;
  }
  return seen;
}

async function failure(fields) {
  try {
    await client.chat.completions.create({ model: "echo", messages, ...fields });
  } catch (error) {
    return {
      isBadRequest: error instanceof BadRequestError,
      isNotFound: error instanceof NotFoundError,
      status: error.status,
      code: error.code,
      param: error.param,
      requestId: error.requestID,
    };
  }
  return null;
}

const response = await client.responses.create({ model: "echo", input: "hello" });
const models = await client.models.list();
const whole = await client.chat.completions.create({
  model: "echo",
  messages,
  n: 2,
  logprobs: true,
  nvext: { precision: "bf16" },
});
console.log(
  JSON.stringify({
    models: models.data.map((model) => model.id),
    text: whole.choices.map((choice) => choice.message.content),
    model: whole.model,
    requestId: whole._request_id,
    logprobs: whole.choices[0].logprobs.content.map((token) => token.token),
    streamed: await streamed(),
    response: { text: response.output_text, usage: response.usage },
    responded: await responded(),
    badRequest: await failure({ temperature: 9 }),
    notFound: await failure({ model: "gpt-9" }),
  }),
);

// How does an answer come from the API, chunk by chunk?

import { bearer, Refused } from "../account/server.js";
import { words } from "./words.js";

/**
 * @typedef {{ token: string, bytes?: number[] | null, logprob?: number }} TokenLogprob
 * @typedef {{ position: number, id: number, state: string }} TracedToken
 * @typedef {{ kind: string, ms: number, tokens: TracedToken[] }} Forward
 * @typedef {{ position: number, tokens: { text: string, state: string }[] }} Canvas
 * @typedef {{ content?: string | null, reasoning_content?: string | null,
 *   tool_calls?: { function?: { name?: string, arguments?: string } }[] | null }} ChunkDelta
 * @typedef {{ delta?: ChunkDelta, logprobs?: { content?: TokenLogprob[] | null } | null,
 *   finish_reason?: string | null }} ChunkChoice
 * @typedef {{ choices: ChunkChoice[], usage?: Record<string, any> | null, metrics?: Record<string, any>,
 *   nvext?: { size?: string, trace?: Forward[], canvas?: Canvas, metrics?: Record<string, any> } }} Chunk
 */

/**
 * The chunks of the answer to a body. Ending the loop, or the signal, frees the engine.
 * @param {Record<string, unknown>} body
 * @param {AbortSignal} signal
 * @returns {AsyncGenerator<Chunk>}
 */
export async function* chunksOf(body, signal) {
  const response = await fetch("/v1/chat/completions", {
    method: "POST",
    headers: { ...(await bearer()), "Content-Type": "application/json" },
    body: JSON.stringify({ ...body, stream: true, stream_options: { include_usage: true } }),
    signal,
  });
  if (!response.ok || !response.body) throw new Refused(response.status, await reason(response));
  for await (const data of events(response.body)) {
    if (data === "[DONE]") return;
    const chunk = JSON.parse(data);
    if (chunk.error) throw new Refused(chunk.status ?? 0, chunk.error.message);
    yield chunk;
  }
}

/** @param {Response} response */
async function reason(response) {
  const body = await response.json().catch(() => null);
  return body?.error?.message ?? words.failed;
}

/** The data of server-sent events; comments are passed over. @param {ReadableStream<Uint8Array>} stream */
async function* events(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      const lines = (rest + part.value).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) if (line.startsWith("data: ")) yield line.slice(6);
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

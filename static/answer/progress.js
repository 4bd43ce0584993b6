// What is known of an answer after so many chunks?

/** @typedef {import("./stream.js").Chunk} Chunk */
/** @typedef {import("./stream.js").TracedToken} TracedToken */

/**
 * A token that will not change any more. `state` is what the engine did to it, `step` the look at its block
 * that revealed it.
 * @typedef {{ text: string, part: "thinking" | "answer", size: string, state: string, step: number,
 *   id: number | null, logprob: number | null }} Committed
 */

const END_OF_THOUGHTS = "</think>";
// A look at the whole answer again, which a prefill is not.
const AFTER_PROMPT = new Set(["decode", "draft", "verify", "denoise", "commit"]);

/** Grows by chunks; the same chunks give the same progress, so that a run can be shown again. */
export class Progress {
  constructor() {
    /** @type {Committed[]} */
    this.tokens = [];
    /** @type {import("./stream.js").Canvas | null} */
    this.canvas = null;
    /** The last canvas that was not empty. @type {import("./stream.js").Canvas | null} */
    this.drafted = null;
    /** Drafted in vain at the last verification, where the canvas was. @type {string[]} */
    this.rejected = [];
    /** @type {{ name: string, arguments: string }[]} */
    this.calls = [];
    this.text = "";
    this.reasoning = "";
    this.numForwards = 0;
    this.numDrafted = 0;
    this.numAccepted = 0;
    this.isTraced = false;
    /** @type {string | null} */
    this.finish = null;
    /** @type {Record<string, any>} */
    this.usage = {};
    /** @type {Record<string, any>} */
    this.metrics = {};
    /** @type {Map<number, { id: number, state: string, step: number }>} */
    this.fates = new Map();
    this.numSteps = 0;
    /** @type {"thinking" | "answer"} */
    this.part = "answer";
    this.isTurning = false;
    this.size = "";
    this.decoder = new TextDecoder();
  }

  /** Tokens for each forward after the prompt's; the prompt's last forward gave the first token. */
  get tokensPerForward() {
    return this.tokens.length / (this.numForwards + 1);
  }

  /** Ids of the answer's tokens, where the trace tells them. */
  get ids() {
    return this.tokens.map(({ id }) => id);
  }

  /** @param {Chunk} chunk */
  add(chunk) {
    const { size, trace, canvas, metrics } = chunk.nvext ?? {};
    if (size) this.size = size;
    for (const forward of trace ?? []) this.trace(forward);
    for (const choice of chunk.choices) this.choice(choice);
    if (canvas) this.show(canvas);
    if (metrics) this.metrics = metrics;
    if (chunk.usage) this.usage = chunk.usage;
  }

  /** A block as it is now; an empty one ends what was shown. @param {import("./stream.js").Canvas} canvas */
  show(canvas) {
    this.canvas = canvas.tokens.length ? canvas : null;
    if (!this.canvas) return;
    this.drafted = canvas;
    this.rejected = [];
  }

  /** @param {import("./stream.js").Forward} forward */
  trace({ kind, tokens }) {
    this.isTraced = true;
    if (AFTER_PROMPT.has(kind)) this.numForwards += 1;
    this.numSteps = kind === "denoise" || kind === "draft" ? this.numSteps + 1 : 0;
    for (const { position, id, state } of tokens) {
      // Only what was drafted can be accepted; other forwards simply make tokens.
      const fate = state === "accepted" && kind !== "verify" ? "plain" : state;
      if (state !== "rejected") this.fates.set(position, { id, state: fate, step: this.numSteps });
    }
    if (kind !== "verify") return;
    const judged = tokens.filter(({ state }) => state === "accepted" || state === "rejected");
    this.numDrafted += judged.length;
    this.numAccepted += judged.filter(({ state }) => state === "accepted").length;
    this.judge(tokens);
  }

  /** What was drafted in vain stays to be seen until the next draft. @param {TracedToken[]} tokens */
  judge(tokens) {
    const { position: first, tokens: drafted } = this.drafted ?? { position: 0, tokens: [] };
    const refused = tokens.filter(({ state }) => state === "rejected");
    this.rejected = refused.map(({ position }) => drafted[position - first]?.text ?? "").filter(Boolean);
    this.canvas = null;
  }

  /** @param {import("./stream.js").ChunkChoice} choice */
  choice({ delta = {}, logprobs, finish_reason }) {
    const { content, reasoning_content: thoughts, tool_calls: calls } = delta;
    if (content || thoughts) this.part = thoughts ? "thinking" : "answer";
    this.text += content ?? "";
    this.reasoning += thoughts ?? "";
    for (const { function: called } of calls ?? []) {
      if (called?.name) this.calls.push({ name: called.name, arguments: "" });
      const last = this.calls[this.calls.length - 1];
      if (last) last.arguments += called?.arguments ?? "";
    }
    const listed = logprobs?.content;
    if (listed) listed.forEach((token) => this.commit(this.textOf(token), token.logprob ?? null));
    else if (!this.isTraced && (content || thoughts)) this.commit(content || thoughts || "", null);
    if (finish_reason) this.end(finish_reason);
  }

  /** @param {string} reason */
  end(reason) {
    this.finish = reason;
    this.canvas = null;
    this.rejected = [];
  }

  /** A character's bytes may come in several tokens; the last of them shows it. @param {import("./stream.js").TokenLogprob} token */
  textOf({ token, bytes }) {
    return bytes ? this.decoder.decode(new Uint8Array(bytes), { stream: true }) : token;
  }

  /** @param {string} text @param {number | null} logprob */
  commit(text, logprob) {
    const { id = null, state = "plain", step = 0 } = this.fates.get(this.tokens.length) ?? {};
    // The last thought and the first word may come together.
    if (this.isTurning && text.trim()) this.part = "answer";
    this.isTurning = text.trim() === END_OF_THOUGHTS || (this.isTurning && !text.trim());
    const { part, size } = this;
    this.tokens.push({ text, part, size, state, step, id, logprob });
    this.shrink();
  }

  /** The canvas begins behind what is certain. */
  shrink() {
    const { canvas } = this;
    if (!canvas) return;
    const rest = canvas.tokens.slice(Math.max(0, this.tokens.length - canvas.position));
    this.canvas = rest.length ? { position: this.tokens.length, tokens: rest } : null;
  }
}

/** @param {Chunk[]} chunks @param {number} [number] how many of them */
export function progressOf(chunks, number = chunks.length) {
  const progress = new Progress();
  for (const chunk of chunks.slice(0, number)) progress.add(chunk);
  return progress;
}

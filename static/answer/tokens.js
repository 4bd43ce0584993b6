// How is an answer drawn token by token, in the order in which the engine made it certain?
// For the eye alone: what a screen reader hears is the plain text, elsewhere.

import { element } from "../account/element.js";
import { words } from "./words.js";

/** @typedef {import("./progress.js").Progress} Progress */
/** @typedef {import("./progress.js").Committed} Committed */

const NUM_STYLES = 4;
const STATES = ["accepted", "bonus", "revealed", "drafted", "rejected", "masked"];

/** Tokens with their marks, and the legend of those that are there. */
export class TokenView {
  constructor() {
    this.certain = element("span");
    this.canvas = element("span", { class: "np-working" });
    this.flow = element("p", { class: "np-flow", "aria-hidden": "true" }, this.certain, this.canvas);
    this.legend = element("ul", { class: "np-legend" });
    this.scroller = element("div", { class: "np-tokens", role: "group", tabindex: "0", "aria-label": words.tokensTitle }, this.flow);
    this.isStill = matchMedia("(prefers-reduced-motion: reduce)");
    this.clear();
  }

  clear() {
    this.numDrawn = 0;
    /** @type {string[]} */
    this.sizes = [];
    /** @type {Set<string>} */
    this.seen = new Set();
    this.part = "";
    this.step = 0;
    this.certain.replaceChildren();
    this.canvas.replaceChildren();
    this.legend.replaceChildren();
  }

  /** Draw what is new; certain tokens are drawn once. @param {Progress} progress */
  draw(progress) {
    const isAtEnd = this.scroller.scrollHeight - this.scroller.scrollTop - this.scroller.clientHeight < 24;
    if (progress.tokens.length < this.numDrawn) this.clear();
    this.certain.append(...progress.tokens.slice(this.numDrawn).flatMap((token) => this.token(token)));
    this.numDrawn = progress.tokens.length;
    this.canvas.replaceChildren(...this.working(progress));
    this.explain();
    if (isAtEnd) this.scroller.scrollTop = this.scroller.scrollHeight;
  }

  /** Where another answer goes on differently. @param {number | null} place */
  mark(place) {
    const tokens = this.certain.querySelectorAll(".np-token");
    tokens.forEach((token, index) => token.classList.toggle("np-diverged", index === place));
  }

  /** @param {Committed} token */
  token(token) {
    const { state } = token;
    const made = mark(token.text, state, this.sizeStyle(token.size));
    if (token.part === "thinking") made.classList.add("np-thought");
    if (state === "revealed") this.number(made, token.step);
    else this.step = 0;
    made.title = meaning(token);
    if (state !== "plain") this.seen.add(state);
    const isTurn = this.part !== "" && token.part !== this.part;
    this.part = token.part;
    return isTurn ? [element("span", { class: "np-turning" }), made] : [made];
  }

  /** The deeper the colour, the later; the number stands where it changes. @param {HTMLElement} made @param {number} step */
  number(made, step) {
    made.style.setProperty("--np-step", String(step));
    if (step !== this.step) made.dataset.step = String(step);
    this.step = step;
  }

  /** @param {string} size */
  sizeStyle(size) {
    if (!size) return "";
    if (!this.sizes.includes(size)) this.sizes.push(size);
    return `np-size-${this.sizes.indexOf(size) % NUM_STYLES}`;
  }

  /** What is not certain yet; nothing that comes and goes for those who want less motion. @param {Progress} progress */
  working({ canvas, rejected }) {
    if (this.isStill.matches) return [];
    for (const { state } of canvas?.tokens ?? []) this.seen.add(state);
    if (rejected.length) this.seen.add("rejected");
    return [
      ...rejected.map((text) => mark(text, "rejected")),
      ...(canvas?.tokens ?? []).map(({ text, state }) => mark(text, state)),
    ];
  }

  explain() {
    const key = [...this.seen, ...this.sizes].join();
    if (this.legend.dataset.key === key) return;
    this.legend.dataset.key = key;
    const states = STATES.filter((state) => this.seen.has(state)).map((state) => sample(state, "", words.states[state] ?? state));
    const several = this.sizes.length > 1 ? this.sizes : [];
    this.scroller.classList.toggle("np-one-size", several.length === 0);
    const sizes = several.map((size) => sample("plain", this.sizeStyle(size), words.bySize(size)));
    this.legend.replaceChildren(...states, ...sizes);
  }
}

/** @param {string} text @param {string} state @param {string} [size] */
function mark(text, state, size = "") {
  const shown = state === "masked" ? "\u00a0\u00a0" : text.replaceAll("\n", "↵\n");
  return element("span", { class: `np-token np-${state} ${size}`.trimEnd() }, shown);
}

/** @param {string} state @param {string} size @param {string} meaning */
function sample(state, size, meaning) {
  const shown = mark(state === "masked" ? "" : "abc", state, size);
  if (state === "revealed") shown.dataset.step = "2";
  shown.setAttribute("aria-hidden", "true");
  return element("li", {}, shown, meaning);
}

/** @param {Committed} token */
function meaning({ state, size, step, logprob, part }) {
  const told = [
    state === "revealed" ? words.revealedAt(step) : state === "plain" ? words.decoded : words.states[state],
    size && words.bySize(size),
    part === "thinking" && words.thoughts,
    logprob !== null && words.likely(Math.exp(logprob).toFixed(3)),
  ];
  return told.filter(Boolean).join(", ");
}

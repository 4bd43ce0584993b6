// Which figures does a run have so far?

import { element } from "../account/element.js";
import { words } from "./words.js";

/** @typedef {import("./progress.js").Progress} Progress */
/** @typedef {keyof typeof words.facts} Name */

/** What can be told while tokens come, and at the end what the engine has measured. @param {Progress} progress */
export function facts(progress) {
  const { usage, metrics, tokens, numForwards, numDrafted, numAccepted, isTraced } = progress;
  const cached = usage.prompt_tokens_details?.cached_tokens;
  /** @type {[Name, string | false][]} */
  const told = [
    ["ttft", metrics.ttft_ms !== undefined && milliseconds(metrics.ttft_ms)],
    ["speed", metrics.tokens_per_second > 0 && metrics.tokens_per_second.toFixed(1)],
    ["tokens", String(usage.completion_tokens ?? tokens.length)],
    ["forwards", (isTraced || "forwards" in metrics) && String(metrics.forwards ?? numForwards)],
    ["tpf", (isTraced || "tokens_per_forward" in metrics) && (metrics.tokens_per_forward ?? progress.tokensPerForward).toFixed(2)],
    ["accepted", numDrafted > 0 && `${Math.round((100 * numAccepted) / numDrafted)}% of ${numDrafted}`],
    ["cached", cached > 0 && String(cached)],
    ["time", metrics.total_ms !== undefined && milliseconds(metrics.total_ms)],
  ];
  return told.flatMap(([name, value]) => (value === false ? [] : [fact(name, value)]));
}

/** @param {Name} name @param {string} value */
function fact(name, value) {
  return element("div", { class: "np-fact", title: words.meanings[name] }, element("dt", {}, words.facts[name]), element("dd", {}, value));
}

/** @param {number} value */
const milliseconds = (value) => (value < 1000 ? `${value.toFixed(0)} ms` : `${(value / 1000).toFixed(2)} s`);

// How do two variants answer the same prompt with the same seed?
// The browser asks the API by itself, so nothing stands between the engine's stream and the eye.

import { element } from "../account/element.js";
import { Lane } from "./lane.js";
import { verdict } from "./verdict.js";
import { words } from "./words.js";

/** @typedef {import("./lane.js").Setting} Setting */
/** @typedef {import("./lane.js").Group} Group */

const IN_TURN = "in-turn";

/**
 * Two lanes. What each of them asks is spelled by the page's server, which `np-set` events tell what is wanted.
 */
export class CompareView extends HTMLElement {
  connectedCallback() {
    this.className = "np-account np-compare";
    this.lanes = ["A", "B"].map((name) => new Lane(name, (lane, variant) => this.want(lane, variant)));
    this.isOwn = false;
    this.prompt = /** @type {HTMLTextAreaElement} */ (element("textarea", { class: "np-input", rows: "2", required: true }));
    this.seed = number("7", "0", String(2 ** 53 - 1));
    this.limit = number("128", "1", "4096");
    this.order = /** @type {HTMLSelectElement} */ (
      element(
        "select",
        { class: "np-input" },
        element("option", { value: IN_TURN, title: words.inTurnMeaning }, words.inTurn),
        element("option", { value: "at-once", title: words.atOnceMeaning }, words.atOnce),
      )
    );
    this.submit = /** @type {HTMLButtonElement} */ (element("button", { class: "np-button np-primary" }, words.run));
    this.badge = element("p", { class: "np-verdict", role: "status" });
    const form = element(
      "form",
      { class: "np-compare-form", onsubmit: (/** @type {Event} */ event) => this.press(event) },
      labelled(words.prompt, this.prompt, "np-wide"),
      labelled(words.seed, this.seed),
      labelled(words.maxTokens, this.limit),
      labelled(words.order, this.order),
      this.submit,
    );
    this.addEventListener("keydown", (event) => event.key === "Escape" && this.stop?.abort());
    this.replaceChildren(
      element("header", {}, element("h2", {}, words.compareTitle), element("p", { class: "np-lead" }, words.compareLead)),
      form,
      this.badge,
      element("div", { class: "np-lanes" }, ...this.lanes.map((lane) => lane.element)),
    );
  }

  disconnectedCallback() {
    this.stop?.abort();
  }

  /**
   * What the page's server tells: all that is served, two lanes to begin with, or one lane's new settings.
   * @param {{ groups?: Group[], lanes?: Setting[], prompt?: string, lane?: number, setting?: Setting }} told
   */
  tell({ groups, lanes, prompt, lane, setting }) {
    if (setting && lane !== undefined) this.lanes?.[lane]?.set(setting);
    if (lanes && !this.isOwn) this.lanes?.forEach((each, index) => each.set(lanes[index]));
    if (groups) this.lanes?.forEach((each) => each.offer(groups));
    if (prompt && this.prompt && !this.prompt.value) this.prompt.value = prompt;
    if (this.submit) this.submit.disabled = !this.lanes?.every((each) => each.setting);
  }

  /** @param {Lane} lane @param {string | null} variant null for what the panel says */
  want(lane, variant) {
    this.isOwn = true;
    const detail = { lane: this.lanes?.indexOf(lane), variant };
    this.dispatchEvent(new CustomEvent("np-set", { detail, bubbles: true }));
  }

  /** @param {Event} event */
  async press(event) {
    event.preventDefault();
    if (this.stop) return this.stop.abort();
    this.isOwn = true;
    this.stop = new AbortController();
    this.mark(words.stop, true);
    try {
      await this.race(this.stop.signal);
    } finally {
      this.stop = undefined;
      this.mark(words.run, false);
    }
  }

  /** @param {AbortSignal} signal */
  async race(signal) {
    const [first, second] = this.lanes ?? [];
    const isInTurn = this.order?.value === IN_TURN;
    this.badge?.replaceChildren();
    first.wait(words.waiting);
    second.wait(isInTurn ? words.waitsForOther : words.waiting);
    const common = {
      messages: [...this.system(), { role: "user", content: this.prompt?.value ?? "" }],
      seed: Number(this.seed?.value),
      max_tokens: Number(this.limit?.value),
    };
    const running = first.run(common, signal);
    if (isInTurn) await running;
    await Promise.all([running, second.run(common, signal)]);
    if (first.progress.finish && second.progress.finish) this.judge(first, second);
  }

  /** The panel's system prompt, the same for both. @returns {{ role: string, content: string }[]} */
  system() {
    const text = /** @type {HTMLTextAreaElement | null} */ (document.querySelector("#np-system textarea"))?.value ?? "";
    return text.trim() ? [{ role: "system", content: text }] : [];
  }

  /** @param {Lane} first @param {Lane} second */
  judge(first, second) {
    const parts = [first, second].map((lane) => lane.setting?.variant.split(":") ?? []);
    const isSameNetwork = parts[0].slice(0, 3).join() === parts[1].slice(0, 3).join();
    const decodes = new Set(parts.map((part) => part[3]));
    const { isSame, text, place } = verdict(first.progress, second.progress, isSameNetwork && decodes.size > 1 && decodes.has(words.autoregressive));
    for (const lane of [first, second]) lane.view.mark(place);
    const speeds = [first, second].map((lane) => lane.progress.metrics.tokens_per_second ?? 0);
    const ratio = speeds[0] > 0 && speeds[1] > 0 && element("span", {}, words.faster(`${(speeds[1] / speeds[0]).toFixed(2)}×`));
    this.badge?.replaceChildren(element("strong", { class: isSame ? "np-same" : "np-different" }, text), ratio || "");
  }

  /** @param {string} label @param {boolean} isRunning */
  mark(label, isRunning) {
    if (!this.submit) return;
    this.submit.textContent = label;
    this.submit.classList.toggle("np-danger", isRunning);
    this.submit.classList.toggle("np-primary", !isRunning);
  }
}

/** @param {string} value @param {string} min @param {string} max */
function number(value, min, max) {
  return /** @type {HTMLInputElement} */ (element("input", { class: "np-input", type: "number", value, min, max, required: true }));
}

/** @param {string} label @param {HTMLElement} input @param {string} [kind] */
function labelled(label, input, kind = "") {
  return element("label", { class: `np-field ${kind}`.trimEnd() }, element("span", {}, label), input);
}

// What does one lane of a comparison ask, and what came of it?

import { alert, button, element } from "../account/element.js";
import { facts } from "./facts.js";
import { Progress, progressOf } from "./progress.js";
import { Replay } from "./replay.js";
import { chunksOf } from "./stream.js";
import { TokenView } from "./tokens.js";
import { words } from "./words.js";

/** @typedef {import("./stream.js").Chunk} Chunk */
/**
 * A lane's settings as the page's server spells them: the body of the request without messages.
 * @typedef {{ variant: string, body: Record<string, unknown>, settings: string }} Setting
 * @typedef {{ model: string, variants: { value: string, label: string }[] }} Group
 */

const SENTENCE = /[^.!?\n]*[.!?\n]+\s*/g;

/** A variant, its answer and its figures. */
export class Lane {
  /** @param {string} name @param {(lane: Lane, variant: string | null) => void} ask asks for other settings */
  constructor(name, ask) {
    this.name = name;
    /** @type {Setting | null} */
    this.setting = null;
    this.progress = new Progress();
    /** @type {Chunk[]} */
    this.chunks = [];
    this.view = new TokenView();
    this.replay = new Replay((moment) => this.show(progressOf(this.chunks, moment)));
    this.choice = /** @type {HTMLSelectElement} */ (
      element("select", { class: "np-input", "aria-label": words.laneVariant(name), onchange: () => ask(this, this.choice.value) })
    );
    this.settings = element("p", { class: "np-muted" });
    this.facts = element("dl", { class: "np-evidence" });
    this.state = element("div", { class: "np-lane-state" }, element("p", { class: "np-muted" }, words.nothingYet));
    this.spoken = element("div", { class: "np-sr", role: "log", "aria-label": words.lane(name) });
    const take = button(words.takePanel, () => ask(this, null), { class: "np-button np-small", "aria-label": words.takePanelFor(name) });
    this.element = element(
      "section",
      { class: "np-box np-lane", "aria-label": words.lane(name) },
      element("header", {}, element("h3", {}, words.lane(name)), this.choice, take),
      this.settings,
      this.state,
      this.view.scroller,
      this.spoken,
      this.view.legend,
      this.facts,
      this.replay.element,
    );
  }

  /** @param {Group[]} groups */
  offer(groups) {
    const options = groups.map(({ model, variants }) =>
      element("optgroup", { label: model }, ...variants.map(({ value, label }) => element("option", { value }, label))),
    );
    this.choice.replaceChildren(...options);
    if (this.setting) this.choice.value = this.setting.variant;
  }

  /** @param {Setting} setting */
  set(setting) {
    this.setting = setting;
    this.choice.value = setting.variant;
    this.settings.textContent = setting.settings;
  }

  /** Empty the lane before another run. @param {string} state */
  wait(state) {
    this.chunks = [];
    this.numSpoken = 0;
    this.replay.close();
    this.view.clear();
    this.facts.replaceChildren();
    this.spoken.replaceChildren();
    this.state.replaceChildren(element("p", { class: "np-running" }, state));
    this.progress = new Progress();
  }

  /** Ask, and show the answer as it comes. @param {Record<string, unknown>} common @param {AbortSignal} signal */
  async run(common, signal) {
    this.state.replaceChildren(element("p", { class: "np-running" }, words.waiting));
    try {
      for await (const chunk of chunksOf({ ...this.setting?.body, ...common }, signal)) this.hear(chunk);
    } catch (error) {
      this.state.replaceChildren(signal.aborted ? element("p", { class: "np-muted" }, words.stopped) : alert(error));
    }
    this.show(this.progress);
    this.speak(this.progress.text.slice(this.numSpoken));
    this.replay.open(this.chunks.length);
  }

  /** @param {Chunk} chunk */
  hear(chunk) {
    if (!this.chunks.length) this.state.replaceChildren();
    this.chunks.push(chunk);
    this.progress.add(chunk);
    if (this.isPlanned) return;
    this.isPlanned = true;
    requestAnimationFrame(() => {
      this.isPlanned = false;
      this.show(this.progress);
      for (const [sentence] of this.progress.text.slice(this.numSpoken).matchAll(SENTENCE)) this.speak(sentence);
    });
  }

  /** @param {Progress} progress */
  show(progress) {
    this.view.draw(progress);
    this.facts.replaceChildren(...(progress.tokens.length ? facts(progress) : []));
  }

  /** What a screen reader hears: sentences of the answer, once each. @param {string} text */
  speak(text) {
    this.numSpoken = (this.numSpoken ?? 0) + text.length;
    if (text.trim()) this.spoken.append(element("p", {}, text));
  }
}

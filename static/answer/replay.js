// How is a run looked at again, moment by moment?

import { button, element } from "../account/element.js";
import { words } from "./words.js";

const MOMENT = 140;

/** A slider over the moments of a run, and a button that moves it slowly. */
export class Replay {
  /** @param {(moment: number) => void} show draws the run after so many moments */
  constructor(show) {
    this.show = show;
    this.slider = /** @type {HTMLInputElement} */ (
      element("input", { type: "range", min: "0", value: "0", step: "1", "aria-label": words.scrub, oninput: () => this.seek() })
    );
    this.told = element("span", { class: "np-muted" });
    this.player = button(words.play, () => this.toggle(), { class: "np-button np-small" });
    this.element = element("div", { class: "np-replay", hidden: true }, this.player, this.slider, this.told);
    /** @type {number | undefined} */
    this.clock = undefined;
  }

  /** Hide until there is a whole run. */
  close() {
    this.pause();
    this.element.hidden = true;
  }

  /** @param {number} number moments of the run */
  open(number) {
    this.element.hidden = number < 2;
    this.slider.max = String(number);
    this.slider.value = this.slider.max;
    this.tell();
  }

  toggle() {
    if (this.clock !== undefined) return this.pause();
    if (this.slider.value === this.slider.max) this.slider.value = "0";
    this.player.textContent = words.pause;
    this.clock = setInterval(() => this.next(), MOMENT);
  }

  next() {
    this.slider.stepUp();
    this.draw();
    if (this.slider.value === this.slider.max) this.pause();
  }

  pause() {
    clearInterval(this.clock);
    this.clock = undefined;
    this.player.textContent = words.play;
  }

  seek() {
    this.pause();
    this.draw();
  }

  draw() {
    this.tell();
    this.show(Number(this.slider.value));
  }

  tell() {
    const text = words.moment(Number(this.slider.value), Number(this.slider.max));
    this.told.textContent = text;
    this.slider.setAttribute("aria-valuetext", text);
  }
}

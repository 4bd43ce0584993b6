// How much may I still ask, and when is it my turn? A line under the message box.

import { element } from "./element.js";
import { duration } from "./figures.js";
import { brief, gauge, leftOf, resetOf } from "./gauge.js";
import { me, usage } from "./server.js";
import { words } from "./words.js";

const SECOND = 1000;
const IDLE = 15 * SECOND;
const PATIENCE = 4;

/** Three limits of the caller, and the place in line while there is one. */
export class LimitMeter extends HTMLElement {
  connectedCallback() {
    this.limits = element("div", { class: "np-meter", role: "group", "aria-label": words.meterLabel });
    this.place = element("span", { class: "np-in-line", role: "status" });
    this.replaceChildren(this.limits, this.place);
    /** @type {boolean} */
    this.isBusy = false;
    this.isFilling = false;
    this.watcher = new MutationObserver(() => this.follow());
    this.watcher.observe(document.body, { attributes: true, attributeFilter: ["class"] });
    this.clock = setInterval(() => this.isFilling && !document.hidden && this.refresh(), IDLE);
    this.refresh();
  }

  disconnectedCallback() {
    this.watcher?.disconnect();
    clearInterval(this.clock);
  }

  /** `page.js` marks the body while an answer runs. */
  follow() {
    const isBusy = document.body.classList.contains("np-busy");
    if (isBusy === this.isBusy) return;
    this.isBusy = isBusy;
    if (isBusy) this.queue();
    else this.refresh();
  }

  /** Tell the place in line until the answer begins. */
  async queue() {
    const isWaiting = () => this.isBusy && !hasBegun();
    for (let empty = 0; isWaiting() && empty < PATIENCE; ) {
      await new Promise((resolve) => setTimeout(resolve, SECOND));
      const place = isWaiting() ? (await this.refresh())?.queue.places[0] : undefined;
      this.tell(place && isWaiting() ? inLine(place) : "");
      empty = place ? 0 : empty + 1;
    }
    this.tell("");
  }

  /** @param {string} text */
  tell(text) {
    if (this.place && this.place.textContent !== text) this.place.textContent = text;
  }

  async refresh() {
    try {
      const who = await me();
      if (!who.tier) return undefined;
      const told = await usage();
      this.draw(told);
      return told;
    } catch {
      return undefined; // what stands there is the latest that is known
    }
  }

  /** @param {import("./server.js").Usage} told */
  draw({ limits }) {
    // The day's tokens come back too slowly to be watched.
    this.isFilling = limits.some(({ name, used }) => used > 0 && name !== "tokens_per_day");
    const shown = limits.filter(({ name }) => name in words.meters);
    this.limits?.replaceChildren(
      ...shown.map((limit) =>
        element(
          "div",
          { title: `${words.limits[limit.name]}: ${leftOf(limit)}. ${resetOf(limit)}.` },
          element("span", {}, `${words.meters[limit.name]} `, brief(limit)),
          gauge(limit, words.limits[limit.name]),
        ),
      ),
    );
  }
}

/** Others of the same network stand in the same line, so only the transcript tells whose turn has come. */
function hasBegun() {
  const rows = document.querySelectorAll("#np-transcript :is(.user-row, .bot-row)");
  return rows[rows.length - 1]?.classList.contains("bot-row") ?? false;
}

/** @param {{ position: number, seconds: number | null }} place */
function inLine({ position, seconds }) {
  return seconds === null ? words.inLine(position) : words.inLineAbout(position, duration(seconds));
}

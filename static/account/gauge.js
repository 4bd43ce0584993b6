// How full is a limit, seen and read out?

import { element } from "./element.js";
import { BOUNDLESS, compact, count, duration } from "./figures.js";
import { words } from "./words.js";

/** @typedef {import("./server.js").Limit} Limit */

/** What is left of a limit, in a few words. @param {Limit} limit */
export function leftOf(limit) {
  if (limit.capacity >= BOUNDLESS) return words.noLimit(count(limit.used));
  return words.left(count(limit.remaining), count(limit.capacity));
}

/** When a limit is whole again. @param {Limit} limit */
export function resetOf(limit) {
  if (!limit.used) return words.full;
  return limit.name === "in_flight" ? words.freesWithEnd : words.resets(duration(limit.resets_in));
}

/** A bar that is as long as what is left. @param {Limit} limit @param {string} label */
export function gauge(limit, label) {
  const share = Math.max(0, Math.min(1, limit.remaining / limit.capacity));
  const kind = share < 0.1 ? "np-gauge np-low" : "np-gauge";
  const bar = element("span", {});
  bar.style.width = `${share * 100}%`;
  return element(
    "div",
    {
      class: kind,
      role: "meter",
      "aria-label": label,
      "aria-valuemin": "0",
      "aria-valuemax": limit.capacity,
      "aria-valuenow": Math.max(0, limit.remaining),
      "aria-valuetext": `${leftOf(limit)}. ${resetOf(limit)}`,
    },
    bar,
  );
}

/**
 * The shortest that still tells: `39/40`, or `39` where room is scarce; what is used where there is no limit.
 * @param {Limit} limit
 */
export function brief(limit) {
  if (limit.capacity >= BOUNDLESS) return element("b", {}, compact(limit.used));
  const all = element("span", { class: "np-of" }, `/${compact(limit.capacity)}`);
  return element("b", {}, compact(Math.max(0, limit.remaining)), all);
}

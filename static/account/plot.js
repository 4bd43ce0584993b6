// How are sums drawn, and told to those who do not see a drawing?

import { element } from "./element.js";
import { compact, count } from "./figures.js";
import { words } from "./words.js";

/** @typedef {{ label: string, requests: number, tokensIn: number, tokensOut: number }} Sum */

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 100;
const STEP = 10;

/** @param {Sum} sum */
const total = (sum) => sum.tokensIn + sum.tokensOut;

/** Sums side by side, as over time. @param {string} title @param {string} column @param {Sum[]} sums */
export function columns(title, column, sums) {
  const most = Math.max(1, ...sums.map(total));
  const drawing = svg("svg", { viewBox: `0 0 ${sums.length * STEP} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" });
  sums.forEach((sum, place) => drawing.append(stack(sum, place, most)));
  const ends = [sums[0], sums.at(-1)].map((sum) => element("span", {}, sum?.label ?? ""));
  const axis = element("div", { class: "np-axis" }, ...ends);
  const top = element("div", { class: "np-axis" }, element("span", {}, compact(most)));
  return figure(title, column, sums, element("div", { class: "np-columns" }, top, drawing, axis));
}

/** Sums under each other, the largest first. @param {string} title @param {string} column @param {Sum[]} sums */
export function bars(title, column, sums) {
  const sorted = sums.toSorted((one, other) => total(other) - total(one));
  const most = Math.max(1, ...sorted.map(total));
  const rows = sorted.map((sum) => {
    const bar = svg("svg", { viewBox: `0 0 ${HEIGHT} 1`, preserveAspectRatio: "none", "aria-hidden": "true" });
    const split = (sum.tokensIn / most) * HEIGHT;
    bar.append(
      svg("rect", { class: "np-in", width: split, height: 1 }),
      svg("rect", { class: "np-out", x: split, width: (sum.tokensOut / most) * HEIGHT, height: 1 }),
    );
    return element("div", { class: "np-bar" }, element("span", {}, sum.label), element("span", {}, compact(total(sum))), bar);
  });
  return figure(title, column, sorted, element("div", { class: "np-bars" }, ...rows));
}

/** @param {Sum} sum @param {number} place @param {number} most */
function stack(sum, place, most) {
  const group = svg("g", {});
  const name = svg("title", {});
  name.textContent = `${sum.label}: ${count(sum.tokensIn)} + ${count(sum.tokensOut)}`;
  const low = (sum.tokensIn / most) * HEIGHT;
  const high = (sum.tokensOut / most) * HEIGHT;
  const at = { x: place * STEP + 1, width: STEP - 2 };
  group.append(
    name,
    svg("rect", { ...at, class: "np-in", y: HEIGHT - low, height: low }),
    svg("rect", { ...at, class: "np-out", y: HEIGHT - low - high, height: high }),
  );
  return group;
}

/** @param {string} title @param {string} column @param {Sum[]} sums @param {HTMLElement} drawing */
function figure(title, column, sums, drawing) {
  const rows = sums.map((sum) => [sum.label, count(sum.requests), count(sum.tokensIn), count(sum.tokensOut)]);
  const legend = element("span", { class: "np-legend" }, element("i", { class: "np-in" }), words.tokensIn, element("i", { class: "np-out" }), words.tokensOut);
  return element(
    "figure",
    { class: "np-box np-plot" },
    element("figcaption", {}, element("strong", {}, title), legend),
    drawing,
    element("details", {}, element("summary", {}, words.asTable), table(title, [column, words.numRequests, words.tokensIn, words.tokensOut], rows)),
  );
}

/** A table that scrolls by itself where it is too wide. @param {string} label @param {string[]} head @param {string[][]} rows */
export function table(label, head, rows) {
  const cells = (/** @type {string[]} */ row) => row.map((text, place) => (place ? element("td", {}, text) : element("th", { scope: "row" }, text)));
  return element(
    "div",
    { class: "np-table", tabindex: "0", role: "region", "aria-label": label },
    element(
      "table",
      {},
      element("thead", {}, element("tr", {}, ...head.map((text) => element("th", { scope: "col" }, text)))),
      element("tbody", {}, ...rows.map((row) => element("tr", {}, ...cells(row)))),
    ),
  );
}

/** @param {string} name @param {Record<string, string | number>} attributes */
function svg(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  return made;
}

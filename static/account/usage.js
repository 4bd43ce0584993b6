// What have I used, what is left, and what does it cost?

import { alert, element, whenSeen } from "./element.js";
import { BOUNDLESS, compact } from "./figures.js";
import { gauge, leftOf, resetOf } from "./gauge.js";
import { signInLinks } from "./menu.js";
import { bars, columns, table } from "./plot.js";
import { keys, me, models, usage } from "./server.js";
import { words } from "./words.js";

/** @typedef {import("./server.js").Day} Day */
/** @typedef {import("./plot.js").Sum} Sum */

const DAY = 86_400_000;

/** The Usage tab. */
export class UsageView extends HTMLElement {
  async connectedCallback() {
    this.className = "np-account np-page";
    this.limits = element("div", { class: "np-limits" });
    this.spent = element("div", { class: "np-plots" });
    this.days = words.periods[1][1];
    try {
      const who = await me();
      if (who.tier) await this.draw(who);
      else this.replaceChildren(element("h2", {}, words.usageTitle), element("p", {}, words.usageSignedOut), signInLinks(who));
    } catch (error) {
      const isAbsent = /** @type {{ status?: number }} */ (error).status === 404;
      this.replaceChildren(isAbsent ? element("p", {}, words.noAccounts) : alert(error));
    }
  }

  disconnectedCallback() {
    this.watcher?.disconnect();
  }

  /** @param {import("./server.js").Me} who */
  async draw(who) {
    const { data, tiers } = await models();
    this.names = new Map(who.user ? (await keys()).map((key) => [key.id, `${key.name} …${key.tail}`]) : []);
    this.replaceChildren(
      element("h2", {}, words.usageTitle),
      ...(who.is_guest ? [element("p", { class: "np-lead" }, words.guestText), signInLinks(who)] : []),
      element("h3", {}, words.limitsTitle),
      this.limits ?? "",
      element("p", { class: "np-muted" }, words.weighted),
      element("div", { class: "np-row np-spread" }, element("h3", {}, words.spentTitle), this.period(who.user !== null)),
      this.spent ?? "",
      element("h3", {}, words.pricesTitle),
      element("p", { class: "np-lead" }, words.pricesText),
      table(words.pricesTitle, [words.variant, words.weight], prices(data)),
      element("h3", {}, words.tiersTitle),
      table(words.tiersTitle, tierHead, tiers.filter(({ name }) => name !== "network").map((tier) => tierRow(tier, who.tier))),
    );
    // What is shown is as new as the last look at it.
    this.watcher = whenSeen(this.children[0], () => this.refresh());
  }

  /** @param {boolean} hasFile */
  period(hasFile) {
    const link = /** @type {HTMLAnchorElement} */ (element("a", { class: "np-button", download: "usage.csv" }, words.csv));
    const choice = /** @type {HTMLSelectElement} */ (
      element("select", { class: "np-input", "aria-label": words.period }, ...words.periods.map(([label, days]) => element("option", { value: days, selected: days === this.days }, label)))
    );
    const follow = () => {
      this.days = Number(choice.value);
      link.href = `/account/usage.csv?days=${this.days}`;
    };
    follow();
    choice.addEventListener("change", () => {
      follow();
      this.refresh();
    });
    return element("div", { class: "np-row" }, choice, hasFile && link);
  }

  async refresh() {
    const days = this.days ?? 1;
    try {
      this.show(await usage(days), days);
    } catch (error) {
      this.spent?.replaceChildren(alert(error));
    }
  }

  /** @param {import("./server.js").Usage} told @param {number} days */
  show(told, days) {
    this.limits?.replaceChildren(
      ...told.limits.map((limit) =>
        element(
          "div",
          { class: "np-box np-limit" },
          element("strong", {}, words.limits[limit.name] ?? limit.name),
          gauge(limit, words.limits[limit.name] ?? limit.name),
          element("span", {}, leftOf(limit)),
          element("span", { class: "np-muted" }, resetOf(limit)),
        ),
      ),
    );
    this.spent?.replaceChildren(...this.plots(told.days, days));
  }

  /** @param {Day[]} rows @param {number} days */
  plots(rows, days) {
    if (!rows.length) return [element("p", { class: "np-box np-empty" }, words.nothingSpent)];
    const keyName = (/** @type {Day} */ row) => (row.key_id ? this.names?.get(row.key_id) ?? words.unknownKey : words.pageItself);
    return [
      columns(words.byDay, words.day, everyDay(sums(rows, (row) => row.day), days)),
      bars(words.byVariant, words.variant, sums(rows, (row) => row.variant)),
      bars(words.byKey, words.key, sums(rows, keyName)),
    ];
  }
}

/** @param {Day[]} rows @param {(row: Day) => string} label @returns {Sum[]} */
function sums(rows, label) {
  /** @type {Map<string, Sum>} */
  const made = new Map();
  for (const row of rows) {
    const name = label(row);
    const sum = made.get(name) ?? { label: name, requests: 0, tokensIn: 0, tokensOut: 0 };
    sum.requests += row.requests;
    sum.tokensIn += row.prompt_tokens;
    sum.tokensOut += row.completion_tokens;
    made.set(name, sum);
  }
  return [...made.values()];
}

/** Days without a request count too. @param {Sum[]} sums @param {number} days @returns {Sum[]} */
function everyDay(sums, days) {
  const known = new Map(sums.map((sum) => [sum.label, sum]));
  return Array.from({ length: days }, (_, place) => {
    const label = new Date(Date.now() - (days - 1 - place) * DAY).toISOString().slice(0, 10);
    return known.get(label) ?? { label, requests: 0, tokensIn: 0, tokensOut: 0 };
  });
}

/** @param {import("./server.js").Model[]} data */
const prices = (data) => data.flatMap(({ weights }) => Object.entries(weights).map(([variant, weight]) => [variant, String(weight)]));

const tierHead = [words.tierName, words.perMinute, words.burst, words.tokensPerMinute, words.tokensPerDay, words.inFlight];

/** @param {import("./server.js").Tier} tier @param {string | null} own */
function tierRow(tier, own) {
  const numbers = [tier.requests_per_minute, tier.burst, tier.tokens_per_minute, tier.tokens_per_day, tier.in_flight];
  const name = tier.name === own ? `${tier.name} (${words.yours})` : tier.name;
  return [name, ...numbers.map((number) => (number >= BOUNDLESS ? "∞" : compact(number)))];
}

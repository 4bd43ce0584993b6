// Which keys do I have, and how do I make, rename, rotate and revoke one?

import { dialog } from "./dialog.js";
import { alert, button, element, listing, whenSeen } from "./element.js";
import { asDate, asMoment } from "./figures.js";
import { KeyForm } from "./key_form.js";
import { signInLinks } from "./menu.js";
import { change, keys, me, models } from "./server.js";
import { words } from "./words.js";

/** @typedef {import("./server.js").Key} Key */
/** @typedef {import("./server.js").NewKey} NewKey */

/** The Keys tab. */
export class KeysView extends HTMLElement {
  async connectedCallback() {
    this.className = "np-account np-page";
    try {
      const who = await me();
      if (who.user) await this.draw(who.scopes);
      else this.replaceChildren(element("h2", {}, words.keysTitle), element("p", {}, words.keysSignedOut), signInLinks(who));
    } catch (error) {
      const isAbsent = /** @type {{ status?: number }} */ (error).status === 404;
      this.replaceChildren(isAbsent ? element("p", {}, words.noAccounts) : alert(error));
    }
  }

  /** @param {import("./server.js").Scope[]} scopes */
  async draw(scopes) {
    const catalog = (await models()).data;
    this.list = element("div", { class: "np-keys", "aria-live": "polite" });
    this.trouble = element("div");
    this.replaceChildren(
      element("h2", {}, words.keysTitle),
      element("p", { class: "np-lead" }, words.keysLead),
      new KeyForm(scopes, catalog, (order) => this.create(order)).form,
      this.trouble,
      this.list,
      ...howTo(catalog.find((model) => model.served)?.id ?? words.model),
    );
    // Other tabs and command lines make keys too.
    this.watcher = whenSeen(this.children[0], () => this.attempt(async () => undefined));
  }

  disconnectedCallback() {
    this.watcher?.disconnect();
  }

  async refresh() {
    const owned = await keys();
    if (!this.list) return;
    if (owned.length) {
      const cards = owned.map((key) => element("li", { class: "np-box" }, ...this.card(key)));
      this.list.replaceChildren(element("h3", {}, words.yourKeys), element("ul", { class: "np-list" }, ...cards));
    } else {
      const hint = element("p", {}, words.keysEmptyText);
      this.list.replaceChildren(element("div", { class: "np-box np-empty" }, element("h3", {}, words.keysEmptyTitle), hint));
    }
  }

  /** Do it, show what the server says against it, and show the keys as they are then. @param {() => Promise<unknown>} act */
  async attempt(act) {
    try {
      this.trouble?.replaceChildren();
      await act();
      await this.refresh();
      return true;
    } catch (error) {
      this.trouble?.replaceChildren(alert(error));
      return false;
    }
  }

  /** @param {unknown} order */
  create(order) {
    return this.attempt(async () => showOnce(await change("POST", "/account/keys", order)));
  }

  /** @param {Key} key */
  card(key) {
    const isActive = key.status === "active";
    const badge = element("span", { class: isActive ? "np-badge np-badge-here" : "np-badge" }, words.status[key.status]);
    const facts = [
      [words.created, asDate(key.created)],
      [words.lastUsed, key.last_used ? asMoment(key.last_used) : words.never],
      [words.expires, key.expires ? asMoment(key.expires) : words.never],
      [words.keyScopes, key.scopes.join(", ")],
      [words.keyModels, key.models.length ? key.models.join(", ") : words.allModels],
    ];
    return [
      element("div", { class: "np-row" }, element("strong", {}, key.name), badge, key.successor && element("span", { class: "np-badge" }, words.rotated)),
      element("code", {}, `${key.head}…${key.tail}`),
      element("dl", {}, ...facts.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value)))),
      isActive && this.actions(key),
    ];
  }

  /** @param {Key} key */
  actions(key) {
    return element(
      "div",
      { class: "np-actions" },
      button(words.rename, () => this.rename(key), { "aria-label": words.renameKey(key.name) }),
      !key.successor && button(words.rotate, () => this.rotate(key), { "aria-label": words.rotateKey(key.name) }),
      button(words.revoke, () => this.revoke(key), { "aria-label": words.revokeKey(key.name), class: "np-button np-danger" }),
    );
  }

  /** @param {Key} key */
  async rename(key) {
    const name = /** @type {HTMLInputElement} */ (
      element("input", { class: "np-input", value: key.name, maxlength: "64", required: true, "aria-label": words.keyName })
    );
    if (await dialog({ title: words.renameTitle, confirm: words.save }, name))
      await this.attempt(() => change("PATCH", `/account/keys/${key.id}`, { name: name.value }));
  }

  /** @param {Key} key */
  async rotate(key) {
    const options = words.graces.map(([label, seconds]) => element("option", { value: seconds }, label));
    const grace = /** @type {HTMLSelectElement} */ (
      element("select", { class: "np-input", "aria-label": words.grace }, ...options)
    );
    const text = element("p", {}, words.rotateText);
    if (await dialog({ title: words.rotateTitle, confirm: words.rotate }, text, grace)) {
      const body = { grace_seconds: Number(grace.value) };
      await this.attempt(async () => showOnce(await change("POST", `/account/keys/${key.id}/rotate`, body)));
    }
  }

  /** @param {Key} key */
  async revoke(key) {
    const text = element("p", {}, words.revokeText(key.name));
    if (await dialog({ title: words.revokeTitle, confirm: words.revoke, isDangerous: true }, text))
      await this.attempt(() => change("DELETE", `/account/keys/${key.id}`));
  }
}

/** The one time that a whole key is seen; it leaves the page with the dialog. @param {NewKey} made */
function showOnce(made) {
  const warning = element("p", { class: "np-warning" }, words.secretText);
  const shown = listing(made.key, words.secretTitle, words);
  return dialog({ title: words.secretTitle, confirm: words.done, canCancel: false }, warning, shown);
}

/** @param {string} model */
function howTo(model) {
  const origin = window.location.origin;
  const shell = `export NEMOTRON_PLAYGROUND_API_KEY=npg_...
curl ${origin}/v1/chat/completions \\
  --header "Authorization: Bearer $NEMOTRON_PLAYGROUND_API_KEY" \\
  --header 'Content-Type: application/json' \\
  --data '{"model": "${model}", "messages": [{"role": "user", "content": "Hello!"}]}'`;
  const python = `import os

from openai import OpenAI

client = OpenAI(base_url="${origin}/v1", api_key=os.environ["NEMOTRON_PLAYGROUND_API_KEY"])
answer = client.chat.completions.create(
    model="${model}",
    messages=[{"role": "user", "content": "Hello!"}],
)
print(answer.choices[0].message.content)`;
  return [
    element("h3", {}, words.howTitle),
    element("p", { class: "np-lead" }, words.howText),
    listing(shell, "curl", words),
    listing(python, "Python", words),
  ];
}

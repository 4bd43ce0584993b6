// What shall a new key be called, what may it do, and for how long?

import { alert, element } from "./element.js";
import { words } from "./words.js";

/** @typedef {{ name: string, scopes: string[], models: string[], expires_in_days: number | null }} Order */

/** A form; `create` gets the order and tells whether it was carried out. */
export class KeyForm {
  /**
   * @param {import("./server.js").Scope[]} scopes
   * @param {import("./server.js").Model[]} catalog
   * @param {(order: Order) => Promise<boolean>} create
   */
  constructor(scopes, catalog, create) {
    this.create = create;
    this.name = /** @type {HTMLInputElement} */ (
      element("input", { class: "np-input", maxlength: "64", required: true, placeholder: words.keyNameHint, autocomplete: "off" })
    );
    this.expiry = /** @type {HTMLSelectElement} */ (
      element("select", { class: "np-input" }, ...words.expiries.map(([label, days]) => element("option", { value: days ?? "" }, label)))
    );
    this.scopes = scopes.map(({ name, title }) => checkbox(name, title, true));
    this.models = catalog.map(({ id, name }) => checkbox(id, name, false));
    this.submit = /** @type {HTMLButtonElement} */ (element("button", { class: "np-button np-primary" }, words.createKey));
    this.trouble = element("div");
    this.form = this.build();
  }

  build() {
    return element(
      "form",
      { class: "np-box np-key-form", "aria-label": words.newKey, onsubmit: (/** @type {Event} */ event) => this.send(event) },
      element("h3", {}, words.newKey),
      element("div", { class: "np-fields" }, labelled(words.keyName, this.name), labelled(words.keyExpiry, this.expiry)),
      element("fieldset", {}, element("legend", {}, words.keyScopes), element("div", { class: "np-checks" }, ...this.scopes)),
      element(
        "details",
        {},
        element("summary", {}, `${words.keyModels}: ${words.allModels.toLowerCase()}`),
        element("fieldset", {}, element("legend", {}, words.someModels), element("div", { class: "np-checks" }, ...this.models)),
      ),
      this.trouble,
      element("div", { class: "np-actions" }, this.submit),
    );
  }

  /** @param {Event} event */
  async send(event) {
    event.preventDefault();
    const order = {
      name: this.name.value.trim(),
      scopes: chosen(this.scopes),
      models: chosen(this.models),
      expires_in_days: this.expiry.value ? Number(this.expiry.value) : null,
    };
    this.trouble.replaceChildren(...(order.scopes.length ? [] : [alert(words.noScope)]));
    if (!order.scopes.length) return;
    this.submit.disabled = true;
    if (await this.create(order)) /** @type {HTMLFormElement} */ (this.form).reset();
    this.submit.disabled = false;
  }
}

/** @param {string} text @param {HTMLElement} input */
const labelled = (text, input) => element("label", { class: "np-field" }, element("span", {}, text), input);

/** @param {string} value @param {string} text @param {boolean} isChecked */
const checkbox = (value, text, isChecked) =>
  element("label", {}, element("input", { type: "checkbox", value, checked: isChecked }), element("span", {}, text));

/** @param {HTMLElement[]} boxes */
function chosen(boxes) {
  const inputs = boxes.map((box) => /** @type {HTMLInputElement} */ (box.firstElementChild));
  return inputs.filter((input) => input.checked).map((input) => input.value);
}

// How does the page ask back, or show what is shown once?

import { button, element } from "./element.js";
import { words } from "./words.js";

/**
 * A question over the page; `true` if its button was pressed, `false` for Cancel, Escape and all else.
 * Focus goes back to where it was.
 * @param {{ title: string, confirm: string, isDangerous?: boolean, canCancel?: boolean }} question
 * @param {...Node} content
 * @returns {Promise<boolean>}
 */
export function dialog({ title, confirm, isDangerous = false, canCancel = true }, ...content) {
  const kind = isDangerous ? "np-button np-danger" : "np-button np-primary";
  const form = element(
    "form",
    { method: "dialog" },
    element("h2", { id: "np-dialog-title" }, title),
    ...content,
    element(
      "div",
      { class: "np-actions" },
      canCancel && button(words.cancel, () => shown.close()),
      element("button", { class: kind, value: "yes" }, confirm),
    ),
  );
  const shown = /** @type {HTMLDialogElement} */ (
    element("dialog", { class: "np-dialog np-account", "aria-labelledby": "np-dialog-title" }, form)
  );
  // Inside the page's own frame, whose style sheets reach it there.
  (document.querySelector(".gradio-container") ?? document.body).append(shown);
  shown.showModal();
  return new Promise((resolve) => {
    shown.addEventListener("close", () => {
      resolve(shown.returnValue === "yes");
      shown.remove();
    });
  });
}

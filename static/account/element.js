// How is a part of the page made, so that no text ever becomes markup?

/** @typedef {Node | string | null | undefined | false} Child */

/**
 * An element with its attributes, listeners (`onclick`) and children; every text is text.
 * @param {string} name
 * @param {Record<string, unknown>} [attributes] false and null leave an attribute out
 * @param {...Child} children
 * @returns {HTMLElement}
 */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function")
      made.addEventListener(key.slice(2), /** @type {EventListener} */ (value));
    else if (value !== false && value !== null && value !== undefined)
      made.setAttribute(key, value === true ? "" : String(value));
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

/**
 * A button that does one thing at a time: it is off until what it started has ended.
 * @param {string} label
 * @param {() => unknown} act
 * @param {Record<string, unknown>} [attributes]
 */
export function button(label, act, attributes = {}) {
  const made = /** @type {HTMLButtonElement} */ (
    element("button", { type: "button", class: "np-button", ...attributes }, label)
  );
  made.addEventListener("click", async () => {
    made.disabled = true;
    try {
      await act();
    } finally {
      made.disabled = false;
    }
  });
  return made;
}

/**
 * Code with a button that copies it; `page.js` answers the click.
 * @param {string} code
 * @param {string} label
 * @param {{ copy: string, copied: string }} words
 */
export function listing(code, label, words) {
  const copy = element("button", { type: "button", class: "np-copy", "data-copied": words.copied }, words.copy);
  const text = element("pre", { tabindex: "0", "aria-label": label }, element("code", {}, code));
  return element("figure", { class: "np-code" }, copy, text);
}

/**
 * Act each time that an element comes into view.
 * @param {Element} seen
 * @param {() => unknown} act
 */
export function whenSeen(seen, act) {
  const observer = new IntersectionObserver(([entry]) => entry?.isIntersecting && act());
  observer.observe(seen);
  return observer;
}

/** @param {unknown} error */
export function alert(error) {
  const message = error instanceof Error ? error.message : String(error);
  return element("p", { class: "np-alert", role: "alert" }, message);
}

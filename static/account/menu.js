// Who am I here, and how do I come in or go?

import { element } from "./element.js";
import { me } from "./server.js";
import { words } from "./words.js";

/** @typedef {import("./server.js").Me} Me */

/** The button in the header, with what opens under it. */
export class AccountMenu extends HTMLElement {
  async connectedCallback() {
    try {
      this.draw(await me());
    } catch {
      this.replaceChildren(); // a server without accounts has nothing to say here
    }
  }

  /** @param {Me} who */
  draw(who) {
    const label = who.user?.name ?? (who.is_guest ? words.guest : words.signIn);
    const panel = element("div", { id: "np-account-panel", class: "np-popover", hidden: true }, ...about(who));
    const opener = element(
      "button",
      {
        type: "button",
        class: "np-account-button",
        "aria-expanded": "false",
        "aria-controls": panel.id,
        "aria-label": `${words.account}: ${label}`,
      },
      element("span", { class: "np-initial", "data-initial": label.slice(0, 1) }), // drawn, not said
      element("span", { class: "np-account-name" }, label),
    );
    const open = (/** @type {boolean} */ isOpen) => {
      panel.hidden = !isOpen;
      opener.setAttribute("aria-expanded", String(isOpen));
    };
    opener.addEventListener("click", () => open(panel.hidden));
    this.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || panel.hidden) return;
      event.stopPropagation();
      open(false);
      opener.focus();
    });
    document.addEventListener("click", (event) => {
      if (!event.composedPath().includes(this)) open(false);
    });
    this.replaceChildren(opener, panel);
  }
}

/** @param {Me} who */
function about(who) {
  const said = who.is_single_user ? words.localText : who.user ? "" : who.is_guest ? words.guestText : words.signedOutText;
  return [
    who.user && element("strong", {}, who.user.name),
    who.user?.email && element("span", { class: "np-muted" }, who.user.email),
    who.tier && element("span", { class: "np-badge np-badge-here" }, words.tier(who.tier)),
    said && element("p", {}, said),
    !who.user && signInLinks(who),
    who.user && !who.is_single_user && signOutForm(who),
  ];
}

/** A link for each provider, which comes back to where it was. @param {Me} who */
export function signInLinks(who) {
  const links = who.providers.map(({ title, url }) =>
    element("a", { class: "np-button np-primary", href: `${url}?next=%2F` }, words.signInWith(title)),
  );
  return element("div", { class: "np-actions" }, ...links);
}

/** A form and no script, because the answer leads to the provider. @param {Me} who */
function signOutForm(who) {
  return element(
    "form",
    { method: "post", action: "/account/sign-out" },
    element("input", { type: "hidden", name: "csrf_token", value: who.csrf_token }),
    element("button", { class: "np-button" }, words.signOut),
  );
}

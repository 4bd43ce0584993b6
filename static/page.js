// What does the page do by itself, without asking the server?
// Keyboard, colour scheme, the settings drawer, copying, and the names and turns that Gradio leaves out.

(() => {
  "use strict";

  const words = () => document.getElementById("np-words")?.dataset ?? {};
  const byId = (id) => document.getElementById(id);
  const isShown = (element) => element !== null && element.offsetParent !== null;

  // Colour scheme: the visitor's own choice, else the system's.
  const SCHEME = "nemotron-playground-scheme";
  const paint = (scheme) => document.body.classList.toggle("dark", scheme === "dark");
  const kept = () => {
    try {
      return localStorage.getItem(SCHEME);
    } catch {
      return null; // storage may be forbidden; the system's scheme serves then
    }
  };
  const keep = (scheme) => {
    try {
      localStorage.setItem(SCHEME, scheme);
    } catch {
      return;
    }
  };
  const system = matchMedia("(prefers-color-scheme: dark)");
  const follow = () => paint(kept() ?? (system.matches ? "dark" : "light"));
  const switchScheme = () => {
    const scheme = document.body.classList.contains("dark") ? "light" : "dark";
    keep(scheme);
    paint(scheme);
  };

  // Drawer of settings on narrow windows.
  const showPanel = (open) => {
    document.body.classList.toggle("np-panel-open", open);
    document.querySelector("[data-panel-switch]")?.setAttribute("aria-expanded", String(open));
  };
  const isPanelOpen = () => document.body.classList.contains("np-panel-open");

  const copy = async (button) => {
    await navigator.clipboard.writeText(button.parentElement.querySelector("code").textContent);
    const word = button.textContent;
    button.textContent = button.dataset.copied;
    setTimeout(() => (button.textContent = word), 1500);
  };

  // Gradio's own Copy would give the thoughts as well.
  const copyAnswer = async (button) => {
    const answers = document.querySelector("#np-turn-actions .html-container > *")?.answers ?? [];
    await navigator.clipboard.writeText(answers[turnOf(button)] ?? "");
    button.title = words().copied;
    button.classList.add("np-copied");
    setTimeout(() => {
      button.title = words().copy;
      button.classList.remove("np-copied");
    }, 1500);
  };

  const tell = (name, detail) => {
    const target = document.querySelector("#np-turn-actions .html-container > *");
    target?.dispatchEvent(new CustomEvent(name, { detail }));
  };
  const turnOf = (button) => {
    const rows = [...document.querySelectorAll("#np-transcript .user-row")];
    const follows = (row) => row.compareDocumentPosition(button) & Node.DOCUMENT_POSITION_FOLLOWING;
    return rows.filter(follows).length - 1;
  };

  document.addEventListener("click", (event) => {
    const target = event.target instanceof Element ? event.target : null;
    const hit = (selector) => target?.closest(selector);
    if (hit("[data-theme-switch]")) switchScheme();
    else if (hit("[data-panel-switch]")) showPanel(!isPanelOpen());
    else if (hit(".np-copy")) copy(hit(".np-copy"));
    else if (hit(".np-delete")) tell("np-delete", { turn: turnOf(hit(".np-delete")) });
    else if (hit(".np-copy-answer")) copyAnswer(hit(".np-copy-answer"));
    else if (hit("[data-again]")) tell("np-again", {});
  });

  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && isShown(byId("np-send"))) {
      event.preventDefault();
      byId("np-send").click();
    }
    if (event.key !== "Escape") return;
    if (isPanelOpen()) showPanel(false);
    else if (isShown(byId("np-stop"))) byId("np-stop").click();
  });

  // Sentences are read out as they are finished; token by token nobody could listen.
  const SENTENCE = /[^.!?]*[.!?]+(?=\s+\S)/g;
  let announced = 0;
  const announce = () => {
    const answers = document.querySelectorAll("#np-transcript .bot-row .message-content");
    const text = answers[answers.length - 1]?.textContent ?? "";
    if (text.length < announced) announced = 0;
    const isBusy = isShown(byId("np-stop"));
    const fresh = text.slice(announced);
    const ready = isBusy ? (fresh.match(SENTENCE) ?? []).join("") : fresh;
    if (!ready.trim()) return;
    announced += ready.length;
    byId("np-announcer").textContent = ready;
  };

  // What Gradio leaves unnamed or says too often.
  const name = (selector, label) => {
    for (const element of document.querySelectorAll(selector)) {
      if (!element.hasAttribute("aria-label")) element.setAttribute("aria-label", label);
    }
  };
  const mend = () => {
    const log = document.querySelector("#np-transcript [role=log]");
    log?.setAttribute("aria-live", "off");
    log?.setAttribute("aria-label", words().conversation);
    log?.setAttribute("tabindex", "0");
    for (const message of document.querySelectorAll("#np-transcript [data-testid][aria-label]")) {
      message.removeAttribute("aria-label"); // a plain block of text takes no name
    }
    document.querySelector("#np-transcript .placeholder-content")?.removeAttribute("role");
    document.querySelector("#np-transcript .examples")?.setAttribute("role", "group");
    for (const retry of document.querySelectorAll("#np-transcript button[title=Retry]")) {
      retry.title = words().regenerate;
      retry.setAttribute("aria-label", words().regenerate);
    }
    for (const arrow of document.querySelectorAll("#np-transcript .thought-group .arrow")) {
      arrow.inert = true; // a nameless button inside a button; the outer one does its work
    }
    name("#np-transcript textarea", words().edit);
    name("#np-transcript .code_wrap button", words().copy);
    document.body.classList.toggle("np-busy", isShown(byId("np-stop")));
  };
  const addButton = (panel, kind, label) => {
    if (panel.querySelector(`.${kind}`)) return;
    const button = document.createElement("button");
    button.type = "button";
    button.className = `np-turn-button ${kind}`;
    button.title = label;
    button.setAttribute("aria-label", label);
    panel.append(button);
  };
  const addButtons = () => {
    for (const panel of document.querySelectorAll("#np-transcript .message-buttons .icon-button-wrapper")) {
      if (panel.closest(".message-buttons-left")) addButton(panel, "np-copy-answer", words().copy);
      addButton(panel, "np-delete", words().delete);
    }
  };

  const start = () => {
    follow();
    system.addEventListener("change", follow);
    const announcer = document.createElement("div");
    announcer.id = "np-announcer";
    announcer.className = "np-sr";
    announcer.setAttribute("aria-live", "polite");
    document.body.append(announcer);
    let isPlanned = false;
    const tend = () => {
      isPlanned = false;
      mend();
      addButtons();
    };
    new MutationObserver(() => {
      if (isPlanned) return;
      isPlanned = true;
      requestAnimationFrame(tend);
    }).observe(document.body, { childList: true, subtree: true, attributes: true, attributeFilter: ["class"] });
    setInterval(announce, 1000);
    let wasBusy = false;
    new MutationObserver(() => {
      const isBusy = document.body.classList.contains("np-busy");
      if (wasBusy && !isBusy && document.activeElement === document.body) byId("np-question")?.querySelector("textarea").focus();
      if (isBusy && !wasBusy) announced = 0;
      wasBusy = isBusy;
    }).observe(document.body, { attributes: true, attributeFilter: ["class"] });
  };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();

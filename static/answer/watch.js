// What does the engine do to the tokens of the chat's last answer, while it does it?

import { element } from "../account/element.js";
import { facts } from "./facts.js";
import { progressOf } from "./progress.js";
import { Replay } from "./replay.js";
import { TokenView } from "./tokens.js";
import { words } from "./words.js";

/** @typedef {import("./stream.js").Chunk} Chunk */

/** Under the chat. The page's server hands on all chunks of the answer, again and again, as they come. */
export class WatchView extends HTMLElement {
  connectedCallback() {
    this.view = new TokenView();
    this.replay = new Replay((moment) => this.draw(moment));
    this.facts = element("dl", { class: "np-evidence np-live" });
    this.waiting = element("p", { class: "np-muted" }, words.waiting);
    const head = element("div", { class: "np-watch-head" }, element("h2", {}, words.tokensTitle), this.view.legend);
    this.replaceChildren(head, this.view.scroller, element("div", { class: "np-watch-foot" }, this.waiting, this.facts, this.replay.element));
    /** @type {Chunk[]} */
    this.chunks = [];
    this.isPlanned = false;
    this.hidden = true;
  }

  /** @param {{ chunks: Chunk[], isOver: boolean } | null} run null where nothing is watched */
  tell(run) {
    this.hidden = run === null;
    if (run === null) return this.view?.clear();
    const isNew = run.chunks.length < (this.chunks?.length ?? 0) || run.chunks.length === 0;
    if (isNew) this.view?.clear();
    this.chunks = run.chunks;
    this.isOver = run.isOver;
    if (!run.isOver) this.replay?.close();
    if (this.isPlanned) return;
    this.isPlanned = true;
    requestAnimationFrame(() => this.follow());
  }

  follow() {
    this.isPlanned = false;
    this.draw(this.chunks?.length ?? 0);
    if (this.isOver) this.replay?.open(this.chunks?.length ?? 0);
  }

  /** @param {number} moment */
  draw(moment) {
    const progress = progressOf(this.chunks ?? [], moment);
    this.view?.draw(progress);
    if (this.waiting) this.waiting.hidden = progress.tokens.length > 0 || this.isOver === true;
    // Of the whole run the strip below tells more.
    const isWhole = this.isOver && moment === this.chunks?.length;
    this.facts?.replaceChildren(...(progress.tokens.length && !isWhole ? facts(progress) : []));
  }
}

// What do the parts of the page about answers say? Every word that a visitor reads there stands here.

export const words = {
  failed: "The server refused, and did not say why.",

  tokensTitle: "Tokens",
  states: /** @type {Record<string, string>} */ ({
    accepted: "accepted",
    bonus: "bonus",
    revealed: "revealed, with its step",
    drafted: "drafted",
    rejected: "rejected",
    masked: "masked",
  }),
  decoded: "decoded",
  /** @param {string} size */
  bySize: (size) => `made by ${size}`,
  thoughts: "thought",
  /** @param {number} step */
  revealedAt: (step) => `revealed at step ${step}`,
  /** @param {string} share */
  likely: (share) => `probability ${share}`,
  play: "Play slowly",
  pause: "Pause",
  /** @param {number} step @param {number} all */
  moment: (step, all) => `Moment ${step} of ${all}`,
  scrub: "Moment of the run",
  waiting: "Waiting for the first token",

  facts: {
    ttft: "First token",
    speed: "Tokens/s",
    tokens: "Tokens",
    cached: "Cached",
    forwards: "Forwards",
    tpf: "TPF",
    accepted: "Accepted",
    time: "Total",
  },
  meanings: {
    ttft: "Time from the request's arrival at the engine to its first token",
    speed: "Rate of the tokens after the first",
    tokens: "Tokens of the answer so far",
    cached: "Tokens of the prompt that an earlier request had left in the cache, which makes the first token come sooner",
    forwards: "Runs of the network after the prompt's, drafts and commits included",
    tpf: "Tokens per forward",
    accepted: "Drafted tokens that stood when they were verified",
    time: "From the request's arrival at the engine to its last token",
  },

  compareTitle: "Compare two variants",
  compareLead: "Both lanes get the same prompt and the same seed. Take any two variants; sampling and the settings of a decode mode come from the panel.",
  prompt: "Prompt",
  seed: "Seed",
  maxTokens: "Max tokens",
  order: "Lanes run",
  inTurn: "one after the other",
  atOnce: "at once",
  inTurnMeaning: "Fair timing: each lane has the machine for itself",
  atOnceMeaning: "The lanes share the machine, so each is slower",
  run: "Compare",
  stop: "Stop",
  /** @param {string} name */
  lane: (name) => `Lane ${name}`,
  /** @param {string} name */
  laneVariant: (name) => `Variant of lane ${name}`,
  takePanel: "Take panel settings",
  /** @param {string} name */
  takePanelFor: (name) => `Take panel settings into lane ${name}`,
  stopped: "Stopped",
  nothingYet: "The answer of this lane stands here.",
  waitsForOther: "Waits for the other lane",

  /** @param {number} number */
  identical: (number) => `Identical to autoregressive: all ${number} tokens`,
  /** @param {number} number @param {string} other */
  differs: (number, other) => `Differs from ${other} at token ${number}`,
  /** @param {number} number */
  same: (number) => `Both lanes gave the same ${number} tokens`,
  sameText: "Both lanes gave the same text",
  sameTextAsAutoregressive: "Same text as autoregressive",
  /** @param {number} number */
  textDiffers: (number) => `The texts differ at character ${number}`,
  autoregressive: "autoregressive",
  laneA: "lane A",
  /** @param {string} ratio */
  faster: (ratio) => `Lane B made tokens ${ratio} as fast as lane A`,
};

// How does the page ask the server about accounts? With the browser's cookies; what changes something also
// carries the token against forged requests. The token for the API lives in memory alone.

import { words } from "./words.js";

/**
 * @typedef {{ name: string, title: string, url: string }} Provider
 * @typedef {{ name: string, title: string }} Scope
 * @typedef {{ id: string, name: string, email: string }} User
 * @typedef {{ user: User | null, is_guest: boolean, is_single_user: boolean, tier: string | null,
 *   csrf_token: string, providers: Provider[], scopes: Scope[] }} Me
 * @typedef {{ id: string, name: string, head: string, tail: string, scopes: string[], models: string[],
 *   created: string, last_used: string | null, expires: string | null, successor: string | null,
 *   status: "active" | "expired" | "revoked" }} Key
 * @typedef {Key & { key: string }} NewKey
 * @typedef {{ name: string, limit: number, window: number, capacity: number, used: number,
 *   remaining: number, resets_in: number }} Limit
 * @typedef {{ day: string, variant: string, key_id: string, requests: number, prompt_tokens: number,
 *   completion_tokens: number }} Day
 * @typedef {{ tier: string, limits: Limit[], days: Day[],
 *   queue: { places: { position: number, seconds: number | null }[] } }} Usage
 * @typedef {{ name: string, requests_per_minute: number, burst: number, tokens_per_minute: number,
 *   tokens_per_day: number, in_flight: number }} Tier
 * @typedef {{ id: string, name: string, served: boolean, weights: Record<string, number> }} Model
 */

/** What the server refused, in its own words. */
export class Refused extends Error {
  /** @param {number} status @param {string} message */
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** @param {string} path @param {RequestInit} [options] */
async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Refused(0, words.unreachable);
  }
  const body = await response.json().catch(() => null);
  if (!response.ok) throw new Refused(response.status, body?.error?.message ?? words.failed);
  return body;
}

/** @type {Promise<Me> | null} */
let asked = null;

/** Who looks at the page; asked once. @returns {Promise<Me>} */
export function me() {
  asked ??= ask("/account/me");
  asked.catch(() => (asked = null));
  return asked;
}

/** @param {"POST" | "PATCH" | "DELETE"} method @param {string} path @param {unknown} [body] */
export async function change(method, path, body) {
  const headers = { "X-CSRF-Token": (await me()).csrf_token, "Content-Type": "application/json" };
  return ask(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
}

/** @returns {Promise<Key[]>} */
export const keys = async () => (await ask("/account/keys")).keys;

const MARGIN = 30_000;
let token = { text: "", ends: 0 };

/** What a call of the API carries. @returns {Promise<Record<string, string>>} */
export async function bearer() {
  if (token.ends - MARGIN < Date.now()) {
    const made = await change("POST", "/account/token");
    token = { text: made.token, ends: Date.parse(made.expires) };
  }
  return { Authorization: `Bearer ${token.text}` };
}

/** @param {number} [days] @returns {Promise<Usage>} */
export const usage = async (days = 1) => ask(`/v1/usage?days=${days}`, { headers: await bearer() });

/** @returns {Promise<{ data: Model[], tiers: Tier[] }>} */
export const models = async () => ask("/v1/models", { headers: await bearer() });

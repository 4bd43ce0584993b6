// How are numbers and times written?

const whole = new Intl.NumberFormat("en");
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const date = new Intl.DateTimeFormat("en", { dateStyle: "medium" });
const moment = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "short" });

/** A limit so high that nobody meets it. */
export const BOUNDLESS = 1e9;

/** @param {number} number */
export const count = (number) => whole.format(number);

/** @param {number} number */
export const compact = (number) => short.format(number);

/** @param {string} text */
export const asDate = (text) => date.format(new Date(text));

/** @param {string} text */
export const asMoment = (text) => moment.format(new Date(text));

/** `4 s`, `3 min`, `11 h 5 min`. @param {number} seconds */
export function duration(seconds) {
  if (seconds < 60) return `${Math.max(1, Math.ceil(seconds))} s`;
  const minutes = Math.ceil(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const rest = minutes % 60;
  return rest ? `${Math.floor(minutes / 60)} h ${rest} min` : `${minutes / 60} h`;
}

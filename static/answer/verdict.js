// Did two answers come out the same? Compared token by token where both tell their tokens' ids.

import { words } from "./words.js";

/** @typedef {import("./progress.js").Progress} Progress */

/**
 * What is said of two finished answers, and at which token they part.
 * @param {Progress} left @param {Progress} right
 * @param {boolean} isAutoregressive whether they differ in the decode mode alone, and one has none
 * @returns {{ isSame: boolean, text: string, place: number | null }}
 */
export function verdict(left, right, isAutoregressive) {
  const place = parting(left.ids, right.ids);
  if (hasIds(left) && hasIds(right)) {
    const number = left.tokens.length;
    if (place === null) return { isSame: true, text: isAutoregressive ? words.identical(number) : words.same(number), place };
    const other = isAutoregressive ? words.autoregressive : words.laneA;
    return { isSame: false, text: words.differs(place + 1, other), place };
  }
  const [one, another] = [left.reasoning + left.text, right.reasoning + right.text];
  if (one === another) return { isSame: true, text: isAutoregressive ? words.sameTextAsAutoregressive : words.sameText, place: null };
  return { isSame: false, text: words.textDiffers((parting([...one], [...another]) ?? 0) + 1), place: null };
}

/** @param {Progress} progress */
const hasIds = ({ ids }) => ids.length > 0 && ids.every((id) => id !== null);

/** @template Item @param {Item[]} left @param {Item[]} right @returns {number | null} */
function parting(left, right) {
  const longer = left.length > right.length ? left : right;
  const place = longer.findIndex((_, index) => left[index] !== right[index]);
  return place < 0 ? null : place;
}

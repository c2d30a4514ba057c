/** What a live session was as a whole: from its windows, as it may have taken several connections. */

import { joined } from "./formats.js";
import { segments } from "./words.js";

/** @typedef {import("./service.js").Answer} Answer */
/** @typedef {import("./service.js").Window} Window */

/**
 * The summary of the last connection, with what all windows say together.
 * @param {Answer} last
 * @param {Window[]} windows of all connections, with all of their probabilities
 * @returns {Answer}
 */
export function summed(last, windows) {
  const spoken = windows.flatMap(({ probabilities }) => (probabilities ? [probabilities] : []));
  const end = windows.at(-1)?.end_s ?? last.audio.duration_s;
  const whole = { ...last, timeline: windows, segments: joined(windows), audio: { ...last.audio, duration_s: end } };
  if (!spoken.length) return whole;
  const names = Object.keys(spoken[0] ?? {});
  const mean = names.map((name) => /** @type {[string, number]} */ ([name, spoken.reduce((sum, each) => sum + (each[name] ?? 0), 0) / spoken.length]));
  const [emotion, confidence] = mean.reduce((best, each) => (each[1] > best[1] ? each : best));
  const shares = Object.fromEntries(names.map((name) => [name, 0]));
  for (const { from, to, window } of segments(windows)) {
    if (window.emotion !== null) shares[window.emotion] = (shares[window.emotion] ?? 0) + (to - from) / end;
  }
  return { ...whole, emotion, confidence, probabilities: Object.fromEntries(mean), time_share: shares, reason: undefined };
}

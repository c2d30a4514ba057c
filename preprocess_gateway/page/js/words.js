/** Numbers and answers as text, and where the timeline's segments lie. */

/** @typedef {import("./service.js").Answer} Answer */
/** @typedef {import("./service.js").Window} Window */

const WARNINGS = /** @type {Readonly<Record<string, string>>} */ ({
  clipped: "The recording is too loud and distorted: the answer may be off. Move away from the microphone.",
  very_quiet: "The recording is very quiet: the answer may be off. Come nearer to the microphone.",
  damaged: "Part of the file is damaged and was left out.",
  low_sample_rate: "The recording lacks high tones (as from a telephone): the answer may be off.",
});

/** @param {number} share in 0..1 */
export function percent(share) {
  if (share > 0 && share < 0.01) return "<1 %";
  if (share < 1 && share > 0.99) return ">99 %";
  return `${Math.round(share * 100)} %`;
}

/** @param {number} seconds */
export function duration(seconds) {
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const rest = Math.floor(seconds % 60);
  return `${Math.floor(seconds / 60)} min${rest ? ` ${rest} s` : ""}`;
}

/** @param {number} milliseconds */
export function took(milliseconds) {
  return milliseconds < 1000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toFixed(1)} s`;
}

/** @param {string} code */
export function warning(code) {
  return WARNINGS[code] ?? `Remark of the service: ${code.replaceAll("_", " ")}.`;
}

/**
 * What is said of the whole clip.
 * @param {Answer} answer
 * @returns {{eyebrow: string, verdict: string, explanation: string}}
 */
export function verdict(answer) {
  const who = answer.channel ? `channel ${answer.channel}` : "the clip";
  const where = `In ${answer.channel ? who : "this clip"}`;
  const The = who.replace(/^./, (first) => first.toUpperCase());
  if (answer.emotion === null || answer.confidence === null) {
    return answer.reason === "no_speech"
      ? { eyebrow: where, verdict: "no speech was heard", explanation: "Where nobody speaks there is no emotion to name. Speak nearer to the microphone, or try another clip." }
      : { eyebrow: where, verdict: "no emotion was found", explanation: `The service says: ${answer.reason ?? "nothing"}.` };
  }
  const share = percent(answer.confidence);
  return answer.uncertain
    ? { eyebrow: `${The} may sound`, verdict: answer.emotion, explanation: `The model is not sure: its best guess has only ${share}. Do not rely on it.` }
    : { eyebrow: `${The} sounds`, verdict: answer.emotion, explanation: `${share} confident, says the model.` };
}

/**
 * Where each window is drawn, in seconds: windows overlap, so each keeps the middle of what it shares.
 * @param {readonly Window[]} timeline in order
 * @returns {{from: number, to: number, window: Window}[]}
 */
export function segments(timeline) {
  return timeline.map((window, index) => {
    const [before, after] = [timeline[index - 1], timeline[index + 1]];
    return {
      from: before ? (before.end_s + window.start_s) / 2 : window.start_s,
      to: after ? (window.end_s + after.start_s) / 2 : window.end_s,
      window,
    };
  });
}

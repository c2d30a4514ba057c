/** An answer as a file: JSON as the service sent it, CSV of the windows, WebVTT captions of the segments. */

import { segments } from "./words.js";

/** @typedef {import("./service.js").Answer} Answer */
/** @typedef {import("./service.js").Window} Window */
/** @typedef {import("./service.js").Segment} Segment */

// Those of the service's own CSV of a recording.
const COLUMNS = /** @type {const} */ (["channel", "start_s", "end_s", "emotion", "confidence", "uncertain", "reason", "probabilities"]);

/** @type {Readonly<Record<string, {type: string, write: (answer: Answer) => string}>>} */
export const FORMATS = {
  json: { type: "application/json", write: (answer) => `${JSON.stringify(answer, null, 1)}\n` },
  csv: { type: "text/csv", write: toCsv },
  vtt: { type: "text/vtt", write: toVtt },
};

/**
 * The windows of every channel, each told by its number where there are several.
 * @param {Answer} answer
 * @returns {Window[]}
 */
function windowsOf(answer) {
  const separate = (answer.channels ?? []).flatMap(({ channel, timeline }) => (timeline ?? []).map((window) => ({ ...window, channel })));
  return separate.length ? separate : answer.timeline ?? [];
}

/** @param {Answer} answer */
export function toCsv(answer) {
  const rows = windowsOf(answer).map((window) =>
    COLUMNS.map((name) => (name === "probabilities" && window.probabilities ? JSON.stringify(window.probabilities) : window[name])),
  );
  return [COLUMNS, ...rows].map((row) => `${row.map(cell).join(",")}\r\n`).join("");
}

/** @param {unknown} value */
function cell(value) {
  const text = value === null || value === undefined ? "" : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** @param {Answer} answer */
export function toVtt(answer) {
  const cues = segmentsOf(answer).map(({ start_s, end_s, emotion, confidence, uncertain, channel }) => {
    const voice = channel === undefined ? "" : `<v Channel ${channel}>`;
    const said = `${escaped(emotion)}${uncertain ? "?" : ""} ${Math.round(100 * confidence)}%`;
    return `${timestamp(start_s)} --> ${timestamp(Math.max(end_s, start_s + 0.001))}\n${voice}${said}\n\n`;
  });
  return `WEBVTT\n\n${cues.join("")}`;
}

/**
 * What has one emotion from its start to its end: as the service says, else joined from the windows.
 * @param {Answer} answer
 * @returns {Segment[]} in the order of their start
 */
export function segmentsOf(answer) {
  if (answer.segments) return answer.segments;
  const channels = answer.channels ?? [];
  if (!channels.length) return joined(answer.timeline ?? []);
  const each = channels.flatMap((one) => (one.segments ?? joined(one.timeline ?? [])).map((segment) => ({ ...segment, channel: one.channel })));
  return each.sort((a, b) => a.start_s - b.start_s || a.channel - b.channel);
}

/**
 * Neighbouring windows of one emotion as one segment; its confidence is their mean, weighted by their time.
 * @param {readonly Window[]} timeline
 * @returns {Segment[]}
 */
export function joined(timeline) {
  /** @type {Segment[]} */
  const found = [];
  let before = "";
  for (const { from, to, window } of segments(timeline)) {
    const { emotion, confidence } = window;
    const last = found.at(-1);
    if (emotion !== null && confidence !== null) {
      if (last && before === emotion) {
        last.confidence = (last.confidence * (last.end_s - last.start_s) + confidence * (to - from)) / (to - last.start_s);
        last.end_s = to;
        last.uncertain &&= Boolean(window.uncertain);
      } else found.push({ start_s: from, end_s: to, emotion, confidence, uncertain: Boolean(window.uncertain) });
    }
    before = emotion ?? "";
  }
  return found;
}

/** @param {string} text */
function escaped(text) {
  return text.replace(/\s+/g, " ").replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/** @param {number} seconds */
export function timestamp(seconds) {
  const whole = Math.round(seconds * 1000);
  const parts = [Math.floor(whole / 3_600_000), Math.floor(whole / 60_000) % 60, Math.floor(whole / 1000) % 60];
  return `${parts.map((part) => String(part).padStart(2, "0")).join(":")}.${String(whole % 1000).padStart(3, "0")}`;
}

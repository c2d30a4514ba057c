/** The answer for the whole clip, and the timeline's segments, as elements. */

import { term } from "./meanings.js";
import { options } from "./options.js";
import { element, make } from "./page.js";
import { duration, percent, segments, took, verdict, warning } from "./words.js";

/** @typedef {import("./service.js").Answer} Answer */

const HUES = 10;

/**
 * @param {Answer} answer
 * @param {number | null} tookMs null: while it was spoken
 * @returns {string} a sentence for those who listen
 */
export function showResult(answer, tookMs) {
  const words = verdict(answer);
  element("eyebrow").textContent = words.eyebrow;
  const heading = element("verdict");
  heading.textContent = words.verdict;
  if (answer.uncertain) heading.append(make("span", "uncertain", "badge"));
  element("explanation").textContent = words.explanation;
  const warnings = (answer.warnings ?? []).map((code) => make("li", warning(code)));
  element("warnings").replaceChildren(...warnings);
  element("warnings").hidden = !warnings.length;
  const shares = bars(answer);
  element("bars").replaceChildren(...shares);
  element("bars-title").textContent = answer.time_share ? "Share of the time that sounds like each emotion" : "How strongly it sounds like each emotion";
  element("bars-title").hidden = !shares.length;
  element("facts").replaceChildren(...facts(answer, tookMs));
  element("result").hidden = false;
  return `${words.eyebrow} ${words.verdict}. ${words.explanation}`;
}

/**
 * @param {Answer} answer
 * @param {number} seconds the width's
 * @param {(at: number) => void} seek
 * @returns {(at: number) => void} call it with the playhead's position
 */
export function showTimeline(answer, seconds, seek) {
  const list = element("timeline");
  const parts = segments(answer.timeline ?? []);
  list.hidden = !parts.length;
  const hues = hueOf(answer);
  const buttons = parts.map(({ from, to, window }) => {
    const item = make("li", "");
    const name = window.emotion ?? "no speech";
    const share = window.confidence === null ? "" : percent(window.confidence);
    const button = make("button", "");
    button.setAttribute("type", "button");
    const span = `, from ${duration(window.start_s)} to ${duration(window.end_s)}`;
    button.append(make("span", name), " ", make("small", share), make("span", span, "hidden"));
    button.addEventListener("click", () => seek(from));
    item.append(button);
    item.style.left = `${(100 * from) / seconds}%`;
    item.style.width = `${(100 * (to - from)) / seconds}%`;
    item.style.setProperty("--hue", hues(window.emotion));
    item.classList.toggle("none", window.emotion === null);
    list.append(item);
    return button;
  });
  list.replaceChildren(...buttons.map((button) => /** @type {HTMLElement} */ (button.parentElement)));
  return (at) => follow(parts, buttons, at);
}

/**
 * @param {ReturnType<typeof segments>} parts
 * @param {HTMLElement[]} buttons
 * @param {number} at
 */
function follow(parts, buttons, at) {
  const last = parts.length - 1;
  const current = parts.findIndex(({ to }, index) => at < to || index === last);
  buttons.forEach((button, index) => {
    if (index === current) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  });
  const now = element("now");
  const window = parts[current]?.window;
  now.hidden = !window;
  if (!window) return;
  const share = window.confidence === null ? "" : ` ${percent(window.confidence)}`;
  now.replaceChildren(`At ${duration(at)}: `, make("strong", (window.emotion ?? "no speech") + share));
}

/**
 * The most probable first; of a recording, what takes most of its time.
 * @param {Answer} answer
 */
function bars(answer) {
  const hues = hueOf(answer);
  const sorted = Object.entries(answer.time_share ?? answer.probabilities ?? {}).sort(([, a], [, b]) => b - a);
  return sorted.slice(0, options().top).map(([label, share]) => {
    const item = make("li", "");
    item.style.setProperty("--hue", hues(label));
    const track = make("span", "", "track");
    track.setAttribute("aria-hidden", "true");
    const bar = make("div", "", "bar");
    bar.style.width = `${100 * share}%`;
    track.append(bar);
    item.append(term(label), track, make("span", percent(share), "percent"));
    return item;
  });
}

/**
 * @param {Answer} answer
 * @param {number | null} tookMs null: while it was spoken
 */
function facts({ model, audio, request_id: id }, tookMs) {
  const kilohertz = `${audio.sample_rate / 1000} kHz`;
  const channels = audio.channels === 1 ? "mono" : `${audio.channels} channels`;
  const card = make("a", `${model.name}, version ${model.version}`);
  card.setAttribute("href", `card?${new URLSearchParams({ model: model.name, version: String(model.version) })}`);
  const shown = {
    Model: [card, ` (${model.label})`],
    Heard: [[duration(audio.duration_s), kilohertz, channels, audio.format].filter(Boolean).join(", ")],
    ...(tookMs === null ? {} : { "Time taken": [took(tookMs)] }),
    Request: [id],
  };
  return Object.entries(shown).map(([name, value]) => {
    const group = make("div", "");
    const described = make("dd", "");
    described.append(...value);
    group.append(make("dt", name), described);
    return group;
  });
}

/**
 * A colour for each of the model's labels, whatever they are.
 * @param {Answer} answer
 * @returns {(label: string | null) => string}
 */
export function hueOf(answer) {
  const labels = Object.keys(answer.time_share ?? answer.probabilities ?? {});
  return (label) => {
    const index = label === null ? -1 : labels.indexOf(label);
    return index < 0 ? "var(--line)" : `var(--hue-${index % HUES})`;
  };
}

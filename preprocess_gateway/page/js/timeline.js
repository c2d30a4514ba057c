/** The timeline of what is long or still goes on: it scrolls and zooms, and a click plays a segment. */

import { joined, segmentsOf } from "./formats.js";
import { element, make } from "./page.js";
import { duration, percent } from "./words.js";

/** @typedef {import("./service.js").Segment} Segment */
/** @typedef {import("./service.js").Window} Window */

const DRAW_MS = 400;
const FINEST = 60; // pixels per second
const STEPS_S = [1, 2, 5, 10, 30, 60, 300, 600, 1800, 3600];
const APART = 80; // pixels between two times, at least
const HUES = 10;

export class Timeline {
  constructor() {
    this.track = element("track");
    this.scroll = element("scroll");
    /** @type {Segment[]} */
    this.segments = [];
    /** @type {Window[]} */
    this.windows = [];
    /** @type {string[]} */
    this.emotions = [];
    /** @type {((from: number, to: number) => void) | null} */
    this.play = null;
    this.seconds = 0;
    this.zoom = 1;
    this.at = -1;
    this.drawn = 0;
    element("zoom-in").addEventListener("click", () => this.zoomTo(this.zoom * 2));
    element("zoom-out").addEventListener("click", () => this.zoomTo(this.zoom / 2));
    this.track.addEventListener("keydown", (event) => this.step(event));
    new ResizeObserver(() => this.draw()).observe(this.scroll);
  }

  /**
   * @param {number} seconds as far as known
   * @param {((from: number, to: number) => void) | null} play what a click on a segment does; null: nothing can be played
   */
  begin(seconds, play) {
    Object.assign(this, { segments: [], windows: [], emotions: [], seconds, play, zoom: 1, at: -1 });
    element("long").hidden = false;
    this.draw();
  }

  /** @param {Window} window the next one */
  add(window) {
    this.windows.push(window);
    if (window.probabilities && !this.emotions.length) this.emotions = Object.keys(window.probabilities);
    this.grow(window.end_s);
  }

  /** @param {number} seconds heard */
  grow(seconds) {
    this.seconds = Math.max(this.seconds, seconds);
    if (performance.now() - this.drawn > DRAW_MS) this.join();
  }

  /** The windows as segments, each channel for itself. */
  join() {
    const channels = [...new Set(this.windows.map(({ channel }) => channel))];
    const each = channels.flatMap((channel) =>
      joined(this.windows.filter((window) => window.channel === channel)).map((segment) => (channel ? { ...segment, channel } : segment)),
    );
    this.segments = each.sort((a, b) => a.start_s - b.start_s);
    this.draw();
  }

  /** @param {import("./service.js").Answer} answer the whole, at its end */
  end(answer) {
    const shares = answer.time_share ?? answer.channels?.[0]?.time_share;
    if (shares) this.emotions = Object.keys(shares);
    this.segments = segmentsOf(answer);
    this.seconds = Math.max(this.seconds, answer.audio.duration_s);
    this.draw();
  }

  /** @param {number} zoom times as wide as the page shows */
  zoomTo(zoom) {
    const { scrollLeft, clientWidth } = this.scroll;
    const middle = (scrollLeft + clientWidth / 2) / this.zoom;
    const most = Math.max(1, (this.seconds * FINEST) / clientWidth);
    this.zoom = Math.max(1, Math.min(zoom, most));
    this.draw();
    this.scroll.scrollLeft = middle * this.zoom - clientWidth / 2;
  }

  draw() {
    this.drawn = performance.now();
    const width = this.scroll.clientWidth;
    if (!width) return;
    const rows = Math.max(1, ...this.segments.map(({ channel }) => channel ?? 1));
    this.track.style.width = `${100 * this.zoom}%`;
    this.track.style.setProperty("--rows", String(rows));
    while (this.track.children.length > this.segments.length) this.track.lastElementChild?.remove();
    this.segments.forEach((segment, index) => this.drawSegment(segment, index));
    this.drawTimes(width * this.zoom);
    const most = this.zoom * 2 * width > this.seconds * FINEST;
    /** @type {HTMLButtonElement} */ (element("zoom-in")).disabled = most;
    /** @type {HTMLButtonElement} */ (element("zoom-out")).disabled = this.zoom <= 1;
    this.mark();
  }

  /**
   * @param {Segment} segment
   * @param {number} index
   */
  drawSegment(segment, index) {
    const item = /** @type {HTMLElement} */ (this.track.children[index] ?? this.track.appendChild(this.made(index)));
    const { start_s: from, end_s: to, emotion, confidence, channel, uncertain } = segment;
    const span = Math.max(this.seconds, 0.001);
    item.style.left = `${(100 * from) / span}%`;
    item.style.width = `${(100 * (to - from)) / span}%`;
    item.style.setProperty("--row", String((channel ?? 1) - 1));
    item.style.setProperty("--hue", `var(--hue-${Math.max(0, this.emotions.indexOf(emotion)) % HUES})`);
    item.classList.toggle("unsure", uncertain);
    const pressed = /** @type {HTMLButtonElement} */ (item.firstElementChild);
    const where = `, from ${duration(from)} to ${duration(to)}${channel ? `, channel ${channel}` : ""}`;
    const text = `${emotion} ${percent(confidence)}${where}`;
    if (pressed.textContent !== text) {
      pressed.replaceChildren(make("span", emotion), " ", make("small", percent(confidence)), make("span", where, "hidden"));
    }
  }

  /** @param {number} index */
  made(index) {
    const item = make("li", "");
    const pressed = make("button", "");
    pressed.setAttribute("type", "button");
    pressed.tabIndex = index ? -1 : 0; // one stop of the Tab key for all: arrows go on from there
    pressed.addEventListener("click", () => {
      this.stop(pressed);
      const segment = this.segments[index];
      if (segment) this.play?.(segment.start_s, segment.end_s);
    });
    item.append(pressed);
    return item;
  }

  /** @param {KeyboardEvent} event */
  step(event) {
    const by = /** @type {Record<string, number>} */ ({ ArrowRight: 1, ArrowLeft: -1 })[event.key];
    const item = document.activeElement?.parentElement;
    if (!by || item?.parentElement !== this.track) return;
    const next = by > 0 ? item.nextElementSibling : item.previousElementSibling;
    if (!next) return;
    event.preventDefault();
    const pressed = /** @type {HTMLElement} */ (next.firstElementChild);
    this.stop(pressed);
    pressed.focus();
  }

  /** @param {HTMLElement} pressed where the Tab key stops from now on */
  stop(pressed) {
    for (const other of this.track.querySelectorAll("button")) other.tabIndex = -1;
    pressed.tabIndex = 0;
  }

  /** @param {number} width in pixels */
  drawTimes(width) {
    const step = STEPS_S.find((seconds) => (seconds * width) / this.seconds >= APART) ?? 7200;
    const count = this.seconds ? Math.floor(this.seconds / step) + 1 : 0;
    const times = Array.from({ length: Math.min(count, 2000) }, (_, n) => {
      const time = make("span", clock(n * step));
      time.style.left = `${(100 * n * step) / this.seconds}%`;
      return time;
    });
    element("times").style.width = `${100 * this.zoom}%`;
    element("times").replaceChildren(...times);
  }

  /** @param {number} at the playhead's position */
  follow(at) {
    this.at = at;
    this.mark();
    const x = (at / Math.max(this.seconds, 0.001)) * this.scroll.scrollWidth;
    const { scrollLeft, clientWidth } = this.scroll;
    if (at > 0 && (x < scrollLeft || x > scrollLeft + clientWidth)) this.scroll.scrollLeft = x - clientWidth / 4;
  }

  mark() {
    const line = element("playhead");
    line.hidden = this.at < 0;
    line.style.left = `${(100 * this.zoom * this.at) / Math.max(this.seconds, 0.001)}%`;
    this.segments.forEach(({ start_s: from, end_s: to }, index) => {
      const pressed = this.track.children[index]?.firstElementChild;
      if (from <= this.at && this.at < to) pressed?.setAttribute("aria-current", "true");
      else pressed?.removeAttribute("aria-current");
    });
  }
}

/** @param {number} seconds */
function clock(seconds) {
  const [minutes, rest] = [Math.floor(seconds / 60), String(seconds % 60).padStart(2, "0")];
  return minutes < 60 ? `${minutes}:${rest}` : `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${rest}`;
}

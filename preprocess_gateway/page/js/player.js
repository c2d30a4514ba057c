/** The clip as it plays: picture, playhead, button and slider kept together. */

import { Columns } from "./columns.js";
import { Picture } from "./picture.js";
import { element } from "./page.js";
import { SAMPLE_RATE } from "./samples.js";
import { duration } from "./words.js";

const LIVE_COLUMNS = 375; // six seconds

export class Player {
  constructor() {
    this.audio = /** @type {HTMLAudioElement} */ (element("audio"));
    this.seeker = /** @type {HTMLInputElement} */ (element("seek"));
    this.button = element("play");
    this.canvas = /** @type {HTMLCanvasElement} */ (element("picture"));
    this.picture = new Picture(this.canvas);
    this.seconds = 0;
    this.until = Infinity; // where a part that plays ends
    /** @type {Columns | null} */
    this.live = null;
    /** @type {(at: number) => void} */
    this.follow = () => {};
    this.listen();
  }

  listen() {
    this.button.addEventListener("click", () => (this.audio.paused ? void this.play() : this.audio.pause()));
    this.seeker.addEventListener("input", () => this.seek(Number(this.seeker.value)));
    this.canvas.addEventListener("click", (event) => {
      if (this.seconds) this.seek((event.offsetX / this.canvas.clientWidth) * this.seconds);
    });
    for (const name of ["play", "pause", "ended", "seeked"]) this.audio.addEventListener(name, () => this.update());
    this.audio.addEventListener("play", () => this.animate());
    const redraw = () => {
      this.picture.render();
      this.update();
    };
    new ResizeObserver(redraw).observe(this.canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  }

  /**
   * @param {string} name
   * @param {Blob} file
   * @param {Float32Array | null} samples null: there is no picture, and nothing to play
   */
  load(name, file, samples) {
    this.live = null;
    this.until = Infinity;
    this.follow = () => {};
    URL.revokeObjectURL(this.audio.src);
    element("clip-title").textContent = name;
    element("no-picture").hidden = samples !== null;
    element("transport").hidden = samples === null;
    this.canvas.hidden = samples === null;
    element("clip").hidden = false;
    this.seconds = samples ? samples.length / SAMPLE_RATE : 0;
    if (!samples) return;
    this.audio.src = URL.createObjectURL(file);
    this.seeker.max = String(this.seconds);
    this.canvas.setAttribute("aria-label", `Waveform and spectrogram of ${name}, ${duration(this.seconds)}`);
    const columns = new Columns(SAMPLE_RATE);
    columns.push(samples);
    columns.finish();
    this.picture.set(columns.all);
    this.update();
  }

  /**
   * A file that is too long to be drawn: it plays from where it lies.
   * @param {string} name
   * @param {Blob} file
   * @param {number | null} seconds null: it cannot be played
   */
  loadLong(name, file, seconds) {
    this.load(name, file, null);
    element("no-picture").hidden = true;
    this.seconds = seconds ?? 0;
    element("transport").hidden = seconds === null;
    if (seconds === null) return;
    this.audio.src = URL.createObjectURL(file);
    this.seeker.max = String(seconds);
    this.update();
  }

  /**
   * Draw what is being recorded, from now on.
   * @param {boolean} [drawn] whether there will be samples to draw
   */
  startLive(drawn = true) {
    this.audio.pause();
    this.seconds = 0;
    this.live = null;
    element("clip-title").textContent = "Recording";
    element("no-picture").hidden = true;
    for (const id of ["transport", "timeline", "now"]) element(id).hidden = true;
    this.canvas.hidden = !drawn;
    this.canvas.setAttribute("aria-label", "Waveform and spectrogram of what is being recorded");
    element("clip").hidden = false;
  }

  /**
   * @param {Float32Array} samples
   * @param {number} rate
   */
  drawLive(samples, rate) {
    this.live ??= new Columns(rate);
    this.live.push(samples);
    this.picture.set(this.live.all.slice(-LIVE_COLUMNS), LIVE_COLUMNS);
  }

  async play() {
    try {
      await this.audio.play();
    } catch {
      this.update(); // the browser wants a click first, or the clip was replaced: the button is there
    }
  }

  /**
   * Play a part, and stop at its end.
   * @param {number} from in seconds
   * @param {number} to in seconds
   */
  async playFrom(from, to) {
    this.seek(from);
    this.until = to;
    await this.play();
  }

  /** @param {number} at in seconds */
  seek(at) {
    this.until = Infinity;
    this.audio.currentTime = Math.max(0, Math.min(at, this.seconds));
    this.update();
  }

  animate() {
    this.update();
    if (!this.audio.paused) requestAnimationFrame(() => this.animate());
  }

  update() {
    if (!this.seconds || this.live) return;
    const at = Math.min(this.audio.currentTime, this.seconds);
    if (at >= this.until) {
      this.until = Infinity;
      this.audio.pause();
    }
    const resting = this.audio.paused && (at === 0 || this.audio.ended);
    this.picture.show(resting ? null : at / this.seconds);
    this.seeker.value = String(at);
    this.seeker.setAttribute("aria-valuetext", `${duration(at)} of ${duration(this.seconds)}`);
    element("time").textContent = `${at.toFixed(1)} / ${duration(this.seconds)}`;
    this.button.classList.toggle("playing", !this.audio.paused);
    this.button.setAttribute("aria-label", this.audio.paused ? "Play" : "Pause");
    this.follow(at);
  }
}

/** A live stream to the service: samples go out, windows come in; it goes on where a connection ends. */

import { Problem } from "./problems.js";

const READY_MS = 10_000;
const END_MS = 15_000;
const RETRY_MS = 250; // doubled each time
const RETRIES = 5;
const FIRST_RETRIES = 1;
const KEPT_S = 25;
const AHEAD_SHARE = 0.8; // of the sound that the service takes ahead of real time: its clock begins at another time
const [LOST, RESTART, TRY_LATER] = [1006, 1012, 1013];

/**
 * @typedef {import("./service.js").Window} Window
 * @typedef {import("./service.js").Answer} Answer
 * @typedef {{emotion: string, confidence: number, at_s: number}} Now
 * @typedef {{window: (window: Window) => void, now: (now: Now) => void, connected: (again: boolean) => void, lost: () => void}} Listener
 */

export class LiveStream {
  /**
   * @param {() => WebSocket} open a new connection
   * @param {number} rate of the samples, in Hz
   * @param {Listener} on
   */
  constructor(open, rate, on) {
    this.open = open;
    this.rate = rate;
    this.on = on;
    /** @type {{at: number, data: Int16Array}[]} samples that a new connection may need; `at` counts from the first */
    this.kept = [];
    this.heard = 0; // samples that were spoken
    this.resume = 0; // every window that starts earlier, in seconds, is answered
    this.stride = 0;
    this.most = KEPT_S; // seconds that are kept for a new connection
    this.retries = 0;
    this.opened = false;
    this.ready = false;
    this.everReady = false;
    this.finishing = false;
    /** @type {Problem | null} */
    this.said = null;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    /** @type {Promise<Answer>} settled when the stream is over: the summary, or a Problem */
    this.over = new Promise((resolve, reject) => Object.assign(this, { resolve, reject }));
    this.over.catch(() => {}); // whoever finishes hears of it
    this.connect();
  }

  /** @type {(answer: Answer) => void} */
  resolve = () => {};
  /** @type {(problem: Problem) => void} */
  reject = () => {};

  connect() {
    this.opened = this.ready = false;
    const socket = this.open();
    this.socket = socket;
    this.timer = setTimeout(() => socket.close(), READY_MS);
    socket.onopen = () => {
      this.opened = true;
      this.bound();
      const start = { type: "start", sample_rate: this.rate, encoding: "pcm_s16le", channels: 1, start_s: this.resume };
      socket.send(JSON.stringify(start));
    };
    socket.onmessage = ({ data }) => this.hear(JSON.parse(data));
    socket.onclose = ({ code }) => this.closed(code);
  }

  /** @param {Float32Array} samples */
  send(samples) {
    const data = Int16Array.from(samples, (sample) => Math.round(32767 * Math.max(-1, Math.min(1, sample))));
    this.kept.push({ at: this.heard, data });
    this.heard += data.length;
    if (!this.opened) this.bound(); // the service knows where an open connection begins
    if (this.ready) this.socket?.send(data);
  }

  /** What is older than a new connection takes is given up. */
  bound() {
    this.resume = Math.max(this.resume, this.heard / this.rate - this.most);
    this.trim();
  }

  trim() {
    const from = Math.round(this.resume * this.rate);
    while (this.kept[0] && this.kept[0].at + this.kept[0].data.length <= from) this.kept.shift();
  }

  /** @param {any} message of the service */
  hear(message) {
    const known = /** @type {Record<string, (message: any) => void>} */ ({
      ready: (ready) => this.begun(ready),
      window: (window) => {
        this.retries = 0;
        this.resume = Math.max(this.resume, window.start_s + this.stride);
        this.trim();
        this.on.window(window);
      },
      now: (now) => this.on.now(now),
      end: ({ summary }) => this.end(() => this.resolve(summary)),
      error: (error) => {
        this.said = new Problem(error.code, { detail: error.detail, requestId: error.request_id });
        this.resume = error.resume_s ?? this.resume;
      },
    });
    known[message.type]?.(message);
  }

  /** @param {{stride_s: number, ahead_s: number}} ready */
  begun(ready) {
    clearTimeout(this.timer);
    this.stride = ready.stride_s;
    this.most = Math.min(KEPT_S, AHEAD_SHARE * ready.ahead_s);
    const from = Math.round(this.resume * this.rate);
    for (const { at, data } of this.kept) this.socket?.send(data.subarray(Math.max(0, from - at)));
    this.on.connected(this.everReady);
    this.ready = this.everReady = true;
    if (this.finishing) this.socket?.send(JSON.stringify({ type: "finish" }));
  }

  /** @param {number} code of the connection's end */
  closed(code) {
    clearTimeout(this.timer);
    this.opened = this.ready = false;
    if (!this.socket) return;
    const again = [LOST, RESTART, TRY_LATER, 1000, 1005].includes(code) && this.retries < (this.everReady ? RETRIES : FIRST_RETRIES);
    if (!again) {
      const problem = this.said ?? new Problem(this.everReady ? "stream_lost" : "stream_refused");
      this.end(() => this.reject(problem));
      return;
    }
    if (this.everReady) this.on.lost();
    this.said = null;
    this.timer = setTimeout(() => this.connect(), RETRY_MS * 2 ** this.retries);
    this.retries += 1;
  }

  /** @returns {Promise<Answer>} the summary of what this connection heard; rejects with a Problem */
  finish() {
    this.finishing = true;
    if (this.ready) this.socket?.send(JSON.stringify({ type: "finish" }));
    const late = setTimeout(() => this.end(() => this.reject(new Problem("stream_lost"))), END_MS);
    return this.over.finally(() => clearTimeout(late));
  }

  /** Hang up; nothing is said any more. */
  close() {
    this.end(() => {});
  }

  /** @param {() => void} settle */
  end(settle) {
    const { socket } = this;
    this.socket = undefined;
    clearTimeout(this.timer);
    socket?.close();
    settle();
  }
}

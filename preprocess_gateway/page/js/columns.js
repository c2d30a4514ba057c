/** Sound as columns of a picture: per 16 ms its lowest and highest sample, and its spectrum up to 8 kHz. */

import { Spectrum } from "./fft.js";

export const COLUMN_S = 0.016;
const TOP_HZ = 8000;
const FRAME_S = 0.032;
const [FLOOR_DB, CEILING_DB] = [-90, -20];

/** @typedef {{low: number, high: number, levels: Uint8Array}} Column levels: 0 (quiet) to 255, from low to high */

export class Columns {
  /** @param {number} rate in Hz */
  constructor(rate) {
    this.hop = Math.round(rate * COLUMN_S);
    this.spectrum = new Spectrum(2 ** Math.round(Math.log2(rate * FRAME_S)));
    this.bins = Math.min(this.spectrum.size / 2, Math.ceil((TOP_HZ * this.spectrum.size) / rate));
    /** @type {Column[]} */
    this.all = [];
    this.rest = new Float32Array(0);
  }

  /**
   * Go on with more samples; a column waits until the whole of its spectrum's frame is there.
   * @param {Float32Array} samples
   */
  push(samples) {
    const waiting = new Float32Array(this.rest.length + samples.length);
    waiting.set(this.rest);
    waiting.set(samples, this.rest.length);
    let start = 0;
    for (; start + this.spectrum.size <= waiting.length; start += this.hop) this.all.push(this.column(waiting, start));
    this.rest = waiting.slice(start);
  }

  /** The columns that still wait for samples, as if silence followed. */
  finish() {
    for (let start = 0; start < this.rest.length; start += this.hop) this.all.push(this.column(this.rest, start));
    this.rest = new Float32Array(0);
  }

  /**
   * @param {Float32Array} samples
   * @param {number} start
   * @returns {Column}
   */
  column(samples, start) {
    let [low, high] = [0, 0];
    for (const sample of samples.subarray(start, start + this.hop)) {
      low = Math.min(low, sample);
      high = Math.max(high, sample);
    }
    const decibels = this.spectrum.decibels(samples, start);
    const levels = Uint8Array.from({ length: this.bins }, (_, bin) => {
      const share = ((decibels[bin] ?? FLOOR_DB) - FLOOR_DB) / (CEILING_DB - FLOOR_DB);
      return Math.round(255 * Math.max(0, Math.min(1, share)));
    });
    return { low, high, levels };
  }
}

/** The bundled sample: a buzz with formants and syllables, made here. It is no recording of anyone. */

import { SAMPLE_RATE } from "./samples.js";

const TAU = 2 * Math.PI;

/** @typedef {{seconds: number, pitch: number, vibrato: number, syllables: number}} Phrase pitch in Hz, syllables per second */

/** @type {readonly Phrase[]} */
const PHRASES = [
  { seconds: 5.5, pitch: 115, vibrato: 0.01, syllables: 2.2 },
  { seconds: 6.5, pitch: 240, vibrato: 0.06, syllables: 4.5 },
];

/** @returns {Float32Array<ArrayBuffer>} the same twelve seconds on every call, peak 0.5 */
export function makeSample() {
  const random = generator(1);
  const sound = PHRASES.flatMap((phrase) => Array.from(speak(phrase, random)));
  const peak = sound.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
  return Float32Array.from(sound, (sample) => (0.5 * sample) / peak);
}

/**
 * Harmonics of a wavering pitch under two formants, cut into syllables, with a breath of noise.
 * @param {Phrase} phrase
 * @param {() => number} random
 */
function* speak(phrase, random) {
  const length = Math.round(phrase.seconds * SAMPLE_RATE);
  const harmonics = Math.floor(4000 / phrase.pitch);
  let phase = 0;
  for (let n = 0; n < length; n += 1) {
    const time = n / SAMPLE_RATE;
    const pitch = phrase.pitch * (1 + phrase.vibrato * Math.sin(TAU * 5 * time)) * (1 - 0.12 * (time / phrase.seconds));
    phase += (TAU * pitch) / SAMPLE_RATE;
    const syllable = Math.sqrt(Math.max(0, Math.sin(TAU * phrase.syllables * time * 0.5) ** 2 - 0.15));
    let sample = 0;
    for (let k = 1; k <= harmonics; k += 1) sample += (gain(k * pitch, time) / k) * Math.sin(k * phase);
    yield sample * syllable + 0.004 * (random() - 0.5);
  }
}

/**
 * @param {number} hertz
 * @param {number} time in seconds
 */
function gain(hertz, time) {
  const first = (hertz - 600 - 300 * Math.sin(TAU * 1.3 * time)) / 250;
  const second = (hertz - 1700 - 200 * Math.sin(TAU * 0.7 * time)) / 300;
  return Math.exp(-first * first) + 0.7 * Math.exp(-second * second) + 0.05;
}

/**
 * Numbers in 0..1, the same for a seed (Mulberry32).
 * @param {number} seed
 * @returns {() => number}
 */
function generator(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

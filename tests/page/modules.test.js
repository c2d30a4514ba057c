// The page's modules that touch no document, under node's own test runner.
import assert from "node:assert/strict";
import { test } from "node:test";

import { ofChannel } from "../../preprocess_gateway/page/js/channels.js";
import { Columns } from "../../preprocess_gateway/page/js/columns.js";
import { Spectrum } from "../../preprocess_gateway/page/js/fft.js";
import { WORDS, wordsFor } from "../../preprocess_gateway/page/js/problems.js";
import { within } from "../../preprocess_gateway/page/js/waiting.js";
import { encodeWav, join } from "../../preprocess_gateway/page/js/wav.js";
import { duration, percent, segments, took, verdict, warning } from "../../preprocess_gateway/page/js/words.js";

/**
 * @param {number} hertz
 * @param {number} length
 * @param {number} rate
 */
function sine(hertz, length, rate) {
  return Float32Array.from({ length }, (_, n) => Math.sin((2 * Math.PI * hertz * n) / rate));
}

test("a WAV has its header, and samples rounded and clipped to 16 bits", async () => {
  const bytes = await encodeWav(Float32Array.of(0, 0.5, -1, 2, -2), 16_000).arrayBuffer();
  const view = new DataView(bytes);
  const text = (/** @type {number} */ at) => String.fromCharCode(...new Uint8Array(bytes, at, 4));
  assert.deepEqual([text(0), text(8), text(12), text(36)], ["RIFF", "WAVE", "fmt ", "data"]);
  assert.equal(view.getUint32(4, true), bytes.byteLength - 8);
  assert.deepEqual([view.getUint16(20, true), view.getUint16(22, true), view.getUint32(24, true)], [1, 1, 16_000]);
  assert.equal(view.getUint32(40, true), 10);
  const samples = [0, 1, 2, 3, 4].map((n) => view.getInt16(44 + 2 * n, true));
  assert.deepEqual(samples, [0, 16384, -32767, 32767, -32767]);
});

test("chunks are joined in order", () => {
  assert.deepEqual([...join([Float32Array.of(1, 2), new Float32Array(0), Float32Array.of(3)])], [1, 2, 3]);
});

test("a sine of full scale is at 0 dB in its own bin, and the transform is the discrete Fourier transform", () => {
  const size = 64;
  const decibels = new Spectrum(size).decibels(sine(8, size, size), 0);
  assert.ok(Math.abs(/** @type {number} */ (decibels[8])) < 1e-3);
  assert.ok(/** @type {number} */ (decibels[20]) < -100);
  const spectrum = new Spectrum(16);
  const samples = Float32Array.from({ length: 16 }, (_, n) => ((n * 7) % 11) / 11 - 0.4);
  spectrum.load(samples, 0);
  spectrum.transform();
  for (let k = 0; k < 16; k += 1) {
    let [real, imaginary] = [0, 0];
    samples.forEach((sample, n) => {
      const value = sample * (0.5 - 0.5 * Math.cos((2 * Math.PI * n) / 16));
      real += value * Math.cos((2 * Math.PI * k * n) / 16);
      imaginary -= value * Math.sin((2 * Math.PI * k * n) / 16);
    });
    assert.ok(Math.hypot(real - (spectrum.real[k] ?? 9), imaginary - (spectrum.imaginary[k] ?? 9)) < 1e-5, `bin ${k}`);
  }
  assert.throws(() => new Spectrum(48), RangeError);
});

for (const rate of [16_000, 44_100, 48_000]) {
  test(`columns at ${rate} Hz find a tone, whatever the chunks`, () => {
    const tone = sine(1000, rate, rate).map((sample) => sample * 0.05); // below the brightest level
    const [whole, parts] = [new Columns(rate), new Columns(rate)];
    whole.push(tone);
    for (let at = 0; at < tone.length; at += 1000) parts.push(tone.subarray(at, at + 1000));
    for (const columns of [whole, parts]) columns.finish();
    assert.deepEqual(parts.all, whole.all);
    assert.equal(whole.all.length, Math.ceil(rate / whole.hop));
    const { low, high, levels } = /** @type {import("../../preprocess_gateway/page/js/columns.js").Column} */ (whole.all[20]);
    assert.ok(low < -0.049 && high > 0.049);
    const loudest = levels.indexOf(Math.max(...levels));
    assert.ok(Math.abs((loudest * rate) / whole.spectrum.size - 1000) <= rate / whole.spectrum.size);
  });
}

test("numbers are written for people, and never rounded to certainty", () => {
  assert.deepEqual([0, 0.004, 0.416, 0.997, 1].map(percent), ["0 %", "<1 %", "42 %", ">99 %", "100 %"]);
  assert.deepEqual([1.24, 60, 75.9].map(duration), ["1.2 s", "1 min", "1 min 15 s"]);
  assert.deepEqual([142.4, 2340].map(took), ["142 ms", "2.3 s"]);
});

/** @param {Partial<import("../../preprocess_gateway/page/js/service.js").Answer>} more */
function answer(more) {
  const model = { name: "m", version: 1, label: "stable" };
  const audio = { duration_s: 1, sample_rate: 16_000, channels: 1 };
  return { emotion: "calm", confidence: 0.4, probabilities: { calm: 0.4 }, request_id: "r", model, audio, ...more };
}

test("doubt and silence are said, not hidden", () => {
  assert.match(verdict(answer({})).explanation, /40 % confident/);
  assert.match(verdict(answer({ uncertain: true })).explanation, /not sure: its best guess has only 40 %/);
  const silent = { emotion: null, confidence: null, probabilities: null };
  assert.equal(verdict(answer({ ...silent, reason: "no_speech" })).verdict, "no speech was heard");
  assert.match(verdict(answer({ ...silent, reason: "new_reason" })).explanation, /new_reason/);
  assert.match(warning("very_quiet"), /quiet/);
  assert.match(warning("some_new_code"), /some new code/);
});

test("windows that overlap share the middle, and together cover the clip", () => {
  const window = (/** @type {number} */ start, /** @type {number} */ end) => ({ start_s: start, end_s: end, emotion: "calm", confidence: 1, probabilities: null });
  const drawn = segments([window(0, 6), window(3, 9), window(6, 10)]).map(({ from, to }) => [from, to]);
  assert.deepEqual(drawn, [[0, 4.5], [4.5, 7.5], [7.5, 10]]);
  assert.deepEqual(segments([]), []);
});

test("every problem has a title and says what to do; an unknown one gets honest words", () => {
  for (const { title, advice } of Object.values(WORDS)) assert.ok(title && advice.endsWith("."));
  assert.match(wordsFor("never_heard_of").advice, /What it said is below/);
});

test("of separate channels each has its own answer, and the clip's facts", () => {
  const model = { name: "speech_emotion", version: 2, label: "stable" };
  const audio = { duration_s: 3, sample_rate: 8000, channels: 2 };
  const said = { confidence: 0.9, probabilities: { sad: 0.9, happy: 0.1 }, uncertain: false, warnings: [] };
  const channels = [{ channel: 1, emotion: "sad", ...said }, { channel: 2, emotion: null, confidence: null, probabilities: null, reason: "no_speech", uncertain: false, warnings: ["very_quiet"] }];
  const answer = { emotion: null, confidence: null, probabilities: null, reason: "separate_channels", request_id: "a", model, audio, channels };
  const [agent, customer] = [ofChannel(answer, 1), ofChannel(answer, 2)];
  assert.equal(verdict(agent).eyebrow, "Channel 1 sounds");
  assert.equal(verdict(agent).verdict, "sad");
  assert.equal(agent.reason, undefined);
  assert.deepEqual(agent.audio, audio);
  assert.equal(verdict(customer).eyebrow, "In channel 2");
  assert.equal(verdict(customer).verdict, "no speech was heard");
  assert.deepEqual(customer.warnings, ["very_quiet"]);
});

test("a wait ends: with the value, with the error, or with what stands in for it", async () => {
  const never = new Promise(() => {});
  assert.equal(await within(Promise.resolve("there"), 1000, () => "late"), "there");
  assert.equal(await within(never, 1, () => "late"), "late");
  await assert.rejects(within(Promise.reject(new RangeError("no")), 1000, () => "late"), RangeError);
  await assert.rejects(within(never, 1, () => { throw new TypeError("too late"); }), TypeError);
});

// An answer as a file: what is downloaded.
import assert from "node:assert/strict";
import { test } from "node:test";

import { FORMATS, joined, segmentsOf, timestamp, toCsv, toVtt } from "../../preprocess_gateway/page/js/formats.js";

/** @typedef {import("../../preprocess_gateway/page/js/service.js").Answer} Answer */
/** @typedef {import("../../preprocess_gateway/page/js/service.js").Window} Window */

/**
 * @param {number} start
 * @param {string | null} emotion
 * @param {number} [confidence]
 * @returns {Window}
 */
function window(start, emotion, confidence = 0.5) {
  const said = emotion === null ? { confidence: null, probabilities: null, reason: "no_speech" } : { confidence, probabilities: { [emotion]: confidence } };
  return { start_s: start, end_s: start + 4, emotion, ...said };
}

/** @param {Partial<Answer>} more */
function answer(more) {
  const model = { name: "m", version: 1, label: "stable" };
  const audio = { duration_s: 12, sample_rate: 16_000, channels: 1 };
  return { emotion: "calm", confidence: 0.4, probabilities: { calm: 0.4 }, request_id: "r", model, audio, ...more };
}

const timeline = [window(0, "calm", 0.6), window(2, "calm", 0.9), window(4, null), window(6, "sad", 0.7), window(8, "calm", 0.8)];

test("neighbouring windows of one emotion are one segment; silence and another emotion end it", () => {
  const found = joined(timeline).map(({ start_s, end_s, emotion }) => [start_s, end_s, emotion]);
  assert.deepEqual(found, [[0, 5, "calm"], [7, 9, "sad"], [9, 12, "calm"]]);
  const [first] = joined(timeline);
  assert.ok(Math.abs((first?.confidence ?? 0) - (0.6 * 3 + 0.9 * 2) / 5) < 1e-9);
  assert.deepEqual(joined([]), []);
  const around = joined([window(0, "calm"), window(2, null), window(4, "calm")]);
  assert.equal(around.length, 2);
});

test("a segment is uncertain only where all of its windows are", () => {
  const sure = (/** @type {boolean} */ uncertain, /** @type {number} */ start) => ({ ...window(start, "sad"), uncertain });
  assert.equal(joined([sure(true, 0), sure(true, 2)])[0]?.uncertain, true);
  assert.equal(joined([sure(true, 0), sure(false, 2)])[0]?.uncertain, false);
});

test("captions are WebVTT, in order, with markup as text and a voice for each channel", () => {
  assert.equal(toVtt(answer({ timeline: [window(0, "calm", 0.61)] })), "WEBVTT\n\n00:00:00.000 --> 00:00:04.000\ncalm 61%\n\n");
  const segments = [{ start_s: 3599.9996, end_s: 3601.5, emotion: "a<b>\n&", confidence: 0.3, uncertain: true }];
  assert.match(toVtt(answer({ segments })), /^01:00:00\.000 --> 01:00:01\.500\na&lt;b&gt; &amp;\? 30%$/m);
  const side = (/** @type {number} */ channel, /** @type {number} */ start) => ({ channel, emotion: "sad", confidence: 1, probabilities: null, timeline: [window(start, "sad")] });
  const voices = toVtt(answer({ channels: [side(1, 2), side(2, 0)] })).match(/<v Channel \d>/g);
  assert.deepEqual(voices, ["<v Channel 2>", "<v Channel 1>"]);
});

test("the table has a row for each window of each channel, quoted as spreadsheets read it", () => {
  const lines = toCsv(answer({ timeline: [window(0, "calm", 0.5), window(2, null)] })).split("\r\n");
  assert.equal(lines[0], "channel,start_s,end_s,emotion,confidence,uncertain,reason,probabilities");
  assert.equal(lines[1], ',0,4,calm,0.5,,,"{""calm"":0.5}"');
  assert.equal(lines[2], ",2,6,,,,no_speech,");
  assert.equal(lines[3], "");
  const channels = [1, 2].map((channel) => ({ channel, emotion: "sad", confidence: 1, probabilities: null, timeline: [window(0, "sad")] }));
  assert.deepEqual(toCsv(answer({ channels })).match(/^\d/gm), ["1", "2"]);
});

test("what the service calls a segment is taken as it is, and JSON is what the service sent", () => {
  const segments = [{ start_s: 1, end_s: 2, emotion: "sad", confidence: 0.5, uncertain: false }];
  assert.deepEqual(segmentsOf(answer({ segments, timeline })), segments);
  assert.deepEqual(JSON.parse(FORMATS["json"]?.write(answer({ timeline })) ?? ""), answer({ timeline }));
});

test("times of captions are rounded to milliseconds as a whole", () => {
  assert.deepEqual([0, 59.9996, 3661.25, 360_000].map(timestamp), ["00:00:00.000", "00:01:00.000", "01:01:01.250", "100:00:00.000"]);
});

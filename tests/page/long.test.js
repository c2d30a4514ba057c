// Long recordings and live streams, as far as they touch no document.
import assert from "node:assert/strict";
import { test } from "node:test";

import { lines } from "../../preprocess_gateway/page/js/ndjson.js";
import { LiveStream } from "../../preprocess_gateway/page/js/stream.js";
import { summed } from "../../preprocess_gateway/page/js/summing.js";

/** @param {readonly string[]} pieces */
async function read(pieces) {
  const body = new ReadableStream({
    start(controller) {
      for (const piece of pieces) controller.enqueue(new TextEncoder().encode(piece));
      controller.close();
    },
  });
  const found = [];
  for await (const line of lines(body)) found.push(line);
  return found;
}

test("lines are read wherever the pieces are cut, and half a line at the end is none", async () => {
  assert.deepEqual(await read(['{"a":1}\n{"b"', ':2}\n', '\n{"c":']), [{ a: 1 }, { b: 2 }]);
  assert.deepEqual(await read([]), []);
  await assert.rejects(read(["<html>\n"]), SyntaxError);
});

test("several connections have one summary, of all their windows", () => {
  const window = (/** @type {number} */ start, /** @type {string | null} */ emotion, /** @type {number} */ sad) => ({
    start_s: start, end_s: start + 4, emotion, confidence: emotion === null ? null : Math.max(sad, 1 - sad), probabilities: emotion === null ? null : { sad, happy: 1 - sad },
  });
  const last = { emotion: "happy", confidence: 1, probabilities: {}, request_id: "r", model: { name: "m", version: 1, label: "stable" }, audio: { duration_s: 2, sample_rate: 16_000, channels: 1 } };
  const whole = summed(last, [window(0, "sad", 0.9), window(4, null, 0), window(8, "happy", 0.4)]);
  assert.equal(whole.emotion, "sad");
  assert.ok(Math.abs((whole.confidence ?? 0) - 0.65) < 1e-9);
  assert.equal(whole.audio.duration_s, 12);
  assert.deepEqual(Object.values(whole.time_share ?? {}).map((share) => share.toFixed(3)), ["0.333", "0.333"]);
  assert.equal(whole.segments?.length, 2);
  assert.equal(summed(last, []).emotion, "happy");
});

/** A service's side of a connection, which does what a test says. */
class Socket {
  /** @type {(string | Int16Array)[]} */
  sent = [];
  onopen = () => {};
  /** @type {(event: {data: string}) => void} */
  onmessage = () => {};
  /** @type {(event: {code: number}) => void} */
  onclose = () => {};
  /** @param {string | Int16Array} data */
  send(data) {
    this.sent.push(data);
  }
  close() {}
  /** @param {object} message */
  say(message) {
    this.onmessage({ data: JSON.stringify(message) });
  }
  /** Samples that arrived. */
  get samples() {
    return this.sent.flatMap((data) => (typeof data === "string" ? [] : [...data]));
  }
}

test("a new connection gets every sample from where windows are still unanswered, once", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  /** @type {Socket[]} */
  const sockets = [];
  const open = () => /** @type {any} */ (sockets[sockets.push(new Socket()) - 1]);
  const told = /** @type {string[]} */ ([]);
  const on = { window: () => told.push("window"), now: () => {}, connected: (/** @type {boolean} */ again) => told.push(again ? "again" : "first"), lost: () => told.push("lost") };
  const stream = new LiveStream(open, 10, on);
  const at = (/** @type {number} */ index) => /** @type {Socket} */ (sockets[index]);
  const first = at(0);
  stream.send(Float32Array.of(0, 0.1, 0.2)); // before the service is ready
  first.onopen();
  assert.deepEqual(JSON.parse(String(first.sent[0])), { type: "start", sample_rate: 10, encoding: "pcm_s16le", channels: 1, start_s: 0 });
  first.say({ type: "ready", stride_s: 1, ahead_s: 30 });
  for (let n = 0; n < 4; n += 1) stream.send(Float32Array.from({ length: 5 }, (_, k) => (5 * n + k) / 100));
  assert.equal(first.samples.length, 23);
  first.say({ type: "window", start_s: 0, end_s: 2 });
  first.onclose({ code: 1012 });
  stream.send(Float32Array.of(1)); // spoken meanwhile
  context.mock.timers.tick(250);
  const second = at(1);
  second.onopen();
  assert.equal(JSON.parse(String(second.sent[0])).start_s, 1);
  second.say({ type: "ready", stride_s: 1, ahead_s: 30 });
  assert.deepEqual(second.samples, [...first.samples.slice(10), 32767]);
  const over = stream.finish();
  assert.equal(second.sent.at(-1), '{"type":"finish"}');
  second.say({ type: "end", summary: { emotion: "sad" } });
  assert.deepEqual(await over, { emotion: "sad" });
  assert.deepEqual(told, ["first", "window", "lost", "again"]);
});

test("after a long outage a new connection gets as much as the service takes at once, with its time", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  /** @type {Socket[]} */
  const sockets = [];
  const open = () => /** @type {any} */ (sockets[sockets.push(new Socket()) - 1]);
  const on = { window: () => {}, now: () => {}, connected: () => {}, lost: () => {} };
  const stream = new LiveStream(open, 10, on);
  const at = (/** @type {number} */ index) => /** @type {Socket} */ (sockets[index]);
  at(0).onopen();
  at(0).say({ type: "ready", stride_s: 1, ahead_s: 10 });
  at(0).onclose({ code: 1006 });
  for (let n = 0; n < 20; n += 1) stream.send(new Float32Array(10).fill(n / 100));
  context.mock.timers.tick(250);
  at(1).onopen();
  assert.equal(JSON.parse(String(at(1).sent[0])).start_s, 12); // the last 80% of 10 s
  stream.send(new Float32Array(10).fill(0.2)); // spoken before the service is ready: the times still hold
  at(1).say({ type: "ready", stride_s: 1, ahead_s: 10 });
  assert.equal(at(1).samples.length, 90);
  assert.equal(at(1).samples[0], Math.round(32767 * 0.12));
});

test("a refusal that trying again does not mend ends the stream with the service's own words", async () => {
  const socket = new Socket();
  const on = { window: () => {}, now: () => {}, connected: () => {}, lost: () => {} };
  const stream = new LiveStream(() => /** @type {any} */ (socket), 10, on);
  socket.say({ type: "error", code: "stream_too_long", detail: "7200 s", request_id: "r" });
  socket.onclose({ code: 1008 });
  await assert.rejects(stream.over, { code: "stream_too_long", requestId: "r" });
});

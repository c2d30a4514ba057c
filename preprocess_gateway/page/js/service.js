/** The service's API, as this page uses it. */

import { Problem } from "./problems.js";

/**
 * @typedef {{emotion: string | null, confidence: number | null, probabilities: Record<string, number> | null, reason?: string}} Verdict
 * @typedef {Verdict & {channel: number, uncertain: boolean, warnings: string[], timeline?: Window[]}} Channel
 * @typedef {Verdict & {start_s: number, end_s: number}} Window
 * @typedef {Verdict & {
 *   uncertain?: boolean, warnings?: string[], timeline?: Window[], request_id: string, channel?: number, channels?: Channel[],
 *   model: {name: string, version: number, label: string},
 *   audio: {duration_s: number, sample_rate: number, channels: number, format?: string},
 * }} Answer
 */

const TIMEOUT_MS = 60_000;

/**
 * Ask for the emotion of a clip, over time too.
 * @param {Blob} clip
 * @param {string} name
 * @param {AbortSignal} signal gives the question up
 * @param {"mix" | "separate"} [channels] mixed into one, or each answered for itself
 * @returns {Promise<{answer: Answer, tookMs: number}>} rejects with a Problem
 */
export async function predict(clip, name, signal, channels = "mix") {
  const form = new FormData();
  form.append("file", clip, name);
  const begun = performance.now();
  const response = await send(form, channels, AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]));
  const body = await readJson(response);
  if (!response.ok) throw problemOf(response, body);
  if (typeof body?.model !== "object" || typeof body?.audio !== "object") throw new Problem("not_the_service");
  return { answer: /** @type {Answer} */ (body), tookMs: performance.now() - begun };
}

/**
 * @param {FormData} form
 * @param {"mix" | "separate"} channels
 * @param {AbortSignal} signal
 */
async function send(form, channels, signal) {
  try {
    const separate = channels === "mix" ? "" : `&channels=${channels}`;
    return await fetch(`predict?timeline=true${separate}`, { method: "POST", body: form, signal });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Problem(error instanceof DOMException && error.name === "TimeoutError" ? "timeout" : "unreachable");
  }
}

/**
 * @param {Response} response
 * @returns {Promise<any>} null if the body is no JSON
 */
async function readJson(response) {
  try {
    return await response.json();
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    return null;
  }
}

/**
 * @param {Response} response
 * @param {any} body
 */
function problemOf(response, body) {
  const retryAfterS = Number(response.headers.get("Retry-After")) || 0;
  if (typeof body?.code === "string") {
    return new Problem(body.code, { detail: body.detail, requestId: body.request_id, retryAfterS });
  }
  // A proxy before the service has no problem document.
  const code = { 413: "body_too_large", 502: "unreachable", 503: "overloaded", 504: "deadline_exceeded" }[response.status];
  return new Problem(code ?? "not_the_service", { retryAfterS });
}

/** The service's API, as this page uses it. */

import { Problem } from "./problems.js";

/**
 * @typedef {{emotion: string | null, confidence: number | null, probabilities: Record<string, number> | null, reason?: string}} Verdict
 * @typedef {Verdict & {start_s: number, end_s: number, uncertain?: boolean, channel?: number}} Window
 * @typedef {{start_s: number, end_s: number, emotion: string, confidence: number, uncertain: boolean, channel?: number}} Segment
 * @typedef {{uncertain?: boolean, warnings?: string[], timeline?: Window[], segments?: Segment[], time_share?: Record<string, number>, no_speech_share?: number}} Whole
 * @typedef {Verdict & Whole & {channel: number}} Channel
 * @typedef {Verdict & Whole & {
 *   request_id: string, channel?: number, channels?: Channel[],
 *   model: {name: string, version: number, label: string},
 *   audio: {duration_s: number, sample_rate: number, channels: number, format?: string},
 * }} Answer
 * @typedef {{answer: Answer, tookMs: number}} Got
 */

const TIMEOUT_MS = 60_000;

/**
 * The path of one of the service's doors, for the model that is chosen; relative, whatever path the page has.
 * @param {string} door
 * @param {string} model "" for the service's own choice
 */
export function pathOf(door, model) {
  if (model) return `v1/models/${encodeURIComponent(model)}/${door}`;
  return door === "predict" ? door : `v1/${door}`;
}

/**
 * Ask for the emotion of a clip, over time too.
 * @param {Blob} clip
 * @param {string} name
 * @param {AbortSignal} signal gives the question up
 * @param {string} model
 * @param {"mix" | "separate"} channels mixed into one, or each answered for itself
 * @returns {Promise<Got>} rejects with a Problem
 */
export async function predict(clip, name, signal, model, channels) {
  const begun = performance.now();
  const path = `${pathOf("predict", model)}?timeline=true${channels === "separate" ? "&channels=separate" : ""}`;
  const response = await post(path, formOf(clip, name), AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]));
  const body = await readJson(response);
  if (!response.ok) throw problemOf(response, body);
  if (typeof body?.model !== "object" || typeof body?.audio !== "object") throw new Problem("not_the_service");
  return { answer: /** @type {Answer} */ (body), tookMs: performance.now() - begun };
}

/**
 * @param {Blob} clip
 * @param {string} name
 */
export function formOf(clip, name) {
  const form = new FormData();
  form.append("file", clip, name);
  return form;
}

/**
 * @param {string} path
 * @param {FormData} body
 * @param {AbortSignal} signal
 * @param {Record<string, string>} [headers]
 */
export async function post(path, body, signal, headers = {}) {
  try {
    return await fetch(path, { method: "POST", body, signal, headers });
  } catch (error) {
    throw unanswered(error);
  }
}

/**
 * Why there is no answer, or not all of it.
 * @param {unknown} error
 */
export function unanswered(error) {
  if (error instanceof Problem) return error;
  if (error instanceof DOMException && error.name === "AbortError") return error;
  return new Problem(error instanceof DOMException && error.name === "TimeoutError" ? "timeout" : "unreachable");
}

/**
 * @param {Response} response
 * @returns {Promise<any>} null if the body is no JSON
 */
export async function readJson(response) {
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
export function problemOf(response, body) {
  const retryAfterS = Number(response.headers.get("Retry-After")) || 0;
  if (typeof body?.code === "string") {
    return new Problem(body.code, { detail: body.detail, requestId: body.request_id, retryAfterS });
  }
  // A proxy before the service has no problem document.
  const code = { 413: "body_too_large", 502: "unreachable", 503: "overloaded", 504: "deadline_exceeded" }[response.status];
  return new Problem(code ?? "not_the_service", { retryAfterS });
}

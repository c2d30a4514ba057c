/** Recordings of people that ship with the service, to listen to and have answered. */

import { Problem } from "./problems.js";
import { button, element, make } from "./page.js";

const FETCH_MS = 20_000;

/** @typedef {{name: string, file: string, emotion: string, attribution: string, licence: string}} Example */

/**
 * Offer what there is; without any the page does not mention them.
 * @param {(name: string, fetched: () => Promise<File>) => void} open
 */
export async function offerExamples(open) {
  const examples = await listed();
  const buttons = examples.map(({ file, emotion }) => {
    const name = `Example: ${emotion}`;
    return button(emotion, () => open(name, () => fetched(file, name)));
  });
  element("example-buttons").replaceChildren(...buttons);
  element("attribution").replaceChildren(...attributions(examples));
  element("examples").hidden = !examples.length;
}

/** @returns {Promise<Example[]>} */
async function listed() {
  try {
    const response = await fetch("samples/index.json");
    return response.ok ? (await response.json()).samples : [];
  } catch {
    return [];
  }
}

/**
 * @param {string} file
 * @param {string} name
 */
async function fetched(file, name) {
  try {
    const response = await fetch(`samples/${encodeURIComponent(file)}`, { signal: AbortSignal.timeout(FETCH_MS) });
    if (response.ok) return new File([await response.blob()], name);
  } catch {
    // the same as one that failed
  }
  throw new Problem("unreachable");
}

/** @param {readonly Example[]} examples */
function attributions(examples) {
  return [...new Set(examples.map(({ attribution, licence }) => `${attribution}, ${licence}.`))].map((text) => make("span", `Actors speak: ${text} `));
}

/** The answer that is shown, as a file to keep. */

import { FORMATS } from "./formats.js";
import { button, element } from "./page.js";

/**
 * @param {string} name of the clip
 * @param {import("./service.js").Answer} answer
 */
export function offerDownloads(name, answer) {
  const buttons = Object.entries(FORMATS).map(([ending, { type, write }]) =>
    button(ending.toUpperCase(), () => save(`${stem(name)}.${ending}`, new Blob([write(answer)], { type }))),
  );
  element("downloads").replaceChildren(...buttons);
}

/**
 * @param {string} name
 * @param {Blob} file
 */
function save(name, file) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // the browser has read it by then
}

/** @param {string} name */
function stem(name) {
  return name.replace(/\.[^.]*$/, "").replace(/[^\p{L}\p{N}._-]+/gu, "-").replace(/^[-.]+|-+$/g, "") || "emotion";
}

/** What can be chosen: kept in the page's address, so that a link shares it. No recording is part of a link. */

import { element } from "./page.js";

/** @typedef {{model: string, channels: "mix" | "separate", top: number}} Options model: "" for the service's own choice */

const NAMES = ["model", "channels", "top"];

/** @returns {Options} what is chosen now */
export function options() {
  const [model, channels, top] = NAMES.map((name) => chooser(name).value);
  return { model: model ?? "", channels: channels === "separate" ? "separate" : "mix", top: Number(top) || Infinity };
}

/** Choose what the address says, as far as it can be chosen here, and keep the address up to date. */
export function followAddress() {
  const asked = new URLSearchParams(location.search);
  for (const name of NAMES) {
    const select = chooser(name);
    const value = asked.get(name);
    if (value !== null && [...select.options].some((option) => option.value === value)) select.value = value;
    select.addEventListener("change", write);
  }
  const details = /** @type {HTMLDetailsElement} */ (element("settings"));
  details.hidden = false;
  details.open = NAMES.some((name) => !isDefault(chooser(name))); // what a link has set is in sight
  element("copy-link").addEventListener("click", () => void copy());
  write();
}

/** @param {string} name */
function chooser(name) {
  return /** @type {HTMLSelectElement} */ (element(`option-${name}`));
}

function write() {
  const chosen = NAMES.map((name) => [name, chooser(name)]).filter(([, select]) => !isDefault(/** @type {HTMLSelectElement} */ (select)));
  const query = new URLSearchParams(chosen.map(([name, select]) => [String(name), /** @type {HTMLSelectElement} */ (select).value]));
  const address = new URL(location.href);
  // Below a path, without the slash at its end: links such as `#clip` would lead to the page that has it.
  if (`${address.pathname}/` === new URL(document.baseURI).pathname) address.pathname += "/";
  address.search = query.toString();
  address.hash = "";
  history.replaceState(null, "", address);
  /** @type {HTMLInputElement} */ (element("link")).value = address.href;
  element("copied").textContent = "";
}

/** @param {HTMLSelectElement} select */
function isDefault(select) {
  return select.selectedIndex <= 0;
}

async function copy() {
  const link = /** @type {HTMLInputElement} */ (element("link"));
  link.select();
  try {
    await navigator.clipboard.writeText(link.value);
    element("copied").textContent = "The link is copied.";
  } catch {
    element("copied").textContent = "The browser does not let the page copy. The link is selected: copy it yourself.";
  }
}

/** Elements of the page, by their ids, and new ones. */

/**
 * @param {string} id
 * @returns {HTMLElement}
 */
export function element(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`no element ${id}`);
  return found;
}

/**
 * @param {string} kind
 * @param {string} text
 * @param {string} [style]
 * @returns {HTMLElement}
 */
export function make(kind, text, style) {
  const made = document.createElement(kind);
  made.textContent = text;
  if (style) made.className = style;
  return made;
}

/**
 * @param {string | Node} content
 * @param {() => void} onClick
 * @param {string} [style]
 * @returns {HTMLButtonElement}
 */
export function button(content, onClick, style) {
  const made = document.createElement("button");
  made.type = "button";
  made.append(content);
  if (style) made.className = style;
  made.addEventListener("click", onClick);
  return made;
}

/**
 * A limit of the service, as the page was told it.
 * @param {string} name
 */
export function limit(name) {
  const value = Number(document.querySelector(`meta[name="${name}"]`)?.getAttribute("content"));
  return value > 0 ? value : Infinity;
}

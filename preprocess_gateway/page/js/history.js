/** The clips that were heard in this tab: kept in its memory alone, and gone with it. */

import { button, element, make } from "./page.js";

const MOST = 12;

/** @typedef {{name: string, said: string, show: () => void}} Entry said: the answer in a few words */

export class History {
  constructor() {
    /** @type {Entry[]} */
    this.entries = [];
    /** @type {Entry | null} */
    this.current = null;
    element("forget").addEventListener("click", () => this.forget());
  }

  /** @param {Entry} entry the newest; the oldest gives way */
  add(entry) {
    this.entries = [entry, ...this.entries].slice(0, MOST);
    this.current = entry;
    this.render();
  }

  forget() {
    this.entries = [];
    this.render();
    element("record").focus(); // the button that was pressed is gone
  }

  render() {
    element("history").hidden = !this.entries.length;
    const items = this.entries.map((entry) => {
      const item = make("li", "");
      const shown = button(make("span", entry.name, "name"), () => {
        this.current = entry;
        entry.show();
        this.render();
      });
      shown.append(make("span", entry.said, "said"));
      if (entry === this.current) shown.setAttribute("aria-current", "true");
      item.append(shown);
      return item;
    });
    element("clips").replaceChildren(...items);
  }
}

/** Waiting that ends: nothing that a browser or a device owes may hold the page for ever. */

/**
 * @template T
 * @param {PromiseLike<T>} promise
 * @param {number} milliseconds
 * @param {() => T} otherwise called where the promise is not settled in time; what it throws is thrown
 * @returns {Promise<T>}
 */
export async function within(promise, milliseconds, otherwise) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const late = new Promise((resolve) => {
    timer = setTimeout(() => resolve(LATE), milliseconds);
  });
  try {
    const first = await Promise.race([promise, late]);
    return first === LATE ? otherwise() : /** @type {T} */ (first);
  } finally {
    clearTimeout(timer);
  }
}

const LATE = Symbol("late");

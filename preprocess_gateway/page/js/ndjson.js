/** Lines of JSON as they arrive. */

/**
 * @param {ReadableStream<Uint8Array>} body
 * @param {(reading: Promise<ReadableStreamReadResult<Uint8Array>>) => Promise<ReadableStreamReadResult<Uint8Array>>} patient bounds the
 *   wait for each piece
 * @returns {AsyncGenerator<any>}
 */
export async function* lines(body, patient = (reading) => reading) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await patient(reader.read());
      const parts = (rest + decoder.decode(value, { stream: !done })).split("\n");
      rest = parts.pop() ?? "";
      for (const line of parts) if (line) yield JSON.parse(line);
      if (done) return;
    }
  } finally {
    void reader.cancel().catch(() => {});
  }
}

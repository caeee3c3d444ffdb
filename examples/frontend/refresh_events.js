// What happens to keys, as server-sent events. EventSource cannot send an Authorization header, so
// this reads them with fetch.

const SHORTEST_PAUSE = 1000; // milliseconds
const LONGEST_PAUSE = 30000;
const SILENT_FOR = 60000; // when the server does not say how often it gives a sign of life

/**
 * Call `onEvent(name, data)` for what happens to keys, until `signal` is aborted.
 *
 * Connections that end are made again, with the id of the last event. States of a key never go
 * back: one that is older than what was told already is left out.
 *
 * @param {string} url of the project, or of the endpoint
 * @param {object} options
 * @param {{dataType: string, symbol?: string}[]} options.keys
 * @param {() => Promise<string>} options.token the access token, asked for at each connection
 * @param {(name: string, data: object) => void} options.onEvent
 * @param {AbortSignal} options.signal
 * @throws {Error} the server refuses for good; `status` and `code` say why
 */
export async function followRefreshEvents(url, { keys, token, onEvent, signal }) {
  const address = new URL("/functions/v1/refresh-events", url);
  for (const { dataType, symbol } of keys) {
    address.searchParams.append("key", symbol == null ? dataType : `${dataType}:${symbol}`);
  }
  const seen = { id: null, versions: new Map(), retry: SHORTEST_PAUSE };
  let failures = 0;
  while (!signal.aborted) {
    let pause = seen.retry;
    try {
      pause = (await readOnce(address, await token(), seen, onEvent, signal)) ?? seen.retry;
      failures = 0;
    } catch (error) {
      if (signal.aborted) return;
      if (error.isFinal) throw error;
      failures += 1;
      pause = error.retryAfter ?? Math.min(seen.retry * 2 ** failures, LONGEST_PAUSE);
    }
    await sleep(pause * (0.75 + Math.random() / 2), signal);
  }
}

async function readOnce(address, token, seen, onEvent, signal) {
  const ended = new AbortController();
  const end = () => ended.abort();
  signal.addEventListener("abort", end, { once: true });
  let silence = setTimeout(end, SILENT_FOR);
  try {
    const answer = await fetch(address, {
      headers: {
        Authorization: `Bearer ${token}`,
        Accept: "text/event-stream",
        ...(seen.id === null ? {} : { "Last-Event-ID": seen.id }),
      },
      cache: "no-store",
      signal: ended.signal,
    });
    if (!answer.ok) throw await refusal(answer);
    let limit = SILENT_FOR;
    let rest = "";
    const decoder = new TextDecoder();
    for (const reader = answer.body.getReader(); ; ) {
      const { value, done } = await reader.read();
      if (done) return null;
      clearTimeout(silence);
      silence = setTimeout(end, limit);
      rest += decoder.decode(value, { stream: true });
      const blocks = rest.split(/\r?\n\r?\n/);
      rest = blocks.pop();
      for (const block of blocks) {
        const data = take(block, seen, onEvent);
        if (data?.heartbeatSeconds) limit = 3000 * data.heartbeatSeconds;
      }
    }
  } finally {
    clearTimeout(silence);
    signal.removeEventListener("abort", end);
  }
}

function take(block, seen, onEvent) {
  const fields = { event: "message", data: [] };
  for (const line of block.split(/\r?\n/)) {
    const [, name, value] = line.match(/^([^:]*):? ?(.*)$/s);
    if (name === "data") fields.data.push(value);
    else if (name) fields[name] = value;
  }
  if (/^\d+$/.test(fields.retry ?? "")) seen.retry = Number(fields.retry);
  if (fields.id !== undefined) seen.id = fields.id;
  if (fields.data.length === 0) return null;
  const data = JSON.parse(fields.data.join("\n"));
  // Another database counts anew.
  if (fields.event === "connected" && !data.resumed) seen.versions.clear();
  if (data.version !== undefined) {
    const key = JSON.stringify([data.dataType, data.symbol]);
    if (data.version < (seen.versions.get(key) ?? -Infinity)) return data;
    seen.versions.set(key, data.version);
  }
  onEvent(fields.event, data);
  return data;
}

async function refusal(answer) {
  const { message, code } = await answer.json().catch(() => ({}));
  const error = new Error(message ?? `HTTP ${answer.status}`);
  const seconds = Number(answer.headers.get("Retry-After"));
  return Object.assign(error, {
    status: answer.status,
    code,
    retryAfter: seconds > 0 ? 1000 * seconds : undefined,
    // A token may have ended: the next one is asked for. Too many, or a server that is away, pass.
    isFinal: answer.status >= 400 && answer.status < 500 && ![401, 408, 429].includes(answer.status),
  });
}

function sleep(milliseconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(done, milliseconds);
    function done() {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    }
    signal.addEventListener("abort", done, { once: true });
    if (signal.aborted) done();
  });
}

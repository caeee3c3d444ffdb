// Runs the example's card with the real supabase-js and a real endpoint. Realtime, the table and
// the stream are small doubles of their protocols.
import assert from "node:assert/strict";
import { createClient } from "@supabase/supabase-js";
import { showCard } from "../../examples/frontend/card.js";

const { endpoint, token, dataType } = JSON.parse(Deno.args[0]);
const table = "quotes";
const calls = { add: 0, read: 0, joins: [], streams: [] };
let rows = [];
let socket, topic, stream;

// Lets the test go on when something has happened, however long that takes.
const watchers = new Set();
const happened = () => watchers.forEach((look) => look());
function until(condition, what) {
  return new Promise((resolve, reject) => {
    const limit = setTimeout(() => reject(new Error(`did not happen: ${what}`)), 15000);
    const look = () => {
      if (!condition()) return;
      clearTimeout(limit);
      watchers.delete(look);
      resolve();
    };
    watchers.add(look);
    look();
  });
}

const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
  const { pathname, searchParams } = new URL(request.url);
  if (pathname === "/functions/v1/on-card-add") {
    const answer = await fetch(endpoint + pathname, {
      method: request.method,
      headers: request.headers,
      body: await request.text(),
    });
    calls.add += 1;
    happened();
    return answer;
  }
  if (pathname === "/functions/v1/refresh-events") return openStream(request, searchParams);
  if (pathname === `/rest/v1/${table}`) {
    assert.equal(searchParams.get("symbol"), "eq.AAPL");
    calls.read += 1;
    queueMicrotask(happened);
    return Response.json(rows);
  }
  const upgraded = Deno.upgradeWebSocket(request);
  upgraded.socket.onmessage = ({ data }) => realtime(upgraded.socket, JSON.parse(data));
  return upgraded.response;
});

function realtime(from, message) {
  const isList = Array.isArray(message);
  const [join_ref, ref, about, event, payload] = isList
    ? message
    : [message.join_ref, message.ref, message.topic, message.event, message.payload];
  const say = (name, content, to = ref) =>
    from.send(
      JSON.stringify(
        isList
          ? [join_ref, to, about, name, content]
          : { join_ref, ref: to, topic: about, event: name, payload: content },
      ),
    );
  let response = {};
  if (event === "phx_join") {
    const wanted = payload.config.postgres_changes;
    calls.joins.push(wanted);
    response = { postgres_changes: wanted.map((change, index) => ({ ...change, id: index + 1 })) };
    [socket, topic] = [say, about];
  } else if (event === "phx_leave") {
    calls.left = true;
  }
  say("phx_reply", { status: "ok", response });
  happened();
}

function change(record) {
  const data = { type: "UPDATE", schema: "public", table, commit_timestamp: "", errors: null };
  socket("postgres_changes", { ids: [1], data: { ...data, columns: [], record, old_record: {} } }, null);
}

function openStream(request, searchParams) {
  const { readable, writable } = new TransformStream();
  const writer = writable.getWriter();
  calls.streams.push({
    keys: searchParams.getAll("key"),
    authorization: request.headers.get("Authorization"),
    last: request.headers.get("Last-Event-ID"),
  });
  stream = {
    write: (text) => writer.write(new TextEncoder().encode(text)),
    end: () => writer.close(),
    closed: writer.closed.catch(() => {}).then(() => (stream.isClosed = true, happened())),
  };
  stream.write('retry: 10\nevent: connected\ndata: {"mode":"listen","heartbeatSeconds":15}\n\n:\n\n');
  happened();
  return new Response(readable, { headers: { "Content-Type": "text/event-stream" } });
}

const state = (name, status, version) =>
  `event: ${name}\nid: ${version}\ndata: ${
    JSON.stringify({ dataType, symbol: "AAPL", status, version, freshUntil: null, dueAt: null })
  }\n\n`;

const url = `http://127.0.0.1:${server.addr.port}`;
const supabase = createClient(url, "sb_publishable_of-the-tests", {
  global: { headers: { Authorization: `Bearer ${token}` } },
  auth: { persistSession: false, autoRefreshToken: false },
});
const shown = { rows: [], states: [], lines: [], errors: [] };
const stop = showCard(supabase, {
  url,
  dataType,
  symbol: "AAPL",
  table,
  token: () => Promise.resolve(token),
  showRows: (found) => (shown.rows.push(found), happened()),
  showState: ({ status }) => (shown.states.push(status), happened()),
  showLine: (line) => (shown.lines.push(line), happened()),
  showError: (error) => (shown.errors.push(error), happened()),
});

// It is added, and subscribed to; then its rows are read again.
await until(() => calls.joins.length === 1 && calls.streams.length === 1, "card and stream opened");
assert.equal(calls.joins[0][0].filter, "symbol=eq.AAPL");
assert.deepEqual(calls.streams[0].keys, [`${dataType}:AAPL`]);
assert.equal(calls.streams[0].authorization, `Bearer ${token}`);
await until(() => shown.states.includes("queued"), "the endpoint's state is shown");
await until(() => calls.read >= 2, "rows are read at the start, and again after SUBSCRIBED");

// A change is read from the table, which is what counts.
rows = [{ symbol: "AAPL", price: 2 }];
change({ symbol: "AAPL", price: 1 });
await until(() => shown.rows.at(-1)?.[0]?.price === 2, "the changed row is shown");

// The stream's states are shown, cut anywhere; an older one is not.
const text = state("refreshing", "refreshing", 7);
stream.write(text.slice(0, 20));
stream.write(text.slice(20) + state("fresh", "fresh", 6));
stream.write(state("fresh", "missing", 8) + state("stale", "stale", 8));
await until(() => shown.states.includes("stale"), "states come from the stream");
assert.ok(shown.states.includes("refreshing"));
assert.ok(!shown.states.includes("fresh"));

// What the refresher says is shown, and is no state.
const line = { dataType, symbol: "AAPL", line: "page 1", saidAt: "", leftOut: 0 };
stream.write(`event: log\ndata: ${JSON.stringify(line)}\n\n`);
await until(() => shown.lines.includes("page 1"), "lines come from the stream");

// A lost stream is opened again, from where it was.
stream.end();
await until(() => calls.streams.length === 2, "the stream is opened again");
assert.equal(calls.streams[1].last, "8");

// The lease is renewed in time, again and again.
const before = calls.add;
await until(() => calls.add >= before + 2, "the lease is renewed");

// Then nothing of it is left.
await stop();
await until(() => calls.left && stream.isClosed, "channel and stream are left");
const after = calls.add;
await new Promise((resolve) => setTimeout(resolve, 1500));
assert.equal(calls.add, after);
assert.deepEqual(shown.errors, []);
console.log("the card was shown");
Deno.exit(0);

// Follows an endpoint's own stream with the example's client, and prints each event as a line.
import { followRefreshEvents } from "../../examples/frontend/refresh_events.js";

const { endpoint, token, dataType } = JSON.parse(Deno.args[0]);
await followRefreshEvents(endpoint, {
  keys: [{ dataType, symbol: "AAPL" }],
  token: () => Promise.resolve(token),
  signal: new AbortController().signal,
  onEvent: (name, data) => console.log(JSON.stringify({ name, ...data })),
});

// Calls on-card-add with supabase-js: a line of JSON in, a line of JSON out.
import { createInterface } from "node:readline";
import { createClient } from "@supabase/supabase-js";

async function call({ url, key, token, way, body }) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  let answer;
  const supabase = createClient(url, key, {
    // rpc shows no headers of an answer.
    global: { headers, fetch: async (...asked) => (answer = await fetch(...asked)) },
    auth: { persistSession: false, autoRefreshToken: false },
  });
  if (way === "rpc") {
    const { data, error, status } = await supabase.rpc("on_card_add", { p_cards: body });
    if (!error) return { status, body: data };
    const told = error.details ? JSON.parse(error.details) : {};
    const retryAfter = answer.headers.get("Retry-After");
    return {
      status,
      body: { message: error.message, code: told.status ? error.code : null },
      retryAfter: retryAfter && Number(retryAfter),
      told,
    };
  }
  const { data, error } = await supabase.functions.invoke("on-card-add", { body });
  if (!error) return { status: 200, body: data };
  if (!error.context?.headers) return { status: 0, body: String(error.context ?? error) };
  const retryAfter = error.context.headers.get("Retry-After");
  return {
    status: error.context.status,
    body: await error.context.json(),
    retryAfter: retryAfter && Number(retryAfter),
  };
}

for await (const line of createInterface({ input: process.stdin })) {
  const answer = await call(JSON.parse(line)).catch((error) => ({ status: 0, body: String(error) }));
  console.log(JSON.stringify(answer));
}

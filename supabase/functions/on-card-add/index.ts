// A page shows cards: their keys are watched for a while, and what is stale is queued.
//
// For projects without the Python endpoint. The work is done by the database's function
// public.on_card_add, called through the Data API with the caller's own token: the Data API
// verifies it, and the function answers for the tables that the caller may read. Nothing is
// imported, and no secret is needed. Switch verify_jwt off for it in supabase/config.toml.
//
// supabase.functions.invoke('on-card-add', { body: { symbol: 'AAPL', dataTypes: ['quote'] } })

import { readBody } from "./body.ts";
import { onCardAdd } from "./data_api.ts";
import { asProblem, Problem } from "./problem.ts";

const ORIGIN = Deno.env.get("FRESHNESS_CORS_ORIGIN") ?? "*";
const CORS: Record<string, string> = {
  ...(ORIGIN === "*" ? {} : { Vary: "Origin" }),
  "Access-Control-Allow-Origin": ORIGIN,
  "Access-Control-Allow-Headers":
    "authorization, x-client-info, apikey, content-type, last-event-id",
  "Access-Control-Allow-Methods": "POST, OPTIONS",
  "Access-Control-Expose-Headers": "Retry-After",
};

export default {
  fetch: async (request: Request): Promise<Response> => {
    if (request.method === "OPTIONS") {
      return new Response(null, { status: 204, headers: CORS });
    }
    try {
      if (request.method !== "POST") {
        throw new Problem(405, "METHOD_NOT_ALLOWED", `${request.method} is not allowed here.`, {
          Allow: "POST, OPTIONS",
        });
      }
      const credentials = readCredentials(request.headers);
      const body = await readBody(request);
      return Response.json(await onCardAdd(body, credentials), { headers: CORS });
    } catch (error) {
      const { status, code, message, headers } = asProblem(error);
      return Response.json({ message, code }, { status, headers: { ...CORS, ...headers } });
    }
  },
};

/** The headers that say who calls, as they go on to the Data API. */
function readCredentials(headers: Headers): Record<string, string> {
  const authorization = headers.get("authorization");
  const apikey = headers.get("apikey") ?? publishableKey();
  if (authorization !== null && /^bearer +\S/i.test(authorization)) {
    return { apikey, Authorization: authorization };
  }
  // A secret key signs in the service role by itself. It is no token.
  if (authorization === null && apikey.startsWith("sb_secret_")) {
    return { apikey };
  }
  throw new Problem(
    401,
    "INVALID_CREDENTIALS",
    "Send the user's access token: Authorization: Bearer <token>.",
    { "WWW-Authenticate": "Bearer" },
  );
}

function publishableKey(): string {
  const keys = Deno.env.get("SUPABASE_PUBLISHABLE_KEYS");
  return (keys && JSON.parse(keys).default) ?? Deno.env.get("SUPABASE_ANON_KEY") ?? "";
}

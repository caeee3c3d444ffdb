import type { Body } from "./body.ts";
import { Problem } from "./problem.ts";

const TIMEOUT = 10_000; // milliseconds
const RETRY_AFTER = "5"; // seconds

interface DatabaseError {
  code?: string;
  message?: string;
  details?: string | null;
}

/** Call public.on_card_add as whoever the credentials are of; returns its answer. */
export async function onCardAdd(
  body: Body,
  credentials: Record<string, string>,
): Promise<unknown> {
  let answer: Response;
  let content: unknown;
  try {
    answer = await fetch(`${Deno.env.get("SUPABASE_URL")}/rest/v1/rpc/on_card_add`, {
      method: "POST",
      headers: { ...credentials, "Content-Type": "application/json", Accept: "application/json" },
      body: JSON.stringify({ p_cards: body }),
      redirect: "error",
      signal: AbortSignal.timeout(TIMEOUT),
    });
    content = await answer.json();
  } catch (error) {
    if (error instanceof RangeError) {
      throw nestedTooDeeply();
    }
    // Of an error its name and message: a cause may hold the request, and so the token.
    throw unavailable(String(error));
  }
  if (answer.ok) {
    return content;
  }
  throw translated(answer, (content ?? {}) as DatabaseError);
}

/** The problem that an error of the Data API stands for. */
function translated(answer: Response, error: DatabaseError): Problem {
  const { status } = answer;
  const { code = "", message = "" } = error;
  if (isRefusal(error)) {
    const headers: Record<string, string> = {};
    for (const name of ["Retry-After", "WWW-Authenticate"]) {
      const value = answer.headers.get(name);
      if (value !== null) {
        headers[name] = value;
      }
    }
    return new Problem(status, code, message, headers);
  }
  if (status === 401 || code === "42501") {
    return new Problem(
      401,
      "INVALID_CREDENTIALS",
      /expired/i.test(message)
        ? "The token has expired: refresh the session."
        : "The token is not of a signed-in user: sign in first.",
      { "WWW-Authenticate": "Bearer" },
    );
  }
  if (code === "54001") {
    return nestedTooDeeply();
  }
  if (code.startsWith("22")) {
    return new Problem(
      422,
      "INVALID_CARDS",
      "A symbol or data type has a character that is no text (NUL, or half of a pair).",
    );
  }
  return unavailable(`${status} ${code} ${message}`);
}

/** Whether the function has refused the call: its details are JSON and say the status. */
function isRefusal({ details }: DatabaseError): boolean {
  try {
    return typeof JSON.parse(details ?? "null")?.status === "number";
  } catch {
    return false;
  }
}

function nestedTooDeeply(): Problem {
  return new Problem(400, "INVALID_JSON", "The body is nested too deeply.");
}

function unavailable(reason: string): Problem {
  console.error("database_unavailable", reason);
  return new Problem(
    503,
    "DATABASE_UNAVAILABLE",
    "The database cannot be reached at the moment. Try again.",
    { "Retry-After": RETRY_AFTER },
  );
}

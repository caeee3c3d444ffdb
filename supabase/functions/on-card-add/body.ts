import { Problem } from "./problem.ts";

const MAX_BYTES = 65536;

export type Body = Record<string, unknown>;

/** The body of a request, a JSON object; of one that is too large no more than that is kept. */
export async function readBody(request: Request): Promise<Body> {
  const mediaType = (request.headers.get("content-type") ?? "").split(";")[0].trim().toLowerCase();
  if (!["", "application/json"].includes(mediaType) && !mediaType.endsWith("+json")) {
    throw new Problem(
      415,
      "UNSUPPORTED_MEDIA_TYPE",
      "Send the body as Content-Type: application/json.",
    );
  }
  const text = decode(await readBytes(request));
  if (text.trim() === "") {
    throw new Problem(400, "EMPTY_BODY", "The body is empty: send a JSON object.");
  }
  const value = parse(text);
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Problem(
      422,
      "INVALID_CARDS",
      "The body must be an object with symbol and dataTypes, or with cards.",
    );
  }
  return value as Body;
}

async function readBytes(request: Request): Promise<Uint8Array> {
  const bytes = new Uint8Array(MAX_BYTES);
  let length = 0;
  for await (const part of request.body ?? []) {
    if (length + part.length > MAX_BYTES) {
      throw new Problem(413, "BODY_TOO_LARGE", `The body is over ${MAX_BYTES} bytes.`);
    }
    bytes.set(part, length);
    length += part.length;
  }
  return bytes.subarray(0, length);
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new Problem(400, "INVALID_JSON", "The body is not UTF-8.");
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const reason = error instanceof SyntaxError ? error.message : "it is nested too deeply";
    throw new Problem(400, "INVALID_JSON", `The body is not JSON: ${reason}.`);
  }
}

/** What went wrong, as an answer: a status, and a body `{"message", "code"}`. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly headers: Record<string, string> = {},
  ) {
    super(message);
  }
}

/** Any error as a problem; what nobody expected is logged, and told to nobody. */
export function asProblem(error: unknown): Problem {
  if (error instanceof Problem) {
    return error;
  }
  console.error("request_failed", error);
  return new Problem(500, "INTERNAL", "Something went wrong on our side. Try again.");
}

import { type FieldError, makeProblem, PROBLEM_TYPE, type Problem } from '@cronium/contracts';

/** What {@link HttpProblem} is made of. */
export interface ProblemOptions {
  /** The stable kind of error; ends the problem's `type`. */
  readonly slug: string;
  readonly status: number;
  readonly title: string;
  /** What happened, to what, and what to do next. */
  readonly detail: string;
  readonly errors?: readonly FieldError[];
  /** Sent as the `Retry-After` header. */
  readonly retryAfterSeconds?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** More members of the problem document. */
  readonly members?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
}

/** Thrown when a request gets a problem document (RFC 9457) for an answer. */
export class HttpProblem extends Error {
  override readonly name = 'HttpProblem';
  readonly code: string;
  readonly status: number;
  readonly problem: Problem;
  readonly headers: Readonly<Record<string, string>>;
  readonly #options: ProblemOptions;

  constructor(options: ProblemOptions) {
    const { slug, status, title, detail, errors, retryAfterSeconds, headers, members, cause } = options;
    super(detail, { cause });
    this.#options = options;
    this.code = slug;
    this.status = status;
    this.problem = makeProblem(slug, status, title, {
      detail,
      ...(errors && { errors: [...errors] }),
      ...members,
    });
    this.headers = {
      ...headers,
      ...(retryAfterSeconds !== undefined && { 'Retry-After': String(retryAfterSeconds) }),
    };
  }

  /** The same problem with more members, such as how far a batch had come. */
  with(members: Readonly<Record<string, unknown>>): HttpProblem {
    return new HttpProblem({ ...this.#options, members: { ...this.#options.members, ...members } });
  }

  /** The answer that the client gets. */
  response(): Response {
    return new Response(`${JSON.stringify(this.problem)}\n`, {
      status: this.status,
      headers: { ...this.headers, 'Content-Type': PROBLEM_TYPE },
    });
  }
}

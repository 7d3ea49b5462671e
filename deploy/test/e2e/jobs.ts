import { CroniumClient } from '@cronium/client';
import {
  type DeathRecord,
  deathRecord,
  type JobInput,
  type JobState,
  type JobView,
} from '@cronium/contracts';
import { eventually } from '@cronium/testing';

/** Long enough for a very busy machine; only a hang reaches it. */
export const WAIT_MS = 240_000;

/** What the tests do with a fleet's jobs. */
export class Jobs {
  readonly client: CroniumClient;
  readonly #resultsUrl: string;
  readonly #authorization: Readonly<Record<string, string>>;

  constructor(fleet: { readonly producerUrl: string; readonly resultsUrl: string; readonly apiKey: string }) {
    this.client = new CroniumClient(fleet);
    this.#resultsUrl = fleet.resultsUrl;
    this.#authorization = { authorization: `Bearer ${fleet.apiKey}` };
  }

  async submit(job: JobInput): Promise<string> {
    return (await this.client.submit(job)).id;
  }

  /** Submits a job and waits for its end. */
  async run(job: JobInput): Promise<JobView> {
    return this.ended(await this.submit(job));
  }

  ended(id: string): Promise<JobView> {
    return this.client.waitForJob(id, { timeoutMs: WAIT_MS, everyMs: 150 });
  }

  /** Waits until the job is in this state. A job that has ended in another fails at once. */
  async reaches(id: string, state: JobState): Promise<JobView> {
    return eventually(
      async () => {
        const view = await this.client.job(id);
        return view.state === state && view;
      },
      { what: `${id} is ${state}`, timeoutMs: WAIT_MS },
    );
  }

  /** Waits until the job has printed the text: its own program runs then. */
  async prints(id: string, text: string): Promise<void> {
    await eventually(async () => (await this.log(id)).includes(text), {
      what: `${id} has printed ${text}`,
      timeoutMs: WAIT_MS,
    });
  }

  async death(id: string, attempt?: number): Promise<DeathRecord> {
    return deathRecord.parse(await this.client.death(id, attempt === undefined ? {} : { attempt }));
  }

  /** The job's own bytes. */
  async log(id: string, query: Readonly<Record<string, string>> = {}): Promise<Buffer> {
    const response = await this.request(`/v1/jobs/${id}/logs?${new URLSearchParams(query)}`);
    if (!response.ok) throw new Error(`the log of ${id}: ${response.status} ${await response.text()}`);
    return Buffer.from(await response.arrayBuffer());
  }

  /** A request to results. */
  request(path: string, { headers, ...init }: RequestInit = {}): Promise<Response> {
    return fetch(`${this.#resultsUrl}${path}`, { ...init, headers: { ...this.#authorization, ...headers } });
  }
}

/** A script job. */
export function script(
  language: 'bash' | 'python' | 'node',
  source: string,
  more: Partial<Omit<JobInput, 'type'>> & { readonly setup?: string; readonly preTask?: string } = {},
): JobInput {
  const { setup, preTask, ...rest } = more;
  return {
    ...rest,
    type: 'script',
    script: {
      language,
      source,
      ...(setup !== undefined && { setup }),
      ...(preTask !== undefined && { preTask }),
    },
  } as JobInput;
}

/** The usual language. */
export const bash = (source: string, more?: Parameters<typeof script>[2]): JobInput =>
  script('bash', source, more);

import type { ScheduleInput, SchedulesView, ScheduleView } from '@cronium/contracts';
import type { CallOptions } from './client.ts';
import type { Call, Transport } from './transport.ts';

/** Jobs that start by themselves at certain times. */
export class SchedulesClient {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  async list(options: CallOptions = {}): Promise<readonly ScheduleView[]> {
    const listing = call('GET', '/v1/schedules', options);
    return (await this.#transport.json<SchedulesView>(listing)).schedules;
  }

  /** @throws CroniumApiError 404 */
  get(name: string, options: CallOptions = {}): Promise<ScheduleView> {
    return this.#transport.json(call('GET', pathOf(name), options));
  }

  /** Makes or changes a schedule. @throws CroniumApiError 422 with the wrong fields */
  put(name: string, schedule: ScheduleInput, options: CallOptions = {}): Promise<ScheduleView> {
    return this.#transport.json({
      ...call('PUT', pathOf(name), options),
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(schedule),
    });
  }

  /** Starts nothing by it; times that pass are not made up for. */
  pause(name: string, options: CallOptions = {}): Promise<ScheduleView> {
    return this.#transport.json(call('POST', `${pathOf(name)}/pause`, options));
  }

  resume(name: string, options: CallOptions = {}): Promise<ScheduleView> {
    return this.#transport.json(call('POST', `${pathOf(name)}/resume`, options));
  }

  /** Removes it; jobs that it started go on. @throws CroniumApiError 404 */
  remove(name: string, options: CallOptions = {}): Promise<void> {
    return this.#transport.nothing({ ...call('DELETE', pathOf(name), options), repeatable: false });
  }
}

function pathOf(name: string): string {
  return `/v1/schedules/${encodeURIComponent(name)}`;
}

function call(method: Call['method'], path: string, { signal }: CallOptions): Call {
  return { service: 'producer', method, path, repeatable: true, signal };
}

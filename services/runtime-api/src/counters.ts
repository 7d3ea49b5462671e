import type { ServiceEvent } from './services.ts';

type ServiceResult = ServiceEvent['result'];

/** What a job learns of a service: its own connections so far. */
export type ServiceState = 'unused' | 'reachable' | 'unreachable';

/** The sidecar's metrics, in Prometheus' text format; a client library would cost more than it gives here. */
export class Counters {
  #startedAt = Date.now();
  readonly #requests = new Map<number, number>();
  readonly #egress = { allowed: 0, refused: 0 };
  readonly #services = new Map<
    string,
    { last: ServiceState; readonly counts: Record<ServiceResult, number> }
  >();

  /** Begins anew: a job reads these, and a former one's are none of its business. */
  reset(): void {
    this.#startedAt = Date.now();
    this.#requests.clear();
    this.#egress.allowed = 0;
    this.#egress.refused = 0;
    this.#services.clear();
  }

  request(status: number): void {
    this.#requests.set(status, (this.#requests.get(status) ?? 0) + 1);
  }

  egress(allowed: boolean): void {
    this.#egress[allowed ? 'allowed' : 'refused'] += 1;
  }

  /** @returns is it the first of this result for the service? */
  service({ service, result }: ServiceEvent): boolean {
    const known = this.#services.get(service) ?? {
      last: 'unused',
      counts: { opened: 0, failed: 0, refused: 0 },
    };
    this.#services.set(service, known);
    known.counts[result] += 1;
    if (result !== 'refused') known.last = result === 'opened' ? 'reachable' : 'unreachable';
    return known.counts[result] === 1;
  }

  serviceState(service: string): ServiceState {
    return this.#services.get(service)?.last ?? 'unused';
  }

  text(): string {
    const lines = [
      '# HELP cronium_runtime_requests_total Answers of the runtime API by status.',
      '# TYPE cronium_runtime_requests_total counter',
      ...[...this.#requests].map(
        ([status, count]) => `cronium_runtime_requests_total{status="${status}"} ${count}`,
      ),
      '# HELP cronium_runtime_egress_total Destinations that the job asked for.',
      '# TYPE cronium_runtime_egress_total counter',
      ...Object.entries(this.#egress).map(
        ([result, count]) => `cronium_runtime_egress_total{result="${result}"} ${count}`,
      ),
      '# HELP cronium_runtime_service_connections_total Connections of the job to shared services.',
      '# TYPE cronium_runtime_service_connections_total counter',
      ...[...this.#services].flatMap(([service, { counts }]) =>
        Object.entries(counts).map(
          ([result, count]) =>
            `cronium_runtime_service_connections_total{service="${service}",result="${result}"} ${count}`,
        ),
      ),
      '# HELP process_resident_memory_bytes Resident memory.',
      '# TYPE process_resident_memory_bytes gauge',
      `process_resident_memory_bytes ${process.memoryUsage.rss()}`,
      '# HELP process_start_time_seconds Unix time since which these count: of the start, or of the present attempt.',
      '# TYPE process_start_time_seconds gauge',
      `process_start_time_seconds ${this.#startedAt / 1000}`,
    ];
    return `${lines.join('\n')}\n`;
  }
}

import { ATTEMPT_SPANS, JOB_SPANS, SPAN_ATTRIBUTES, type SpanAttribute } from '@cronium/contracts';

interface Row {
  readonly name: string;
  readonly service: string;
  readonly kind: string;
  readonly parent: string;
  readonly when: string;
  readonly describes: string;
  readonly attributes: readonly SpanAttribute[];
  readonly sometimes: readonly SpanAttribute[];
}

function rows(): Row[] {
  return [
    ...JOB_SPANS.map((span) => ({
      ...span,
      parent: span.parent ?? 'the submitter’s span, or none',
      when: `${span.begins} → ${span.ends}`,
    })),
    ...ATTEMPT_SPANS.map((span) => ({
      ...span,
      service: 'worker',
      kind: 'internal',
      when: `\`${span.begins}\` → \`${span.ends}\``,
    })),
  ];
}

const code = (names: readonly string[]) => names.map((name) => `\`${name}\``).join(', ') || '-';

/** The page that lists the fleet's own spans, from their definitions. */
export function tracingPage(): string {
  return [
    '# Traces',
    '',
    'Generated from `libs/contracts/src/spans.ts` by `node deploy/docs.ts`; do not edit.',
    '',
    'Every job has a trace. It continues the submitter’s when the request carries a `traceparent` header, and goes on in',
    'the job: `TRACEPARENT` and `OTEL_EXPORTER_OTLP_ENDPOINT` are in its environment, so that an instrumented program’s',
    'spans stand below `run` without any setting. Nothing needs to be running for it: the fleet’s own spans are made from',
    'recorded moments when somebody asks ([ADR 0004](adr/0004-spans-from-timelines.md)), so a trace is whole although',
    'processes crashed.',
    '',
    '`cronium trace <id>` draws it. `GET /v1/jobs/{id}/trace` and `GET /v1/traces/{traceId}` give it as JSON.',
    'Of a trace with more than a hundred jobs the latter shows the first hundred, each with all of its own spans.',
    '',
    '## To a collector',
    '',
    'With `OTEL_EXPORTER_OTLP_ENDPOINT` set, results sends the trace of every ended job there too, with the spans that the',
    'job and its submitter sent. `CRONIUM_TRACE_SAMPLE_RATIO` thins them out by trace; the traces of jobs that did not',
    'succeed, that needed more than one attempt, or that took longer than `CRONIUM_TRACE_SLOW_SECONDS` are always sent.',
    'While the collector is away they wait in the database, a bounded number of them; what is dropped is counted',
    '(`cronium_traces_dropped_total`). Jobs never wait for it. The services’ own request spans go there as well, as',
    'the OpenTelemetry SDK is told by its `OTEL_*` variables.',
    '',
    '## Spans',
    '',
    'Parents make the tree: `job` > `attempt` > phases. Ids of spans follow from the ids of job and attempt.',
    '',
    '| span | service, kind | parent | from → to | what |',
    '|---|---|---|---|---|',
    ...rows().map(
      ({ name, service, kind, parent, when, describes }) =>
        `| \`${name}\` | ${service}, ${kind} | ${parent} | ${when} | ${describes} |`,
    ),
    '',
    '## Their attributes',
    '',
    '| span | always, once ended well | when there is something to say |',
    '|---|---|---|',
    ...rows().map(
      ({ name, attributes, sometimes }) => `| \`${name}\` | ${code(attributes)} | ${code(sometimes)} |`,
    ),
    '',
    '| attribute | what |',
    '|---|---|',
    ...Object.entries(SPAN_ATTRIBUTES).map(([name, what]) => `| \`${name}\` | ${what} |`),
    '',
    'Names outside `cronium.` are those of OpenTelemetry’s semantic conventions: a job is a pipeline run, an attempt a task',
    'run, a node a worker, the queue a messaging destination.',
    '',
  ].join('\n');
}

import type { TraceContext } from '@cronium/contracts';
import { type Attributes, context, type Span, SpanStatusCode, trace } from '@opentelemetry/api';

const tracer = trace.getTracer('cronium');

/**
 * Runs a function inside a span. The span ends when the function does; an error is recorded on it and thrown on.
 */
export async function inSpan<T>(
  name: string,
  attributes: Attributes,
  run: (span: Span) => Promise<T>,
): Promise<T> {
  return tracer.startActiveSpan(name, { attributes }, async (span) => {
    try {
      return await run(span);
    } catch (error) {
      span.recordException(error instanceof Error ? error : String(error));
      span.setStatus({
        code: SpanStatusCode.ERROR,
        message: error instanceof Error ? error.message : String(error),
      });
      throw error;
    } finally {
      span.end();
    }
  });
}

/** Runs a function as a child of a trace context that came from elsewhere, such as a `traceparent` header. */
export function withParent<T>(parent: TraceContext, run: () => T): T {
  const { traceId, spanId, sampled } = parent;
  const remote = { traceId, spanId, traceFlags: sampled ? 1 : 0, isRemote: true };
  return context.with(trace.setSpanContext(context.active(), remote), run);
}

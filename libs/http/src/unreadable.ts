import { makeProblem, PROBLEM_TYPE } from '@cronium/contracts';

/** What Node's HTTP parser refuses by a code of its own; everything else it refuses is no HTTP at all. */
const REFUSALS: Readonly<Record<string, readonly [status: number, reason: string, detail: string]>> = {
  HPE_HEADER_OVERFLOW: [
    431,
    'Request Header Fields Too Large',
    'The headers are longer than this service takes; send shorter ones.',
  ],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: [413, 'Content Too Large', 'The chunk extensions of the body are too long.'],
  ERR_HTTP_REQUEST_TIMEOUT: [
    408,
    'Request Timeout',
    'The request did not arrive in time; send it in one go.',
  ],
};
const NO_HTTP = [
  400,
  'Bad Request',
  'This is no HTTP/1.1 request: check the request line and the headers.',
] as const;

/**
 * The whole HTTP answer, head and problem document, to a request that no handler saw because it could not be read.
 * @param code of the `clientError` that Node's HTTP server reported
 */
export function unreadableRequest(code: string | undefined): string {
  const [status, reason, detail] = REFUSALS[code ?? ''] ?? NO_HTTP;
  const body = `${JSON.stringify(makeProblem('unreadable-request', status, 'The request cannot be read', { detail }))}\n`;
  const head = [
    `HTTP/1.1 ${status} ${reason}`,
    `Content-Type: ${PROBLEM_TYPE}`,
    `Content-Length: ${body.length}`,
    'Connection: close',
  ];
  return `${head.join('\r\n')}\r\n\r\n${body}`;
}

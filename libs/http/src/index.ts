export { BootstrapKeys, bearerToken, hashApiKey, requireRole } from './auth.ts';
export { docsPage } from './docs-page.ts';
export { type DrainOptions, type Fetcher, type HttpServer, type ListenOptions, listen } from './listen.ts';
export { HttpProblem, type ProblemOptions } from './problem.ts';
export { commonProblems } from './problems.ts';
export { remoteAddress } from './remote-address.ts';
export { decodeJson, readQuery } from './request.ts';

/**
 * Builds the images, writes the secrets to .env, and brings compose.yaml up:
 *
 *   node deploy/local/ensure.mjs deploy/compose/up.ts
 */
import { join } from 'node:path';
import { bootstrapContext, ensureDocker } from '../local/bootstrap.ts';
import { compose, ensureCompose } from './compose-command.ts';
import { ensureEnv } from './env.ts';
import { ensureComposeImages } from './images.ts';

const say = (line: string): void => void process.stdout.write(`${line}\n`);
const { env: variables } = process;
const context = bootstrapContext({ env: variables, report: say });
const docker = await ensureDocker(context);
const images = await ensureComposeImages(context, docker.host);
const env = ensureEnv(join(context.root, '.env'), images);
const command = await ensureCompose(context);
await compose(command, ['up', '--detach', '--wait', '--no-build'], {
  root: context.root,
  env: { ...variables, ...images, DOCKER_HOST: docker.host },
});
const port = variables.CRONIUM_PRODUCER_PORT ?? '7070';
const resultsPort = variables.CRONIUM_RESULTS_PORT ?? '7071';
say(`
The fleet is up. For the command line:

  export CRONIUM_PRODUCER_URL=http://127.0.0.1:${port} CRONIUM_RESULTS_URL=http://127.0.0.1:${resultsPort}
  export CRONIUM_API_KEY=${env.CRONIUM_API_KEY}
  npx cronium run -l bash 'echo hello'

Take it down: ${command.join(' ')} down`);

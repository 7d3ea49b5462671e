import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { SandboxError } from './runtime.ts';

/** The key under which Docker's own file keeps the credentials of Docker Hub. */
const HUB = 'https://index.docker.io/v1/';

/** What of Docker's `config.json` holds credentials; credential helpers are programs and are not asked. */
const configFile = z.object({
  auths: z
    .record(
      z.string(),
      z.object({
        auth: z.string().optional(),
        username: z.string().optional(),
        password: z.string().optional(),
        identitytoken: z.string().optional(),
      }),
    )
    .default({}),
});

/**
 * The credentials with which a node pulls from a registry, out of a file as `docker login` writes it. It is read at each
 * pull, so that it may be changed while the worker runs.
 * @returns the value of the `X-Registry-Auth` header (Docker Engine API, authentication); `undefined` without any for it
 * @throws SandboxError `docker` when the file cannot be read: that is the operator's business, and no job's failure
 */
export async function registryAuth(file: string, reference: string): Promise<string | undefined> {
  const { auths } = await read(file);
  const registry = registryOf(reference);
  const names =
    registry === undefined ? [HUB, 'docker.io'] : [registry, `https://${registry}`, `http://${registry}`];
  const found = names.map((name) => auths[name] ?? auths[`${name}/`]).find((auth) => auth !== undefined);
  if (found === undefined) return undefined;
  const [username, ...password] = Buffer.from(found.auth ?? '', 'base64')
    .toString()
    .split(':');
  const header = {
    username: found.username ?? username ?? '',
    password: found.password ?? password.join(':'),
    serveraddress: registry ?? HUB,
    ...(found.identitytoken === undefined ? {} : { identitytoken: found.identitytoken }),
  };
  return Buffer.from(JSON.stringify(header)).toString('base64url');
}

async function read(file: string): Promise<z.infer<typeof configFile>> {
  try {
    return configFile.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch (error) {
    // The file's text may be in the parser's words.
    const why =
      error instanceof Error && 'code' in error
        ? String(error.code)
        : 'it is not as "docker login" writes it';
    throw new SandboxError(
      'docker',
      `the registry credentials in ${file} cannot be read (${why}); correct the file, or CRONIUM_REGISTRY_AUTH_FILE`,
    );
  }
}

/** The host that the reference begins with; `undefined` for Docker Hub. Docker reads it so: a dot, a port, or localhost. */
export function registryOf(reference: string): string | undefined {
  const [host = '', ...path] = reference.split('/');
  return path.length > 0 && (/[.:]/.test(host) || host === 'localhost') ? host : undefined;
}

import { type JobSpec, type ScriptJob, type ScriptLanguage, TOOLKIT_BUSYBOX } from '@cronium/contracts';
import { ARTIFACTS_COMMAND, artifactFiles } from './artifacts-program.ts';
import { type EntryPhase, type EntryPlan, type ProgramFile, RUN_PATH } from './entry-program.ts';
import type { ImageFacts } from './images.ts';
import { jobEnvironment } from './job-environment.ts';
import { SandboxError, type SandboxRequest } from './runtime.ts';

const PROGRAMS = '/usr/local/lib/cronium';
/** Linux takes no longer argument or environment variable (MAX_ARG_STRLEN, 32 pages). */
const MAX_VARIABLE_BYTES = 131_072;

/**
 * Gives ES modules a `require` too: a script may load a package with it and await at its top level. In a CommonJS script
 * Node's own `require` hides this one.
 */
const NODE_PRELOAD = `globalThis.require = require('node:module').createRequire('${RUN_PATH}/main.js');\n`;

const LANGUAGES: Readonly<
  Record<ScriptLanguage, { readonly extension: string; readonly interpreter: readonly string[] }>
> = {
  bash: { extension: 'sh', interpreter: ['bash'] },
  python: { extension: 'py', interpreter: ['python3'] },
  node: { extension: 'js', interpreter: ['node', '--require', `${RUN_PATH}/require.cjs`] },
};

/** What an attempt's container shall do: its programs, their files, their environment. */
export function jobProgram(request: SandboxRequest, image: ImageFacts, nonce: string): EntryPlan {
  const env = jobEnvironment(request, image.env);
  const { phases, ...program } = ownProgram(request, image, env);
  const { artifacts } = request.spec;
  const first = tenantPhase(request.tenantPreTask);
  return {
    nonce,
    env,
    ...program,
    phases: [...first.phases, ...phases],
    files: [...first.files, ...program.files, ...artifactFiles(artifacts)],
    runner: artifacts.length > 0 ? ARTIFACTS_COMMAND : [],
  };
}

type Program = Pick<EntryPlan, 'phases' | 'files' | 'main'> & Partial<Pick<EntryPlan, 'env'>>;

function ownProgram(
  { spec }: SandboxRequest,
  image: ImageFacts,
  env: Readonly<Record<string, string>>,
): Program {
  switch (spec.type) {
    case 'script':
      return scriptProgram(spec);
    case 'container':
      return { phases: [], files: [], main: containerCommand(spec, image) };
    case 'http':
      return { phases: [], ...builtIn('http-job', 'CRONIUM_HTTP_REQUEST', spec.http, env) };
    case 'tool':
      return { phases: [], ...builtIn('tool-job', 'CRONIUM_TOOL_CALL', spec.tool, env) };
  }
}

/** The tenant's script runs in any image: its shell is the toolkit's. */
function tenantPhase(source: string | undefined): Pick<EntryPlan, 'phases' | 'files'> {
  if (source === undefined) return { phases: [], files: [] };
  const name = 'tenant-pre-task.sh';
  return {
    phases: [{ phase: 'tenantPreTask', argv: [TOOLKIT_BUSYBOX, 'sh', `${RUN_PATH}/${name}`] }],
    files: [{ name, bytes: Buffer.from(source) }],
  };
}

/** The folder in which a job's programs start; `undefined` for the image's own. */
export function runsInWorkspace(spec: JobSpec): boolean {
  return spec.type !== 'container';
}

function scriptProgram({ script }: ScriptJob): Program {
  const { extension, interpreter } = LANGUAGES[script.language];
  const phases: EntryPhase[] = [];
  const files: ProgramFile[] = [];
  const command = (name: string, source: string) => {
    const file = `${name}.${extension}`;
    files.push({ name: file, bytes: Buffer.from(source) });
    return [...interpreter, `${RUN_PATH}/${file}`];
  };
  for (const phase of ['setup', 'preTask'] as const) {
    const source = script[phase];
    if (source !== undefined) phases.push({ phase, argv: command(phase, source) });
  }
  if (script.language === 'node') files.push({ name: 'require.cjs', bytes: Buffer.from(NODE_PRELOAD) });
  return { phases, main: command('main', script.source), files };
}

/** `command` stands for the image's entrypoint, `args` for its cmd; a command of one's own drops the image's cmd. */
function containerCommand(
  spec: Extract<JobSpec, { type: 'container' }>,
  image: ImageFacts,
): readonly string[] {
  const command = spec.command ?? image.entrypoint;
  const args = spec.args ?? (spec.command === undefined ? image.cmd : []);
  const argv = [...command, ...args];
  if (argv.length > 0) return argv;
  throw new SandboxError(
    'image',
    `the image ${spec.image} says no command and the job gives none: set "command" or "args"`,
  );
}

/** A program of the fleet's own; what it shall do is in a variable, or in a file when it is too long for one. */
function builtIn(
  program: string,
  variable: string,
  value: unknown,
  env: Readonly<Record<string, string>>,
): Pick<EntryPlan, 'main' | 'files' | 'env'> {
  const json = JSON.stringify(value);
  const main = ['node', `${PROGRAMS}/${program}.mjs`];
  if (Buffer.byteLength(json) + variable.length + 2 <= MAX_VARIABLE_BYTES) {
    return { main, files: [], env: { ...env, [variable]: json } };
  }
  const file = 'request.json';
  const files = [{ name: file, bytes: Buffer.from(json) }];
  return { main, files, env: { ...env, [`${variable}_FILE`]: `${RUN_PATH}/${file}` } };
}

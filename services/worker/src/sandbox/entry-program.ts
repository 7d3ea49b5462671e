import { TOOLKIT_BUSYBOX } from '@cronium/contracts';
import { markerFormat } from './log/markers.ts';

/** Where an attempt's scripts live in its container: a tmpfs of the fleet's, so that the job's own folders are empty. */
export const RUN_PATH = '/.cronium-run';
/** The exit code of a container whose program never arrived whole; no phase marker was printed then. */
export const NO_PROGRAM_EXIT_CODE = 125;

/** A shell that has nothing in its environment that a job could inherit. */
const EMPTY_SHELL: readonly string[] = [TOOLKIT_BUSYBOX, 'env', '-i', TOOLKIT_BUSYBOX, 'sh'];

/**
 * What every job container is created with. It waits for its program on stdin: two compound commands, each of which the
 * shell runs only when it has all of it, the second of which it becomes. It shows in `docker inspect`, so it holds no secret.
 */
export const BOOT_ENTRYPOINT: readonly string[] = [
  ...EMPTY_SHELL,
  '-c',
  `trap 'exit ${NO_PROGRAM_EXIT_CODE}' EXIT; exec 3>&2 2>/dev/null; . /dev/stdin`,
];

/** A file that a program finds in {@link RUN_PATH}. */
export interface ProgramFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

export interface EntryPhase {
  readonly phase: 'tenantPreTask' | 'setup' | 'preTask';
  readonly argv: readonly string[];
}

/** What a job container shall do. */
export interface EntryPlan {
  readonly nonce: string;
  /** The whole environment of the job's programs: nothing is inherited. */
  readonly env: Readonly<Record<string, string>>;
  readonly phases: readonly EntryPhase[];
  readonly main: readonly string[];
  /** A command that runs the main program: it is put before that program's own. */
  readonly runner: readonly string[];
  /** What is put into {@link RUN_PATH}. */
  readonly files: readonly ProgramFile[];
}

/** What a job container gets on stdin. */
export interface EntryProgram {
  /** Writes the scripts and defines what is to be done. Nothing of the job's runs. May be sent before it is sure that it will. */
  readonly ahead: Buffer;
  /** Begins. Then stdin must be closed. */
  readonly go: Buffer;
}

/** @throws RangeError when an environment value or an argument holds a NUL byte, which no program can be given */
export function entryProgram(plan: EntryPlan): EntryProgram {
  const before = [
    `b=${TOOLKIT_BUSYBOX}`,
    `mark() { printf ${quote(markerFormat(plan.nonce))} "$1" "$2" "$3"; }`,
    FIND_PROGRAM,
    // A container whose worker dies before it says so ends without a word.
    `go() {\ntrap - EXIT; exec 2>&3 3>&-\n${programCommands(plan)}\n}`,
    // Each stream begins with a marker: a reader that doesn't find it knows that the log was rotated.
    'mark boot start 0; mark boot start 0 >&3',
  ];
  const ahead = Buffer.concat([lines(['{']), fileCommands(plan.files), lines([...before, '}'])]);
  return { ahead, go: Buffer.from('{ go\n}\n') };
}

/** Writes the files of a program; the shell does it alone, and their bytes are quoted. One that does not fit ends it. */
function fileCommands(files: readonly ProgramFile[]): Buffer {
  return Buffer.concat(
    files.flatMap(({ name, bytes }) => {
      const path = quote(`${RUN_PATH}/${name}`);
      const pieces = Buffer.from(bytes)
        .toString('latin1')
        .split('\0')
        .map((piece) => `printf %s ${quote(piece)}`);
      const write = pieces.join(" && printf '\\0' && ");
      return Buffer.from(`{ ${write}; } >${path} || exit ${NO_PROGRAM_EXIT_CODE}\n`, 'latin1');
    }),
  );
}

function lines(commands: readonly string[]): Buffer {
  return Buffer.from(commands.map((command) => `${command}\n`).join(''));
}

/** Variables that the shell computes itself, or takes only some values for. */
const SHELLS_OWN: ReadonlySet<string> = new Set([
  'RANDOM',
  'LINENO',
  'OPTIND',
  'EPOCHSECONDS',
  'EPOCHREALTIME',
]);

/** Runs the phases, and becomes the main program. Needs {@link FIND_PROGRAM}, `mark`, and the toolkit's busybox as `b`. */
function programCommands({ env, phases, main, runner }: EntryPlan): string {
  return [
    `p=${quote(env.PATH ?? '')}`,
    `job() {\nshift\nset -- $runner "$program" "$@"\n${execCommands(env)}\n}`,
    'runner=',
    ...phases.flatMap(({ phase, argv }) => runPhase(phase, argv)),
    `find_program main ${quote(main[0] ?? '')}`,
    `runner=${quote(runner.join(' '))}`,
    'mark main start "${pid:-0}"',
    `job ${main.map(quote).join(' ')}`,
  ].join('\n');
}

/** Becomes the program in `$@`, with this environment and no other. */
function execCommands(env: Readonly<Record<string, string>>): string {
  const names = Object.keys(env);
  const assignments = Object.entries(env).map(([name, value]) => quote(`${name}=${value}`));
  // One program less to start, where the shell can have such variables.
  const canExport = names.every((name) => /^[A-Za-z_]\w*$/.test(name) && !SHELLS_OWN.has(name));
  if (!canExport) return `exec "$b" env -i ${assignments.join(' ')} "$@" </dev/null`;
  return `unset PWD OLDPWD SHLVL\n${assignments.map((one) => `export ${one}`).join('\n')}\nexec "$@" </dev/null`;
}

/**
 * Sets `program` to the file that a command names, as execvp finds it. Prints the marker and ends when there is none, it
 * may not be executed, it is no program for the kernel (which this shell would take for a script of its own), or the
 * interpreter that its first line names does not exist.
 */
const FIND_PROGRAM = `
unrunnable() { mark "$1" unrunnable "$2"; printf 'cronium: %s: %s\\n' "$3" "$4" >&2; exit "$2"; }
look_up() {
  program=
  case $1 in */*) program=$1; return;; esac
  IFS=:; set -f
  for d in $p; do
    if [ -f "\${d:-.}/$1" ] && [ -x "\${d:-.}/$1" ]; then program=\${d:-.}/$1; break; fi
  done
  unset IFS; set +f
}
find_program() {
  look_up "$2"
  [ -n "$program" ] && [ -e "$program" ] || unrunnable "$1" 127 "$2" 'no such program in the image'
  [ -f "$program" ] && [ -x "$program" ] || unrunnable "$1" 126 "$2" 'is not an executable file'
  IFS= read -r -n 2 i 2>/dev/null <"$program"
  [ "$i" = '\x7fE' ] && return 0
  [ "$i" = '#!' ] || unrunnable "$1" 126 "$2" 'is neither a binary nor a script that begins with #!'
  read -r i rest <"$program"
  i=\${i#??}; [ -n "$i" ] || i=\${rest%% *}
  [ -x "$i" ] || unrunnable "$1" 127 "$2" "its interpreter $i is not in the image"
}`;

/** Runs one phase as a child, and ends when it fails. */
function runPhase(phase: EntryPhase['phase'], argv: readonly string[]): string[] {
  return [
    `find_program ${phase} ${quote(argv[0] ?? '')}`,
    `mark ${phase} start "\${pid:-0}"`,
    `(job ${argv.map(quote).join(' ')})`,
    'c=$?',
    `mark ${phase} exit "$c"`,
    '[ "$c" -eq 0 ] || exit "$c"',
  ];
}

/** A word of a POSIX shell. @throws RangeError for one with a NUL byte */
export function quote(word: string): string {
  if (word.includes('\0')) throw new RangeError('a program cannot be given a NUL byte');
  return `'${word.replaceAll("'", "'\\''")}'`;
}

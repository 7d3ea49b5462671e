import { RUNTIME_HOST, RUNTIME_PORT, TOOLKIT_BUSYBOX } from '@cronium/contracts';
import { type ProgramFile, RUN_PATH } from './entry-program.ts';

/** The exit code of a job whose program ended well, but whose artifacts were not all stored (sysexits EX_IOERR). */
export const ARTIFACT_LOST_EXIT_CODE = 74;

const PROGRAM_FILE = 'artifacts.sh';
const PATTERNS_FILE = 'artifacts';

/** Runs a program and then stores the files that a job's patterns name: put before the program's command. */
export const ARTIFACTS_COMMAND: readonly string[] = [TOOLKIT_BUSYBOX, 'sh', `${RUN_PATH}/${PROGRAM_FILE}`];

/** What {@link ARTIFACTS_COMMAND} needs in {@link RUN_PATH}; nothing without patterns. */
export function artifactFiles(patterns: readonly string[]): readonly ProgramFile[] {
  if (patterns.length === 0) return [];
  const lines = patterns.flatMap((pattern) => [rootOf(pattern), expressionFor(pattern)]);
  return [
    { name: PROGRAM_FILE, bytes: Buffer.from(PROGRAM) },
    { name: PATTERNS_FILE, bytes: Buffer.from(`${lines.join('\n')}\n`) },
  ];
}

/** The folder or file in which a pattern's matches are: all parts before the first wildcard. */
export function rootOf(pattern: string): string {
  const parts = plain(pattern).split('/');
  const wild = parts.findIndex((part) => /[*?]/.test(part));
  return (wild < 0 ? parts : parts.slice(0, wild)).join('/') || '.';
}

/**
 * The extended regular expression of a pattern, for paths as `find` prints them: `*` and `?` stay within a part of the
 * path, `**` spans parts. A pattern that names a folder stands for all that is in it.
 */
export function expressionFor(pattern: string): string {
  const body = plain(pattern)
    .split(/(\*\*\/|\*\*|\*|\?)/)
    .map((piece) => WILDCARDS.get(piece) ?? piece.replace(/[\\^$.|+()[\]{}]/g, '\\$&'))
    .join('');
  return `^\\./(\\./)?${body}(/.*)?$`;
}

/** Without the folder that it is relative to, and the slash that says that it names a folder. */
function plain(pattern: string): string {
  return pattern.replace(/^(\.\/)+/, '').replace(/\/+$/, '');
}

const WILDCARDS: ReadonlyMap<string, string> = new Map([
  ['**/', '(.*/)?'],
  ['**', '.*'],
  ['*', '[^/]*'],
  ['?', '[^/]'],
]);

/**
 * Runs as the container's first process, as the job's user and with no more rights than the job: what it stores, the job
 * could have stored itself. Signals go on to the program; a shell's background process ignores INT and QUIT, so it is
 * told TERM instead. Links and devices are not files.
 */
const PROGRAM = `
b=${TOOLKIT_BUSYBOX}
# What the shell adds to the environment is not the program's.
unset PWD OLDPWD SHLVL
"$@" &
main=$!
for s in HUP TERM USR1 USR2; do trap "kill -$s $main 2>/dev/null" "$s"; done
trap "kill -TERM $main 2>/dev/null" INT QUIT
while :; do
  wait "$main"
  code=$?
  # More than 128: the program ended by a signal, or a signal came while it runs on.
  [ "$code" -gt 128 ] && kill -0 "$main" 2>/dev/null || break
done
trap - HUP TERM USR1 USR2 INT QUIT

# A program without libraries cannot look names up.
pipe=${RUN_PATH}/request
api=$("$b" sed -n 's/[[:space:]]*${RUNTIME_HOST}$//p' /etc/hosts)
one=$(printf '\\1')
say() { printf 'cronium: %s\\n' "$1" >&2; }
request() {
  path=$(printf %s "\${1#./}" | "$b" od -An -v -tx1 | "$b" tr -d ' \\n' | "$b" sed 's/../%&/g; s/%2f/\\//g')
  printf 'PUT /executions/%s/artifacts/%s HTTP/1.1\\r\\n' "$CRONIUM_EXECUTION_ID" "$path"
  printf 'Host: ${RUNTIME_HOST}\\r\\nAuthorization: Bearer %s\\r\\n' "$CRONIUM_EXECUTION_TOKEN"
  printf 'Content-Length: %s\\r\\nConnection: close\\r\\n\\r\\n' "$2"
  "$b" head -c "$2" "$1"
}
# Over a pipe that the shell holds open: a server takes a client that says no more for one that has gone.
send() {
  size=$("$b" stat -c %s "$1") && "$b" mkfifo "$pipe" || return
  exec 3<>"$pipe"
  request "$1" "$size" >&3 2>/dev/null &
  "$b" nc "$api" ${RUNTIME_PORT} <"$pipe" 3>&- 2>/dev/null
  kill "$!" 2>/dev/null
  exec 3>&-
  "$b" rm "$pipe"
}
store() {
  for pause in 1 2 4 0; do
    answer=$(send "$1")
    status=\${answer#HTTP/1.1 }; status=\${status%% *}
    case $status in 200) return 0;; 4*) break;; esac
    "$b" sleep "$pause"
  done
  detail=$(printf %s "$answer" | "$b" sed -n 's/.*"detail":"\\([^"]*\\)".*/\\1/p')
  say "the artifact \${1#./} was not stored: \${detail:-\${status:-the runtime API did not answer}}"
  return 1
}

# A line break in a name is a 1 here.
found=$(while IFS= read -r root && IFS= read -r expression; do
  "$b" find "./$root" -xdev -type f -print0 2>/dev/null | "$b" tr '\\n\\0' '\\1\\n' | "$b" grep -E "$expression"
done <${RUN_PATH}/${PATTERNS_FILE} | "$b" sed 's/^\\.\\/\\.\\//.\\//' | "$b" sort -u)
[ -n "$found" ] || say 'no file matches the artifacts of the job'
lost=
trap 'say "it was told to stop: $file and what comes behind it was not stored"; exit 143' TERM
while IFS= read -r file; do
  case $file in *"$one"*)
    say "the artifact $(printf %s "\${file#./}" | "$b" tr '\\1' ' ') was not stored: its name has a line break"
    lost=yes
    continue;;
  esac
  [ -f "$file" ] && [ ! -L "$file" ] || continue
  store "$file" || lost=yes
done <<END
$found
END
[ "$code" -ne 0 ] || [ -z "$lost" ] || code=${ARTIFACT_LOST_EXIT_CODE}
exit "$code"
`;

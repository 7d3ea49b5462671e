import { TOOLKIT_BUSYBOX, TOOLKIT_SEALED } from '@cronium/contracts';
import {
  EMPTY_SHELL,
  type EntryPlan,
  FIND_PROGRAM,
  fileCommands,
  programCommands,
  quote,
  RUN_PATH,
} from '../entry-program.ts';

/** A container that serves a batch waits for commands on stdin, as PID 1, which its jobs can neither read nor trace. */
export const SUPERVISOR_ENTRYPOINT: readonly string[] = EMPTY_SHELL.with(-2, TOOLKIT_SEALED);
/** Its exit code when something of a turn stayed that it could not remove. */
export const UNCLEAN_EXIT_CODE = 124;
/** More than this is written to the shell in no turn: such a job runs in a container of its own. */
const MAX_TURN_BYTES = 1024 * 1024;
/** What a job can write to, beside the volumes of its image. */
const ALWAYS_WRITABLE = [RUN_PATH, '/dev/shm', '/dev/mqueue'];

/**
 * The supervisor's functions, sent once. Each turn then is one compound command, which a shell runs only when it has all
 * of it. What a turn does:
 *
 * - its processes run below one child. They get the container's output by an open file of their own, so that no flag that
 *   one sets on it outlives the turn, and nothing of the supervisor's stdin;
 * - when that child ends, everything else is killed. PID 1 is spared by the kernel, and nothing can escape it: what is
 *   orphaned becomes its child;
 * - only then, with nobody left who could write, the marks of the end are printed, on both streams;
 * - the folders are emptied. Where anything stays (a process, a file, an object of System V IPC), the container ends.
 *
 * The shell says on its stderr, here a file, when a child died of a signal.
 */
export function prelude(nonce: string, volumes: readonly string[]): string {
  const folders = [...new Set(['/tmp', '/workspace', ...volumes, ...ALWAYS_WRITABLE])].map(quote).join(' ');
  return `
b=${TOOLKIT_BUSYBOX}; r=${RUN_PATH}; n=${quote(nonce)}
mark() { printf ${quote('\\036%s %s %s %s\\n')} "$n" "$1" "$2" "$3"; }
for counter in /sys/fs/cgroup/memory/memory.oom_control /sys/fs/cgroup/memory.events /dev/null; do
  [ -r "$counter" ] && break
done
count_kills() { k=0; while read -r a v; do [ "$a" = oom_kill ] && k=$v; done <"$counter"; }
is_alone() { set -- /proc/[0-9]*; [ $# -eq 1 ]; }
end_all() {
  tries=0
  until is_alone; do
    kill -9 -1
    jobs
    tries=$((tries + 1))
    [ $tries -lt 500 ] || return 1
    [ $tries -lt 5 ] || "$b" usleep 2000
  done >/dev/null
}
is_empty() {
  d=$1; set -- "$d"/* "$d"/.*
  [ $# -eq 3 ] && [ ! -e "$1" ] && [ ! -L "$1" ]
}
clean() {
  "$b" rm -rf "$@"
  for d; do
    [ ! -d "$d" ] || { [ -r "$d" ] && [ -w "$d" ] && [ -x "$d" ] && is_empty "$d"; } || return 1
  done
  for f in /proc/sysvipc/*; do { read -r x; read -r x; } <"$f" && return 1; done
  return 0
}
run() {
  exec 2>"$r/.signals"
  (
    read -r pid x </proc/self/stat
    mark boot start "$pid"; mark boot start 0 >&2
    turn
  ) >/proc/self/fd/1 2>/proc/self/fd/9 9>&-
  c=$?; how=exit
  [ -s "$r/.signals" ] && how=signal
  end_all || exit ${UNCLEAN_EXIT_CODE}
  before=$k; count_kills
  [ "$k" -eq "$before" ] || mark turn oom $((k - before))
  mark turn "$how" "$c"; mark turn "$how" "$c" >&9
  clean ${folders} || exit ${UNCLEAN_EXIT_CODE}
  mark turn clean 0
  return "$c"
}
${FIND_PROGRAM}
count_kills
mark boot start 0; mark boot start 0 >&2
exec 9>&2
`;
}

/** One turn. @returns `undefined` when the plan cannot be given so: a script is very long */
export function turnProgram(plan: EntryPlan): Buffer | undefined {
  const program = Buffer.concat([
    Buffer.from(`{\nn=${quote(plan.nonce)}\nturn() {\n`),
    fileCommands(plan.files),
    Buffer.from(`${programCommands(plan)}\n}\nrun\n}\n`),
  ]);
  return program.length > MAX_TURN_BYTES ? undefined : program;
}

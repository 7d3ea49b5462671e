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
 * - when that child ends, everything else is killed, until there is nobody left to kill. PID 1 is spared by the kernel, and
 *   nothing can escape it: what is orphaned becomes its child;
 * - only then, with nobody left who could write, the marks of the end are printed, on both streams;
 * - the folders are emptied. Where anything stays (a process, a file, an object of System V IPC), the container ends.
 *
 * What a turn costs: each mark is a write that the daemon copies, so those that follow each other are one; a fork costs
 * more than all the rest, so `rm` runs for the turn's own files in one, and again only when a job left others. The shell
 * `read`s a file byte by byte, with two system calls for each, but one that it runs in whole pieces: so what the kernel
 * says in words and numbers is run, where only functions are found.
 *
 * The shell says on its stderr, here a file without a name, when a child died of a signal.
 */
export function prelude(nonce: string, volumes: readonly string[]): string {
  const folders = [...new Set(['/tmp', '/workspace', ...volumes, ...ALWAYS_WRITABLE])].map(quote).join(' ');
  return `
b=${TOOLKIT_BUSYBOX}; r=${RUN_PATH}; n=${quote(nonce)}; PATH=/dev/null
mark() { printf ${quote('\\036%s %s %s %s\\n')} "$n" "$@"; }
remove() { "$b" rm -rf "$@"; }
# Where the shell has it built in, no program needs to be loaded.
if command -v rm >/dev/null; then remove() { rm -rf "$@"; }; fi
for counter in /sys/fs/cgroup/memory/memory.oom_control /sys/fs/cgroup/memory.events /dev/null; do
  [ -r "$counter" ] && break
done
oom_kill() { k=$1; }
for a in oom_kill_disable under_oom low high max oom oom_group_kill sock_throttled; do eval "$a() { :; }"; done
count_kills() { k=0; . "$counter"; }
is_alone() { set -- /proc/[0-9]*; [ $# -eq 1 ]; }
end_all() {
  tries=0
  while kill -9 -1; do
    jobs
    tries=$((tries + 1))
    [ $tries -lt 500 ] || return 1
    [ $tries -lt 5 ] || "$b" usleep 2000
  done >/dev/null
  is_alone
}
is_empty() {
  d=$1; set -- "$d"/* "$d"/.*
  [ $# -eq 3 ] && [ ! -e "$1" ] && [ ! -L "$1" ]
}
are_empty() {
  for d; do
    [ ! -d "$d" ] || { [ -r "$d" ] && [ -w "$d" ] && [ -x "$d" ] && is_empty "$d"; } || return 1
  done
}
# The first line of each names its columns; a second one begins with a number, which is no command.
key() { :; }
has_objects() {
  for f in /proc/sysvipc/*; do [ ! -r "$f" ] || . "$f" || return 0; done
  return 1
}
is_clean() { are_empty ${folders} && ! has_objects; }
run() {
  : >/proc/self/fd/2
  (
    mark boot start 0 >&2
    read -r -d ' ' pid </proc/self/stat
    turn
  ) >/proc/self/fd/1 2>/proc/self/fd/9 9>&-
  c=$?; how=exit
  [ $c -le 128 ] || [ ! -s /proc/self/fd/2 ] || how=signal
  end_all || exit ${UNCLEAN_EXIT_CODE}
  before=$k; count_kills
  set -- turn "$how" "$c"
  mark "$@" >&9
  [ "$k" -eq "$before" ] || set -- turn oom $((k - before)) "$n" "$@"
  [ -z "$own" ] || remove $own
  if is_clean; then
    mark "$@" "$n" turn clean 0
  else
    mark "$@"
    remove ${folders}
    is_clean || exit ${UNCLEAN_EXIT_CODE}
    mark turn clean 0
  fi
  return "$c"
}
${FIND_PROGRAM}
count_kills
exec 9>&2 2>"$r/.signals"
remove "$r/.signals"
mark boot start 0; mark boot start 0 >&9
`;
}

/** One turn. @returns `undefined` when the plan cannot be given so: a script is very long */
export function turnProgram(plan: EntryPlan): Buffer | undefined {
  const own = plan.files.map(({ name }) => `${RUN_PATH}/${name}`);
  const program = Buffer.concat([
    Buffer.from(`{\nn=${quote(plan.nonce)}\nown=${quote(own.join(' '))}\nturn() {\n`),
    fileCommands(plan.files),
    Buffer.from(`${programCommands(plan)}\n}\nrun\n}\n`),
  ]);
  return program.length > MAX_TURN_BYTES ? undefined : program;
}

import type { DeathPhase } from '@cronium/contracts';

/** The sentences of death records: what happened, and what to do. */

export function unreadable(reason: string): string {
  return `The job's payload in the queue cannot be read (${reason}); submit the job again with a producer of this fleet's version.`;
}

export function lostTooOften(losses: number): string {
  return `The job was given up because ${losses} workers were lost while they ran it; look whether the job brings its node down, and retry it by hand.`;
}

export function handoverUnknown(node: string): string {
  return `The worker on ${node} died while it handed the program over, so nobody can say whether it ran; its container was removed.`;
}

export function goneUnseen(node: string): string {
  return `The job's container was removed while no worker ran on ${node}, by a stop of the local fleet or by hand, so nobody saw how it ended; let jobs end before stopping for good.`;
}

export function cancelled({ by, reason }: { by: string; reason?: string | undefined }): string {
  return `The job was cancelled by ${by}${reason ? ` (${reason})` : ''}; retry it if that was a mistake.`;
}

export function timedOut(seconds: number): string {
  return `The main program ran longer than its timeout of ${seconds} s and was stopped; make it faster or raise timeoutSeconds.`;
}

export function setupTimedOut(seconds: number, phase: DeathPhase): string {
  const what = phase === 'preparing' ? 'Preparing the sandbox' : `The ${phase} phase`;
  return `${what} was not done after ${seconds} s and was stopped; shorten it or raise CRONIUM_SETUP_TIMEOUT_SECONDS on the nodes.`;
}

export function daemon(detail: string): string {
  return `The Docker daemon stopped or restarted under the job (${detail}); nothing is known against the job itself.`;
}

export function vanished(): string {
  return "The job's container was removed by someone else than the fleet while it ran; find out who ran docker rm on this node.";
}

export function killed(signal: string): string {
  return `The job's container was sent ${signal} through the Docker API by someone else than the fleet; find out who ran docker kill or docker stop on this node.`;
}

export function oom(limitBytes: number): string {
  return `The job needed more memory than its limit of ${Math.round(limitBytes / 2 ** 20)} MiB and was killed by the kernel; raise resources.memoryMiB or use less.`;
}

export function oomOfChild(limitBytes: number): string {
  return `One of the job's processes needed more memory than the limit of ${Math.round(limitBytes / 2 ** 20)} MiB and was killed by the kernel, and the main program then returned 137, which is what a shell says of that; raise resources.memoryMiB or use less.`;
}

export function oomOfHost(): string {
  return 'The job was killed by the kernel for want of memory on the host, not for its own limit; run fewer jobs at once on this node, or give it more memory.';
}

const SCRIPTS = {
  tenantPreTask: "tenant's pre-task",
  setup: 'setup',
  preTask: 'preTask',
} as const;

export function setupFailed(phase: keyof typeof SCRIPTS, exitCode: number): string {
  return `The ${SCRIPTS[phase]} script failed with exit code ${exitCode}, so the main program was not run; see the log for what it printed.`;
}

export function unrunnable(exitCode: number, image: string | undefined): string {
  const where = image === undefined ? 'in its image' : `in the image ${image}`;
  if (exitCode === 126)
    return `The main program ${where} is not executable; correct its permissions or the command.`;
  return `The main program was not found ${where}; correct the command or use an image that has it.`;
}

export function notStarted(error: string, image: string | undefined): string {
  return `The container${image === undefined ? '' : ` of ${image}`} could not start: ${error}. Check that the image fits this node's architecture and has what the job needs.`;
}

export function endedBeforeProgram(exitCode: number): string {
  return `The container ended with exit code ${exitCode} before any of the job's program began, and why is not known; it is tried again.`;
}

export function sidecarLost(reason: string): string {
  return `The job's sidecar, which serves the runtime API, was lost (${reason}), so the job was stopped and is run again; look at the node's memory and at who stops containers on it.`;
}

export function sidecarDied(exitCode: number): string {
  return `The job's sidecar died while the job ran and the job then failed with exit code ${exitCode}, probably because the runtime API was gone.`;
}

export function exited(exitCode: number, phase: DeathPhase, memoryWasShort: boolean): string {
  if (exitCode === 0)
    return `The container ended in the ${phase} phase before the main program began; see the log for what the script did.`;
  const memory = memoryWasShort
    ? ' One of its processes was killed for want of memory, which may be why; raise resources.memoryMiB.'
    : '';
  return `The program ended with exit code ${exitCode}; see the end of its log for the reason.${memory}`;
}

export function exitedLikeSignal(exitCode: number, signal: string): string {
  return `The program returned exit code ${exitCode} itself; nothing killed it. A shell returns this code when the last program that it ran died of ${signal}: see the end of its log.`;
}

export function diedOf(signal: string): string {
  if (signal === 'SIGKILL') {
    return 'The program was killed with SIGKILL, by one of its own processes or by someone on its host: no out-of-memory kill was counted and no docker kill was seen; look in the job for kill -9, and on the host for who did it.';
  }
  return `The program died of ${signal}; see the end of its log for the reason.`;
}

export function signalled(signal: string, exitCode: number): string {
  if (signal === 'SIGKILL') {
    return `The program ended with exit code ${exitCode}: it was killed with SIGKILL from inside its container or by its host, or returned that code itself; no out-of-memory kill and no docker kill was seen.`;
  }
  return `The program ended with exit code ${exitCode}, which stands for ${signal}; see the end of its log for the reason.`;
}
